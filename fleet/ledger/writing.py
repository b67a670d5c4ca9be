"""Drafts into the tables: a statement for some thousands of entries, made from the columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from psycopg import Connection, sql

from fleet.ledger.columns import Column, Ledger
from fleet.ledger.drafts import Draft
from fleet.ledger.entries import joined
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun, Value
from fleet.sealing import Safe, mask

ENTRIES_AT_ONCE: Final = 5000

# The steps of devices' lives, also the first one.
TRANSITIONS: Final = """
INSERT INTO device_transitions (device_id, from_state, to_state, actor, reason, document)
SELECT d.device_id, step.from_state, step.to_state, acting_as(), coalesce(step.reason, acting_because()), step.document
FROM json_to_recordset(%(steps)s::json)
    AS step (device_no text, from_state text, to_state text, reason text, document text)
JOIN devices AS d USING (device_no)
ORDER BY d.device_id
"""


def _arriving(ledger: Ledger) -> sql.Composable:
    """The entries as they come: JSON, with a column for each of the ledger's, and *names*, those that change."""
    defined: list[sql.Composable] = [sql.SQL("names text[]")]
    for column in ledger.columns:
        defined += [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in _arriving_as(column)]
    return sql.SQL("json_to_recordset(%(entries)s::json) AS entry ({}){}").format(
        sql.SQL(", ").join(defined), joined(ledger.columns, "entry", by_key=True)
    )


def _arriving_as(column: Column) -> tuple[tuple[str, Any], ...]:
    if column.personal is not None:
        return (f"{column.name}_sealed", "bytea"), (f"{column.name}_masked", "text")
    return ((column.name, column.sql_type),)


def _kept(column: Column) -> Iterator[tuple[str, sql.Composable]]:
    """The columns of the table that keep *column*, and what they get."""
    if column.personal is not None:
        for form in ("sealed", "masked"):
            yield f"{column.local}_{form}", sql.Identifier("entry", f"{column.name}_{form}")
    elif column.foreign is not None:
        yield column.local, sql.Identifier(column.name, column.foreign.id)
    else:
        yield column.local, sql.SQL(column.kept).format(sql.Identifier("entry", column.name))


def _insert(ledger: Ledger) -> sql.Composed:
    kept = [pair for column in ledger.columns for pair in _kept(column)]
    return sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
        sql.Identifier(ledger.table),
        sql.SQL(", ").join(sql.Identifier(name) for name, _ in kept),
        sql.SQL(", ").join(value for _, value in kept),
        _arriving(ledger),
    )


def _update(ledger: Ledger) -> sql.Composed:
    changes = [
        sql.SQL("{stored} = CASE WHEN {name} = ANY(entry.names) THEN {value} ELSE own.{stored} END").format(
            stored=sql.Identifier(stored), name=sql.Literal(column.name), value=value
        )
        for column in ledger.columns
        if column.name not in ledger.key
        for stored, value in _kept(column)
    ]
    changes += [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.SQL(value)) for name, value in ledger.follows.items()
    ]
    of_the_key = [
        sql.SQL("own.{} = {}").format(sql.Identifier(stored), value)
        for name in ledger.key
        for stored, value in _kept(ledger.column(name))
    ]
    return sql.SQL("UPDATE {} AS own SET {} FROM {} WHERE {}").format(
        sql.Identifier(ledger.table),
        sql.SQL(", ").join(changes),
        _arriving(ledger),
        sql.SQL(" AND ").join(of_the_key),
    )


def _has_more_than_a_key(ledger: Ledger) -> bool:
    return len(ledger.columns) > len(ledger.key)


INSERT: Final[Mapping[Noun, sql.Composed]] = {noun: _insert(ledger) for noun, ledger in LEDGERS.items()}
UPDATE: Final[Mapping[Noun, sql.Composed]] = {
    noun: _update(ledger) for noun, ledger in LEDGERS.items() if _has_more_than_a_key(ledger)
}


def write(
    connection: Connection[Any],
    ledger: Ledger,
    drafts: Sequence[Draft],
    safe: Callable[[], Safe],
    written: Callable[[int], None],
) -> None:
    """Write *drafts*, sealing what is personal; *written* is told how many there are now."""
    count = 0
    for query, some in _statements(ledger, drafts):
        for first in range(0, len(some), ENTRIES_AT_ONCE):
            batch = some[first : first + ENTRIES_AT_ONCE]
            connection.execute(query, {"entries": _as_json(ledger, batch, safe)})
            count += len(batch)
            written(count)
    if ledger.noun == "devices":
        _record_steps(connection, drafts)


def _statements(ledger: Ledger, drafts: Sequence[Draft]) -> Iterator[tuple[sql.Composed, list[Draft]]]:
    """What is named by others of the same sheet comes before these: gateways before the devices behind them."""
    own = [column.name for column in ledger.columns if column.foreign and column.foreign.table == ledger.table]
    new = [draft for draft in drafts if draft.is_new]
    naming = [draft for draft in new if any(draft.after[name] is not None for name in own)]
    yield INSERT[ledger.noun], [draft for draft in new if all(draft.after[name] is None for name in own)]
    yield INSERT[ledger.noun], naming
    if ledger.noun in UPDATE:
        yield UPDATE[ledger.noun], [draft for draft in drafts if not draft.is_new]


def _as_json(ledger: Ledger, drafts: Iterable[Draft], safe: Callable[[], Safe]) -> str:
    entries = []
    for draft in drafts:
        entry: dict[str, object] = {"names": list(draft.names)}
        for column in ledger.columns:
            name = column.name
            value = draft.after[name]
            if value is None or not (draft.is_new or name in draft.names or name in ledger.key):
                continue
            if column.personal is None:
                entry[name] = value
            elif name in draft.names:
                entry[f"{name}_sealed"] = f"\\x{safe().seal(str(value)).hex()}"
                entry[f"{name}_masked"] = mask(column.personal, str(value))
        entries.append(entry)
    return orjson.dumps(entries, default=str).decode()


def _record_steps(connection: Connection[Any], drafts: Sequence[Draft]) -> None:
    steps = [step for draft in drafts if (step := _step(draft)) is not None]
    if steps:
        connection.execute(TRANSITIONS, {"steps": orjson.dumps(steps).decode()})


def _step(draft: Draft) -> dict[str, Value | None] | None:
    before = None if draft.before is None else draft.before["state"]
    if draft.after["state"] == before:
        return None
    reason = draft.after["state_reason"] if "state_reason" in draft.names else None
    return {
        "device_no": draft.after["device_no"],
        "from_state": before,
        "to_state": draft.after["state"],
        "reason": reason,
        "document": draft.after["exemption_document"] if before in (None, "draft") else None,
    }
