"""What each row of a sheet would make of its entry: the row's cells against what the ledger holds. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fleet.ledger.columns import Column, Entry, Ledger
from fleet.ledger.report import FieldChange, RowError, Value
from fleet.ledger.rows import HIDDEN, Reading, Row
from fleet.sealing import mask

# Entries by key, as the ledger holds them: every column of the noun is there, None where it is empty. A personal
# column has its mask, and beside it `<column>_sealed`, the bytes.
Held = Mapping[tuple[Value, ...], Mapping[str, object]]
Opener = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Draft:
    """One entry as a row would have it. *before* is None for a new one; *after* holds personal data in the clear.

    *fields* are the changes, masked; *complaints* what is wrong with the row's cells against what is held.
    """

    row: int
    key: tuple[Value, ...]
    before: Entry | None
    after: Entry
    fields: tuple[FieldChange, ...]
    bad: frozenset[str]
    complaints: tuple[RowError, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether the ledger has no such entry yet."""
        return self.before is None

    @property
    def names(self) -> frozenset[str]:
        """The columns that change; of a new entry those that are written."""
        return frozenset(field.column for field in self.fields)


def draft_rows(ledger: Ledger, reading: Reading, held: Held, opened: Opener) -> tuple[Draft, ...]:
    """A draft for each row of *reading*; *opened* opens what is sealed."""
    by_name = {column.name: column for column in ledger.columns}
    blank: Entry = {column.name: column.default for column in ledger.columns}
    return tuple(
        _draft(ledger, by_name, blank, row, held.get(ledger.key_of(row.values)), opened) for row in reading.rows
    )


def _draft(
    ledger: Ledger,
    columns: Mapping[str, Column],
    blank: Entry,
    row: Row,
    held: Mapping[str, object] | None,
    opened: Opener,
) -> Draft:
    fields = tuple(_differences(columns, row, held or {}, opened))
    before: Entry | None = None if held is None else {name: held[name] for name in columns}  # type: ignore[misc]
    after = dict(before if before is not None else blank) | dict(row.values) | dict.fromkeys(row.emptied)
    complaints = tuple(_complaints(ledger, row, before, after))
    return Draft(row.number, ledger.key_of(row.values), before, after, fields, row.bad, complaints)


def _differences(
    columns: Mapping[str, Column], row: Row, held: Mapping[str, object], opened: Opener
) -> Sequence[FieldChange]:
    changes = []
    for name, value in row.values.items():
        before = held.get(name)
        kind = columns[name].personal
        if kind is None:
            if before != value:
                changes.append(FieldChange(name, before, value))  # type: ignore[arg-type]
        elif mask(kind, str(value)) != before or opened(held[f"{name}_sealed"]) != value:  # type: ignore[arg-type]
            changes.append(FieldChange(name, before, mask(kind, str(value))))  # type: ignore[arg-type]
    changes += [FieldChange(name, before, None) for name in row.emptied if (before := held.get(name)) is not None]  # type: ignore[arg-type]
    return changes


_TYPE_ANEW: Final = "leave the cell empty, or type the whole value"


def _complaints(ledger: Ledger, row: Row, before: Entry | None, after: Entry) -> Sequence[RowError]:
    singular = ledger.noun.replace("_", " ").removesuffix("s")
    complaints = [
        RowError(row.number, column.name, "", f"is empty, and a new {singular} needs it", f"fill in {column.name}")
        for column in ledger.columns
        if column.needed
        and after[column.name] is None
        and column.name not in row.bad
        and column.name not in row.emptied
    ]
    complaints += [
        RowError(row.number, name, "", f"is needed by every {singular}", "give it another value, or leave it as it is")
        for name in sorted(row.emptied)
        if ledger.column(name).needed or ledger.column(name).default is not None
    ]
    complaints += [
        RowError(row.number, name, HIDDEN, "is masked, and not the mask of what the ledger holds", _TYPE_ANEW)
        for name, cell in row.masks.items()
        if before is None or before[name] != cell
    ]
    return complaints
