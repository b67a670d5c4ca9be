"""Migrations after the previous release only add: nothing that release uses is dropped, renamed or made stricter."""

import re
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


def test_no_column_is_dropped_renamed_retyped_or_made_compulsory(
    connection: Connection, previous_connection: Connection
) -> None:
    """Of tables and views; and a new column of an old table fills itself or may be empty."""
    before, now = _by_name(previous_connection, COLUMNS), _by_name(connection, COLUMNS)
    assert sorted(set(before) - set(now)) == []
    assert {name: now[name][0] for name in before} == {name: kind for name, (kind, *_) in before.items()}
    assert [name for name, (_, compulsory, *_) in before.items() if now[name][1] and not compulsory] == []
    old_relations = {relation for *_, relation in before.values()}
    new = [(name, told) for name, told in now.items() if name not in before and told[-1] in old_relations]
    assert [name for name, (_, compulsory, fills_itself, _) in new if compulsory and not fills_itself] == []


def test_no_function_is_dropped_or_answers_otherwise(connection: Connection, previous_connection: Connection) -> None:
    """By name, arguments and result."""
    before, now = _by_name(previous_connection, ROUTINES), _by_name(connection, ROUTINES)
    assert {name: now.get(name) for name in before} == before


def test_no_constraint_is_new_on_what_the_previous_ingest_writes(
    connection: Connection, previous_connection: Connection, frozen_queries: dict[str, str]
) -> None:
    """Or it was looked at, and REVIEWED says why the previous release passes it."""
    written = {
        table for name, text in frozen_queries.items() if name.startswith("ingest.") for table in WRITES.findall(text)
    }
    # Rows of telemetry go by COPY, whose statement is put together per stream.
    written |= {"weighing", "scan", "coldchain", "status"}
    assert {"boots", "dead_letters", "ingest_stats", "workers"} <= written
    before, now = _by_name(previous_connection, CONSTRAINTS), _by_name(connection, CONSTRAINTS)
    stricter = [name for name, (text, table) in now.items() if table in written and before.get(name, ("",))[0] != text]
    assert sorted(set(stricter) - set(REVIEWED)) == []
