"""Forward-only schema migrations: numbered SQL files, applied once, in order, and never changed afterwards.

A file in ``store/sql`` is for every database; one in its ``plain`` or ``timescale`` folder is for that flavour.
Only the few statements that differ live there: nothing outside this module asks which flavour it is on.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import psycopg

from store import grants
from store.database import connect_once
from store.errors import DatabaseError, SchemaError
from store.settings import Settings

SQL_FOLDER = Path(__file__).parent / "sql"
MINIMUM_SERVER = 16
MINIMUM_TIMESCALE = (2, 20)
# Any fixed number: whoever migrates holds it, so four at once take turns.
MIGRATION_LOCK = 0x7461636500000001
# The schema of the previous release. What was made for it may run, and start again, on this one, while the machines are
# upgraded one after the other: tests/overlap runs that release's ingest on it.
PREVIOUS_RELEASE = 14

Flavour = Literal["plain", "timescale"]

CREATE_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    flavour    text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
IS_BEGUN = "SELECT to_regclass('schema_migrations') IS NOT NULL"
# Of the oldest release that may run on the schema once the file is applied. Not in the table's first version.
HAS_RUNS_FROM = """
SELECT EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = 'schema_migrations'::regclass AND attname = 'runs_from' AND NOT attisdropped)
"""
ADD_RUNS_FROM = "ALTER TABLE schema_migrations ADD COLUMN runs_from integer"
APPLIED = "SELECT version, name, checksum, flavour FROM schema_migrations ORDER BY version"
RECORD = "INSERT INTO schema_migrations (version, name, checksum, flavour, runs_from) VALUES (%s, %s, %s, %s, %s)"
# Whether what was made for a version may run on all that came after it.
ADMITS = """
SELECT bool_and(runs_from IS NOT NULL AND runs_from <= %(known)s) FROM schema_migrations WHERE version > %(known)s
"""
# An extension that is already in the database works, whether or not we may see how it was loaded.
TIMESCALE_AVAILABLE = """
SELECT default_version FROM pg_available_extensions
WHERE name = 'timescaledb' AND CASE WHEN installed_version IS NOT NULL THEN true
    ELSE current_setting('shared_preload_libraries') LIKE '%timescaledb%' END
