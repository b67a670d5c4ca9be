"""Entries as sheets show them, read with SQL that is made from the columns. Personal data is masked here, always."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.rows import DictRow, dict_row

from fleet.ledger.columns import Column, Ledger
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun, Value

FETCHED_AT_ONCE: Final = 2000


def named(column: Column) -> sql.Composable:
    """What a sheet shows of *column*, from the row `own` and from those it names; of personal data the masked form."""
    if column.foreign is not None:
        return sql.Identifier(column.name, column.foreign.key)
    if column.personal is not None:
        return sql.Identifier("own", f"{column.local}_masked")
    return sql.SQL(column.shown).format(sql.Identifier("own", column.local))


def joined(columns: Sequence[Column], to: str, *, by_key: bool) -> sql.Composable:
    """Joins the entries that *columns* name, each under the column's name, to the rows of *to*."""
    parts: list[sql.Composable] = []
    for column in columns:
        if (foreign := column.foreign) is not None:
            own = sql.Identifier(to, column.name if by_key else foreign.local)
            its = sql.Identifier(column.name, foreign.key if by_key else foreign.id)
            table, alias = sql.Identifier(foreign.table), sql.Identifier(column.name)
            parts.append(sql.SQL(" LEFT JOIN {} AS {} ON {} = {}").format(table, alias, its, own))
    return sql.SQL("").join(parts)


def _selected(ledger: Ledger, columns: Sequence[sql.Composable], where: sql.Composable) -> sql.Composed:
    return sql.SQL("SELECT {} FROM {} AS own{} WHERE {}").format(
        sql.SQL(", ").join(columns), sql.Identifier(ledger.table), joined(ledger.columns, "own", by_key=False), where
    )


def _as_shown(ledger: Ledger) -> list[sql.Composable]:
    return [sql.SQL("{} AS {}").format(named(column), sql.Identifier(column.name)) for column in ledger.columns]


def _keys(ledger: Ledger) -> sql.Composable:
    return sql.SQL(", ").join(named(ledger.column(name)) for name in ledger.key)


def _first_key(ledger: Ledger) -> sql.Composable:
    return named(ledger.column(ledger.key[0]))


def _all(ledger: Ledger) -> sql.Composed:
    order = sql.SQL("true ORDER BY {}").format(_keys(ledger))
    return _selected(ledger, _as_shown(ledger), order)


def _some(ledger: Ledger) -> sql.Composed:
    where = sql.SQL("{} = ANY(%(keys)s::text[]) ORDER BY {}").format(_first_key(ledger), _keys(ledger))
    return _selected(ledger, _as_shown(ledger), where)


def _held(ledger: Ledger) -> sql.Composed:
    """Entries with what their personal data is sealed in, each beside its mask."""
    sealed = [
        sql.SQL("{} AS {}").format(
            sql.Identifier("own", f"{column.local}_sealed"), sql.Identifier(f"{column.name}_sealed")
        )
        for column in ledger.columns
        if column.personal is not None
    ]
    where = sql.SQL("{} = ANY(%(keys)s::text[])").format(_first_key(ledger))
    return _selected(ledger, [*_as_shown(ledger), *sealed], where)


def _page(ledger: Ledger) -> sql.Composed:
    """Entries after the one whose key is in *after_0*, *after_1* …, or from the first on."""
    after = sql.SQL(", ").join(
        sql.SQL("%({})s::{}").format(sql.SQL(f"after_{place}"), sql.SQL(ledger.column(name).sql_type))
        for place, name in enumerate(ledger.key)
    )
    where = sql.SQL("(%(after_0)s::text IS NULL OR ({keys}) > ({after})) ORDER BY {keys} LIMIT %(rows)s").format(
        keys=_keys(ledger), after=after
    )
    return _selected(ledger, _as_shown(ledger), where)


ALL: Final[Mapping[Noun, sql.Composed]] = {noun: _all(ledger) for noun, ledger in LEDGERS.items()}
SOME: Final[Mapping[Noun, sql.Composed]] = {noun: _some(ledger) for noun, ledger in LEDGERS.items()}
HELD: Final[Mapping[Noun, sql.Composed]] = {noun: _held(ledger) for noun, ledger in LEDGERS.items()}
PAGE: Final[Mapping[Noun, sql.Composed]] = {noun: _page(ledger) for noun, ledger in LEDGERS.items()}


def read_entries(
    connection: Connection[Any], noun: Noun, keys: Sequence[str] | None = None
) -> Iterator[dict[str, Value | None]]:
    """The entries of *noun* as sheets show them, in the order of their keys; with *keys*, those whose first key is one.

    Every column of the noun is there under its English name, None where it is empty; personal data is masked. Within a
    transaction: it reads by a cursor of the server, for the client's would hold all entries before the first is told.
    """
    query, parameters = (ALL[noun], None) if keys is None else (SOME[noun], {"keys": list(keys)})
    with connection.cursor("entries", row_factory=dict_row) as cursor:
        cursor.itersize = FETCHED_AT_ONCE
        cursor.execute(query, parameters)
        yield from cursor


def read_held(connection: Connection[Any], noun: Noun, keys: Sequence[Value]) -> list[DictRow]:
    """The entries whose first key is one of *keys*, each with `<column>_sealed` for its personal columns."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(HELD[noun], {"keys": list(keys)}).fetchall()
