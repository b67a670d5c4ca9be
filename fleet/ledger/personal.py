"""Personal data in clear, for those who may see it: each reading is a row of the audit before anything is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from psycopg import Connection, sql

from fleet.errors import UnknownEntryError
from fleet.keys import Keys
from fleet.ledger.columns import Ledger
from fleet.ledger.entries import read_held
from fleet.ledger.nouns import LEDGERS
from fleet.sealing import Safe

PersonalNoun = Literal["merchants", "parties", "devices"]
_ONE: Final[Mapping[PersonalNoun, str]] = {"merchants": "merchant", "parties": "party", "devices": "device"}


def _note(ledger: Ledger, own_id: str) -> sql.Composed:
    # Who, from where and why come from the transaction, as for every other row. An entity of its own: the rows of an
    # entry are its states, and to be read changes none.
    return sql.SQL(
        "INSERT INTO audit (action, entity, entity_id, label)"
        " SELECT 'read', 'personal_data', {whose} || {own_id}::text, {key} FROM {table} WHERE {key} = %(key)s"
    ).format(
        whose=sql.Literal(f"{ledger.table}/"),
        own_id=sql.Identifier(own_id),
        key=sql.Identifier(ledger.key[0]),
        table=sql.Identifier(ledger.table),
    )


NOTE_READING: Final[Mapping[PersonalNoun, sql.Composed]] = {
    "merchants": _note(LEDGERS["merchants"], "merchant_id"),
    "parties": _note(LEDGERS["parties"], "party_id"),
    "devices": _note(LEDGERS["devices"], "device_id"),
}


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
    connection.execute(NOTE_READING[noun], {"key": key})
    safe = Safe.of(connection, keys)
    names = [column.name for column in ledger.columns if column.personal is not None]
    sealed = {name: found[0][f"{name}_sealed"] for name in names}
    return Revealed(noun, key, {name: None if kept is None else safe.open(kept) for name, kept in sealed.items()})
