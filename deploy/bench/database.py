"""The database of a run: made for it and dropped after it, filled with devices, and asked what became of everything."""

import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.bench.children import stop
from deploy.bench.load import Load, device_no
from deploy.embedded import postgres
from store.database import connect_once
from store.migrations import migrate
from store.records import IDENTITY_COLUMNS, TELEMETRY
from store.settings import Settings

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
NAME: Final = "tracefleet bench"

# The ledger is emptied between scenarios here, and its audit is of no interest.
WITHOUT_AUDIT: Final = r"""
DO $$ DECLARE ledger_table regclass; BEGIN
    FOR ledger_table IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgname LIKE '%\_truncated\_audit' LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', ledger_table);
    END LOOP;
END $$
"""
EMPTY: Final = (
    "TRUNCATE devices, models, sites, coldchain, dead_letters, dead_letter_payloads, conflicts, ingest_stats, workers "
    "RESTART IDENTITY CASCADE"
)
SITE: Final = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)
VALUES ('bench', '基准测试', 'Benchmark', 'cold_store', '410100') RETURNING site_id
"""
MODEL: Final = (
    "INSERT INTO models (model_no, kind, vendor) VALUES ('bench-logger', 'logger', 'tracefleet') RETURNING model_id"
)
DEVICES: Final = "COPY devices (device_no, model_id, site_id) FROM STDIN"
ACCOUNT: Final = """
SELECT (SELECT count(*) FROM coldchain), coalesce(sum(received), 0)::int8, coalesce(sum(duplicate), 0)::int8,
       coalesce(sum(conflict), 0)::int8, coalesce(sum(dead_lettered), 0)::int8
FROM ingest_stats
"""
# One row a message, by its first record; xmin is the transaction that stored it.
FIRST_RECORDS: Final = """
SELECT substr(d.device_no, %(prefix)s)::int4, c.seq, c.xmin::text::int8
FROM coldchain AS c JOIN devices AS d ON d.device_id = c.device_id
WHERE c.seq >= %(first)s AND c.seq < %(next)s AND (c.seq - %(first)s) %% %(records)s = 0
"""
COLUMNS: Final = sql.SQL(", ").join(map(sql.Identifier, (*IDENTITY_COLUMNS, *TELEMETRY["coldchain"].columns)))
COPY_OUT: Final = sql.SQL("COPY (SELECT {columns} FROM coldchain LIMIT {rows}) TO STDOUT (FORMAT BINARY)")
COPY_IN: Final = sql.SQL("COPY coldchain ({}) FROM STDIN (FORMAT BINARY)").format(COLUMNS)


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database, and the server's first process where it is ours."""

    url: str
    pid: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """What the database says became of all records of a scenario."""

    rows: int
    received: int
    duplicates: int
    conflicts: int
    dead_lettered: int


@contextmanager
def serve(folder: Path, given_url: str | None) -> Iterator[Database]:
    """A migrated database: on the server at *given_url*, dropped at the end, else on an embedded server of the run's.

    Raises DatabaseError when the server cannot be used.
    """
    if given_url is not None:
        with _own_database(given_url) as url:
            migrate(Settings(database_url=url))
            yield Database(url, None)
        return
    server = postgres.prepare(folder, port=0)
    process = server.start()
    try:
        server.wait_ready(process)
        migrate(Settings(database_url=server.url))
        yield Database(server.url, process.pid)
    finally:
        stop(process, signal.SIGINT)


@contextmanager
def _own_database(server_url: str) -> Iterator[str]:
    name = f"tracefleet_bench_{uuid.uuid4().hex[:12]}"
    with connect_once(server_url, application_name=NAME) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fill(connection: Connection, devices: int) -> None:
    """Empty everything and register *devices*."""
    connection.execute(WITHOUT_AUDIT)
    connection.execute(EMPTY)
    (site_id,) = one(connection, SITE)
    (model_id,) = one(connection, MODEL)
    with connection.cursor() as cursor, cursor.copy(DEVICES) as copy:
        for device in range(devices):
            copy.write_row((device_no(device), model_id, site_id))
    connection.execute("ANALYZE devices")


def checkpoint(connection: Connection) -> None:
    """Begin with a checkpoint behind us, so that none of an earlier measurement's falls into the next."""
    # Only a superuser or pg_checkpoint may; elsewhere a run goes without.
    with suppress(psycopg.errors.InsufficientPrivilege):
        connection.execute("CHECKPOINT")


def account(connection: Connection) -> Account:
    """The account of the scenario so far."""
    return Account(*map(int, one(connection, ACCOUNT)))


def storing_transactions(connection: Connection, load: Load) -> list[tuple[int, int]]:
    """For each stored message of *load* its number, and the 32-bit id of the transaction that stored it."""
    bounds = {
        "prefix": len(device_no(0)) - 5,
        "first": load.first_seq,
        "next": load.next_seq,
        "records": load.records_per_message,
    }
    rows = connection.execute(FIRST_RECORDS, bounds).fetchall()
    return [(load.message_of(device, seq), xmin) for device, seq, xmin in rows]


def wal_bytes(connection: Connection) -> int:
    """How much WAL the whole server has written since it was made."""
    return int(one(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0])


def one(connection: Connection, query: str) -> tuple[Any, ...]:
    """The one row of a query."""
    row = connection.execute(query.encode()).fetchone()
    if row is None:
        raise LookupError(query)
    return row
