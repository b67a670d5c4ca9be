"""Personal data in clear, for those who may see it: each reading is a row of the audit before anything is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from psycopg import Connection

from fleet.errors import UnknownEntryError
from fleet.keys import Keys
from fleet.ledger.entries import read_held
from fleet.ledger.nouns import LEDGERS
from fleet.sealing import Safe

PersonalNoun = Literal["merchants", "parties", "devices"]
_ONE: Final[Mapping[PersonalNoun, str]] = {"merchants": "merchant", "parties": "party", "devices": "device"}


# The table is under audit, so its row is one of the audit, too: who, from where and why come from the transaction.
NOTE_READING: Final = """
INSERT INTO personal_readings (entity, number, columns) VALUES (%(noun)s, %(key)s, %(names)s)
"""


@dataclass(frozen=True, slots=True)
class Revealed:
    """The personal columns of an entry, in clear; None where the ledger has nothing. It never shows itself."""

    noun: PersonalNoun
    key: str
    values: Mapping[str, str | None]

    def __repr__(self) -> str:
        return f"Revealed({self.noun} {self.key})"


def reveal(connection: Connection[Any], noun: PersonalNoun, key: str, *, keys: Keys, reason: str) -> Revealed:
    """The personal data of one entry. To be called within :func:`fleet.acting.acting`, which seals that it was read.

    Raises UnknownEntryError, KeyFileError, and ValueError without a *reason*: the transaction has to have been told.
    """
    if not reason.strip():
        raise ValueError("personal data is not read without a reason")
    ledger = LEDGERS[noun]
    found = read_held(connection, noun, [key])
    if not found:
        raise UnknownEntryError(f"no {_ONE[noun]} has the number {key!r}.")
    names = [column.name for column in ledger.columns if column.personal is not None]
    connection.execute(NOTE_READING, {"noun": noun, "key": key, "names": names})
    safe = Safe.of(connection, keys)
    sealed = {name: found[0][f"{name}_sealed"] for name in names}
    return Revealed(noun, key, {name: None if kept is None else safe.open(kept) for name, kept in sealed.items()})
