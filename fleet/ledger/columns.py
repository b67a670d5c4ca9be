"""What a column of a noun's sheet is: its headers, how a cell is read, and where the database keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, LiteralString

from fleet.ledger.cells import Reader, choice
from fleet.ledger.report import Noun, Value
from fleet.sealing import Personal

# What a cell may name: another entry of the ledger, or a kind of device.
Reference = Literal["regions", "sites", "merchants", "parties", "models", "devices", "kinds"]
Entry = Mapping[str, Value | None]
SqlType = Literal["text", "integer", "bigint", "numeric", "double precision", "boolean", "date"]


@dataclass(frozen=True, slots=True)
class Foreign:
    """The entry that a cell names by *key*, kept as its number *id* in the column *local*."""

    table: LiteralString
    id: LiteralString
    key: LiteralString
    local: LiteralString


SITE: Final = Foreign("sites", "site_id", "site_no", "site_id")
MERCHANT: Final = Foreign("merchants", "merchant_id", "merchant_code", "merchant_id")
MODEL: Final = Foreign("models", "model_id", "model_no", "model_id")
DEVICE: Final = Foreign("devices", "device_id", "device_no", "device_id")
GATEWAY: Final = Foreign("devices", "device_id", "device_no", "gateway_id")
PARTY: Final = Foreign("parties", "party_id", "party_no", "party_id")


@dataclass(frozen=True, slots=True)
class Column:
    """One column. *needed* is for new entries only; *default* is what a new entry gets from an empty cell."""

    name: str
    chinese: tuple[str, ...]
    read: Reader
    needed: bool = False
    default: Value | None = None
    refers_to: Reference | None = None
    # What may be written, and the same in Chinese, where that is a closed set.
    words: Mapping[str, str] | None = None
    # Further English headers.
    english: tuple[str, ...] = ()
    # Headers that say another unit, each with the reader that turns it into this column's.
    units: Mapping[str, Reader] = field(default_factory=dict)
    sql_type: SqlType = "text"
    # The column of the table, where it has another name; of personal data, what its two columns begin with.
    stored: str | None = None
    foreign: Foreign | None = None
    # Personal data: sealed, and of what kind its mask is.
    personal: Personal | None = None
    # SQL between the table's form and the sheet's, where these differ.
    shown: LiteralString = "{}"
    kept: LiteralString = "{}"

    @property
    def local(self) -> str:
        """The column of the table that holds it."""
        if self.foreign is not None:
            return self.foreign.local
        return self.stored or self.name


@dataclass(frozen=True, slots=True)
class Ledger:
    """One noun: *key* names the columns that identify an entry, the first of them a text."""

    noun: Noun
    table: LiteralString
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    # Further columns that an update sets, and to what: `entry` is what comes, `own` the row as it was.
    follows: Mapping[str, LiteralString] = field(default_factory=lambda: {"updated_at": "now()"})

    def column(self, name: str) -> Column:
        """The column of that English name."""
        return next(column for column in self.columns if column.name == name)

    def key_of(self, entry: Entry) -> tuple[Value, ...]:
        """What identifies *entry*, which must hold its key columns."""
        return tuple(value for name in self.key if (value := entry[name]) is not None)


def word(name: str, chinese: tuple[str, ...], words: Mapping[str, str], **more: object) -> Column:
    """A column whose cells hold one of *words*, or the Chinese of one."""
    both = {each: each for each in words} | {translated: each for each, translated in words.items()}
    return Column(name, chinese, choice(both), words=words, **more)  # type: ignore[arg-type]
