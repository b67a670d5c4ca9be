"""Migrations after the previous release only add: nothing that release uses is dropped, renamed or made stricter."""

import re
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from store.migrations import PREVIOUS_RELEASE, known_migrations
from tests.integration.test_queries import numbered
from tests.overlap.conftest import HERE

Connection = psycopg.Connection[tuple[object, ...]]

# Constraints that are new, or say something else, on what the previous ingest writes, and why it passes them. A check
# that allows more is fine; one that allows less belongs into the release after this one.
REVIEWED: Final[dict[str, str]] = {}

# What the previous release began by itself, with today's migrations on top of it or without.
COLUMNS: Final = """
SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '', c.relname
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND a.attnum > 0 AND NOT a.attisdropped
"""
ROUTINES: Final = """
SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', pg_get_function_result(p.oid)
FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
CONSTRAINTS: Final = """
SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid), conrelid::regclass::text
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 'n'
"""
# A statement of a migration, and how the complaint of it begins.
CHANGES: Final = {
    "ALTER TABLE boots DROP COLUMN booted_at": "boots.booted_at is gone",
    "ALTER TABLE workers RENAME COLUMN lag_seconds TO lag": "workers.lag_seconds is gone",
    "ALTER TABLE conflicts ALTER COLUMN seq TYPE numeric": "conflicts.seq was bigint",
    "ALTER TABLE boots ALTER COLUMN booted_at SET NOT NULL": "boots.booted_at may no longer be empty",
    "ALTER TABLE conflicts ADD COLUMN node text NOT NULL": "conflicts.node is new, compulsory",
    "DROP FUNCTION close_small_gaps": "close_small_gaps(",
    "ALTER TABLE workers ADD CHECK (worker <> 'one')": "workers.workers_worker_check is new",
    "ALTER TABLE conflicts ADD COLUMN node text NOT NULL DEFAULT ''": "",
    "CREATE TABLE nodes (node text PRIMARY KEY CHECK (node <> ''))": "",
}
WRITES: Final = re.compile(r"\b(?:INSERT INTO|UPDATE|COPY|DELETE FROM)\s+(\w+)")


def _by_name(connection: Connection, query: str) -> dict[str, tuple[Any, ...]]:
    return {str(name): rest for name, *rest in connection.execute(query.encode())}  # type: ignore[misc]


def test_frozen_release_is_the_one_that_the_code_names() -> None:
    """And it is older than this one, or this one."""
    assert (HERE / f"ingest-{PREVIOUS_RELEASE:04d}.tar.gz").exists()
    assert (HERE / f"queries-{PREVIOUS_RELEASE:04d}.json.gz").exists()
    assert len(list(HERE.glob("*.gz"))) == 2
    assert len(known_migrations("plain")) >= PREVIOUS_RELEASE


def test_every_query_of_the_previous_release_is_understood(
    connection: Connection, frozen_queries: dict[str, str]
) -> None:
    """By today's schema, of every package: services of both releases run side by side for a while."""
    failures = []
    for name, text in frozen_queries.items():
        try:
            connection.execute(f"PREPARE frozen AS {numbered(text)}".encode())
            connection.execute("DEALLOCATE frozen")
        except psycopg.Error as error:
            failures.append(f"{name}: {error}")
    assert failures == []
    assert len(frozen_queries) > 500


def _columns(before: Connection, now: Connection) -> Iterator[str]:
    """Of tables and views; a new column of an old table fills itself or may be empty."""
    old, new = _by_name(before, COLUMNS), _by_name(now, COLUMNS)
    for name, (kind, compulsory, *_) in old.items():
        if name not in new:
            yield f"{name} is gone"
        elif new[name][0] != kind:
            yield f"{name} was {kind} and is {new[name][0]}"
        elif new[name][1] and not compulsory:
            yield f"{name} may no longer be empty"
    relations = {relation for *_, relation in old.values()}
    for name, (_, compulsory, fills_itself, relation) in new.items():
        if name not in old and relation in relations and compulsory and not fills_itself:
            yield f"{name} is new, compulsory and does not fill itself"


def _routines(before: Connection, now: Connection) -> Iterator[str]:
    """By name, arguments and result."""
    new = _by_name(now, ROUTINES)
    for name, result in _by_name(before, ROUTINES).items():
        if new.get(name) != result:
            yield f"{name} is gone, or answers otherwise"


def _constraints(before: Connection, now: Connection, queries: dict[str, str]) -> Iterator[str]:
    """On what the previous ingest writes."""
    written = {table for name, text in queries.items() if name.startswith("ingest.") for table in WRITES.findall(text)}
    # Rows of telemetry go by COPY, whose statement is put together per stream.
    written |= {"weighing", "scan", "coldchain", "status"}
    assert {"boots", "dead_letters", "ingest_stats", "workers"} <= written
    old = _by_name(before, CONSTRAINTS)
    for name, (text, table) in _by_name(now, CONSTRAINTS).items():
        if table in written and old.get(name, ("",))[0] != text and name not in REVIEWED:
            yield f"{name} is new, or says something else: {text}"


def _complaints(before: Connection, now: Connection, queries: dict[str, str]) -> list[str]:
    return [*_columns(before, now), *_routines(before, now), *_constraints(before, now, queries)]


def test_migrations_since_the_previous_release_only_add(
    connection: Connection, previous_connection: Connection, frozen_queries: dict[str, str]
) -> None:
    """Nothing is dropped, renamed, retyped or made stricter."""
    assert _complaints(previous_connection, connection, frozen_queries) == []


def test_a_migration_that_takes_something_away_is_seen(
    previous_connection: Connection, previous_database_url: str, frozen_queries: dict[str, str]
) -> None:
    """Each kind of it, by its name; and what only adds passes."""
    with psycopg.connect(previous_database_url, autocommit=True) as changed:
        for statement, complaint in CHANGES.items():
            with changed.transaction(force_rollback=True):
                changed.execute(statement.encode())
                # Another connection sees what is committed: what there was before.
                told = _complaints(previous_connection, changed, frozen_queries)
            assert (told and complaint and told[0].startswith(complaint)) or (not told and not complaint), statement
