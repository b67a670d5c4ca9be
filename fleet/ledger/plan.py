"""What a sheet would do to the ledger: its rows against the entries the database holds. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.ledger.nouns import Entry, Ledger
from fleet.ledger.report import Change, FieldChange, Report, RowError, Value
from fleet.ledger.rows import Reading, Row

# Entries by key, as the ledger holds them: every column of the noun is there, None where it is empty.
Held = Mapping[tuple[Value, ...], Entry]


@dataclass(frozen=True, slots=True)
class Plan:
    """The entries to write, each whole, and the report that says why."""

    entries: tuple[Entry, ...]
    report: Report


def plan(ledger: Ledger, reading: Reading, held: Held, *, rows: int) -> Plan:
    """What the good rows of a sheet of *rows* rows create, change and leave alone. Nothing is applied yet."""
    entries: list[Entry] = []
    created: list[str] = []
    changed: list[Change] = []
    errors = list(reading.errors)
    unchanged = 0
    for row in reading.rows:
        key = ledger.key_of(row.values)
        before = held.get(key)
        fields = _differences(row, before or {})
        after = _merged(ledger, row, before)
        # A row with a bad cell is not written, and still is told of everything else that is wrong with it.
        complaints = _complaints(ledger, row, after)
        if complaints or row.bad:
            errors += complaints
        elif before is None:
            created.append(_shown(key))
            entries.append(after)
        elif fields:
            changed.append(Change(row.number, _shown(key), fields))
            entries.append(after)
        else:
            unchanged += 1
    errors.sort(key=lambda error: error.row)
    report = Report(ledger.noun, rows, tuple(created), tuple(changed), unchanged, tuple(errors), applied=False)
    return Plan(tuple(entries), report)


def _differences(row: Row, before: Entry) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(name, before.get(name), value) for name, value in row.values.items() if before.get(name) != value
    )


def _merged(ledger: Ledger, row: Row, before: Entry | None) -> Entry:
    """The whole entry afterwards: the row's cells over what is held, or over the defaults of a new one."""
    base = before if before is not None else {column.name: column.default for column in ledger.columns}
    return dict(base) | dict(row.values)


def _complaints(ledger: Ledger, row: Row, after: Entry) -> list[RowError]:
    singular = ledger.noun.removesuffix("s")
    complaints = [
        RowError(row.number, column.name, "", f"is empty, and a new {singular} needs it", f"fill in {column.name}")
        for column in ledger.columns
        if column.needed and after[column.name] is None and column.name not in row.bad
    ]
    broken = ledger.rule(after)
    if broken is not None and not row.bad:
        name, problem, remedy = broken
        complaints.append(RowError(row.number, name, str(after[name]), problem, remedy))
    return complaints


def _shown(key: tuple[Value, ...]) -> str:
    return " ".join(map(str, key))