"""
SET_POLICIES = "SELECT set_policies(%(compress_after)s, %(keep_for)s)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of the text, so a changed file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """How the schema of a database stands against this code; a newer one may admit the release before its own."""

    applied: int
    known: int
    flavour: Flavour | None
    admits_us: bool = False

    @property
    def is_current(self) -> bool:
        """Whether it is the one this code was made for."""
        return self.applied == self.known

    @property
    def is_usable(self) -> bool:
        """Whether services may run on it."""
        return self.is_current or (self.applied > self.known and self.admits_us)

    def explain(self) -> str:
        """One sentence, with the remedy."""
        if self.is_current:
            return f"schema version {self.applied} ({self.flavour})"
        if self.is_usable:
            return (
                f"schema version {self.applied} ({self.flavour}) is of the next release, which lets this one go on: "
                f"it knows {self.known}. Upgrade tracefleet on this machine, too."
            )
        if self.applied > self.known:
            return (
                f"the schema is at version {self.applied}, this tracefleet knows {self.known}: "
                f"the database was migrated by a newer release. Upgrade tracefleet on this machine."
            )
        return f"the schema is at version {self.applied}, this tracefleet needs {self.known}. Run `tracefleet migrate`."


def known_migrations(flavour: Flavour) -> list[Migration]:
    """The migrations of a flavour, in order.

    Raises SchemaError when the numbers are not 1, 2, 3 … with one file each: a release that was put together wrongly.
    """
    found = sorted(_read(flavour), key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise SchemaError(f"{SQL_FOLDER}: the numbers of the files for {flavour} are not 1, 2, 3 … with one file each")
    return found


def _read(flavour: Flavour) -> Iterator[Migration]:
    for folder in (SQL_FOLDER, SQL_FOLDER / flavour):
        for path in folder.glob("*.sql"):
            number = re.match(r"\d{4}(?=_)", path.name)
            if number is None:
                raise SchemaError(f"{path}: a migration is named NNNN_what.sql")
            yield Migration(int(number[0]), path.stem, path.read_text(encoding="utf-8"))


def migrate(settings: Settings) -> list[str]:
    """Bring the database up to date; the names of what was applied, none when it was current.

    Safe to run any number of times and from several machines at once. Each file is one transaction.
    Raises SchemaError when an applied file was changed since, or when the schema is newer than this code.
    """
    with connect_once(settings.require_database_url(), application_name="tracefleet migrate") as connection:
        _require_server(connection)
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        flavour = _flavour(connection)
        known = known_migrations(flavour)
        if _is_of_the_next_release(connection, len(known)):
            # This one is started again meanwhile, or instead. The rights and policies that it knows are not of the
            # tables that came since: given anew, they would take those from the processes of the next release.
            return []
        applied = _apply(connection, known, flavour)
        with connection.transaction():
            connection.execute(
                SET_POLICIES,
                {
                    "compress_after": timedelta(days=settings.compress_after_days),
                    "keep_for": timedelta(days=settings.retention_days),
                },
            )
            grants.apply(connection)
    return applied


def schema_status(connection: psycopg.Connection[tuple[object, ...]]) -> SchemaStatus:
    """The state of the schema; a database never migrated is at version 0."""
    if not _is_begun(connection):
        return SchemaStatus(0, len(known_migrations("plain")), None)
    rows = connection.execute(APPLIED).fetchall()
    flavour = _as_flavour(rows[0][3]) if rows else None
    known = len(known_migrations(flavour or "plain"))
    return SchemaStatus(len(rows), known, flavour, len(rows) > known and _admits(connection, known))


def require_current_schema(settings: Settings, *, application_name: str) -> None:
    """Return when services may run on the database.

    Raises DatabaseError when it cannot be reached, SchemaError when its schema is older than this code, or newer and
    does not admit it.
    """
    with connect_once(settings.require_database_url(), application_name=application_name) as connection:
        status = schema_status(connection)
    if not status.is_usable:
        raise SchemaError(status.explain()[0].upper() + status.explain()[1:])


def _apply(connection: psycopg.Connection[tuple[object, ...]], known: list[Migration], flavour: Flavour) -> list[str]:
    connection.execute(CREATE_LEDGER)
    if connection.execute(HAS_RUNS_FROM).fetchone() == (False,):
        connection.execute(ADD_RUNS_FROM)
    done = connection.execute(APPLIED).fetchall()
    _refuse_surprises(done, known)
    names = []
    for migration in known[len(done) :]:
        with connection.transaction():
            # No parameters: the whole file goes as one simple query, so it may hold many statements.
            connection.execute(migration.sql.encode())
            told = (migration.version, migration.name, migration.checksum, flavour, PREVIOUS_RELEASE)
            connection.execute(RECORD, told)
        names.append(migration.name)
    return names


def _is_of_the_next_release(connection: psycopg.Connection[tuple[object, ...]], known: int) -> bool:
    """Whether the schema is newer than what is *known* here, and lets us go on."""
    if not _is_begun(connection):
        return False
    return len(connection.execute(APPLIED).fetchall()) > known and _admits(connection, known)


def _is_begun(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    return connection.execute(IS_BEGUN).fetchone() == (True,)


def _admits(connection: psycopg.Connection[tuple[object, ...]], known: int) -> bool:
    if connection.execute(HAS_RUNS_FROM).fetchone() == (False,):
        return False
    return connection.execute(ADMITS, {"known": known}).fetchone() == (True,)


def _refuse_surprises(done: list[tuple[object, ...]], known: list[Migration]) -> None:
    if len(done) > len(known):
        status = SchemaStatus(len(done), len(known), None)
        raise SchemaError(status.explain())
    for (_, name, checksum, _), migration in zip(done, known, strict=False):
        if checksum != migration.checksum:
            raise SchemaError(
                f"migration {name} was changed after it was applied to this database. "
                f"Restore the file as released, and put the change in a new one."
            )


def _require_server(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    version = connection.info.server_version // 10_000
    if version < MINIMUM_SERVER:
        raise DatabaseError(f"the server is PostgreSQL {version}; tracefleet needs {MINIMUM_SERVER} or newer")


def _flavour(connection: psycopg.Connection[tuple[object, ...]]) -> Flavour:
    """The flavour this database was begun with, else the best the server offers."""
    if _is_begun(connection):
        begun = connection.execute(APPLIED).fetchone()
        if begun is not None:
            return _as_flavour(begun[3])
    available = connection.execute(TIMESCALE_AVAILABLE).fetchone()
    if available is None:
        return "plain"
    version = tuple(int(part) for part in re.findall(r"\d+", str(available[0]))[:2])
    if version < MINIMUM_TIMESCALE:
        wanted = ".".join(map(str, MINIMUM_TIMESCALE))
        raise DatabaseError(f"the server offers TimescaleDB {available[0]}; tracefleet needs {wanted} or newer")
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return "timescale"


def _as_flavour(value: object) -> Flavour:
    return "timescale" if value == "timescale" else "plain"
