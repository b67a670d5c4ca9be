"""The roles of the processes: each may do its work, and nothing that is another's."""

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from structlog.testing import capture_logs

from store import grants
from store.grants import AREAS, RIGHTS, Role
from tests.conftest import with_rights_of
from tests.integration.test_queries import QUERY, constants, numbered

Connection = psycopg.Connection[tuple[object, ...]]

TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1
"""
ROLLUPS = ("coldchain_5m", "coldchain_1h", "weighing_1h", "scan_1h")
RELATIONS = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
"""
# What each role is kept from, of what an attacker in its place would try first.
FORBIDDEN: dict[Role, tuple[str, ...]] = {
    "tracefleet_ingest": (
        "UPDATE devices SET state = 'retired'",
        "INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'kiosk', 'V')",
        "SELECT * FROM credentials",
        "SELECT * FROM api_keys",
        "SELECT * FROM parties",
        "SELECT * FROM audit",
        "DELETE FROM weighing",
        "UPDATE coldchain SET temperature_c = 2",
        "UPDATE retention SET keep = INTERVAL '1 day'",
        "DELETE FROM schema_migrations",
    ),
    "tracefleet_fleet": (
        "UPDATE audit SET actor = 'somebody'",
        "DELETE FROM audit",
        "DELETE FROM tombstones",
        "UPDATE case_steps SET actor = 'somebody'",
        "UPDATE weighing SET net_g = 1",
        "INSERT INTO scan SELECT * FROM scan",
        "DELETE FROM obsolescence_rules",
        "UPDATE schema_migrations SET checksum = ''",
    ),
    "tracefleet_api": (
        "DELETE FROM audit",
        "DELETE FROM audit_seals",
        "DELETE FROM weighing",
        "UPDATE findings SET cleared_at = now()",
        "DELETE FROM device_days",
        "UPDATE policies SET keep_for = INTERVAL '1 day'",
    ),
    "tracefleet_dashboards": (
        "SELECT * FROM devices",
        "SELECT * FROM weighing",
        "SELECT * FROM audit",
        "SELECT * FROM api_keys",
        "SELECT * FROM parties",
        "SELECT * FROM programme_scope",
        "DELETE FROM grafana_kinds",
    ),
}
OF_NOBODY = (
    "CREATE TABLE mine (n int)",
    "DROP TABLE devices",
    "TRUNCATE devices",
    "ALTER TABLE audit DISABLE TRIGGER ALL",
    "ALTER TABLE devices ADD COLUMN mine int",
    "CREATE ROLE mine",
    "COPY devices TO PROGRAM 'true'",
)


def of(role: Role, database_url: str) -> Connection:
    """A connection of *role*."""
    return psycopg.connect(with_rights_of(role, database_url), autocommit=True)


def test_every_table_is_of_one_area(connection: Connection) -> None:
    """A new table is nobody's until somebody has said whose it is."""
    placed = sorted(table for tables in AREAS.values() for table in tables)
    assert placed == [name for (name,) in connection.execute(TABLES)]


@pytest.mark.parametrize("role", RIGHTS)
def test_role_may_not_do_what_is_not_its(role: Role, database_url: str) -> None:
    """Whatever it was before: what is not granted is taken away."""
    with of(role, database_url) as connection:
        for statement in (*FORBIDDEN[role], *OF_NOBODY):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("role", "package"),
    [("tracefleet_ingest", "ingest."), ("tracefleet_fleet", "fleet."), ("tracefleet_api", "api.")],
)
def test_role_may_run_every_query_of_its_process(role: Role, package: str, connection: Connection) -> None:
    """A plan is made only for who may carry it out."""
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    refused, checked = [], 0
    for name, query in constants():
        text = query if isinstance(query, str) else query.as_string(connection)
        if not name.startswith(package) or not QUERY.match(text):
            continue
        checked += 1
        try:
            connection.execute(f"EXPLAIN (GENERIC_PLAN) {numbered(text)}".encode())
        except InsufficientPrivilege as error:
            refused.append(f"{name}: {error}")
        except psycopg.errors.IndeterminateDatatype:
            # A plan without values cannot guess it; that each is understood is tried elsewhere.
            continue
    assert refused == []
    assert checked > 10


def test_dashboards_see_the_views_made_for_them(database_url: str, connection: Connection) -> None:
    """All of them, and each can be read."""
    views = [str(name) for (name,) in connection.execute(grants.VIEWS, {"form": r"grafana\_%"})]
    assert len(views) > 10
    with of("tracefleet_dashboards", database_url) as reader:
        for view in views:
            reader.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(view)))


def test_rights_given_by_hand_are_taken_back(connection: Connection, database_url: str) -> None:
    """By the next migration, and whose role is not there is passed over."""
    connection.execute("GRANT ALL ON devices TO tracefleet_dashboards")
    with connection.transaction():
        assert grants.apply(connection) == list(RIGHTS)
    with of("tracefleet_dashboards", database_url) as reader, pytest.raises(InsufficientPrivilege):
        reader.execute("SELECT 1 FROM devices")


@pytest.fixture
def closed(connection: Connection) -> Connection:
    """Of the owner; nobody else may connect to the database."""
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(_name(connection)))
    return connection


def _name(connection: Connection) -> sql.Identifier:
    return sql.Identifier(connection.info.dbname)


def test_migration_lets_every_role_into_a_closed_database(closed: Connection, database_url: str) -> None:
    """As the one of an operator is closed: refused before, let in after, and nothing to complain of."""
    for role in RIGHTS:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            of(role, database_url)
    with capture_logs() as logs, closed.transaction():
        grants.apply(closed)
    assert logs == []
    for role in RIGHTS:
        of(role, database_url).close()


def test_migration_names_the_roles_that_it_may_not_let_in(closed: Connection) -> None:
    """Where it owns the tables and not the database: the migration is done, and the statement is there to be run."""
    owner = sql.Identifier("tracefleet_test_owner")
    with closed.transaction(force_rollback=True), capture_logs() as logs:
        closed.execute(sql.SQL("CREATE ROLE {}").format(owner))
        closed.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, tracefleet_api").format(_name(closed), owner))
        for (relation,) in closed.execute(RELATIONS).fetchall():
            closed.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(str(relation)), owner))
        if closed.execute("SELECT telemetry_is_hypertable()").fetchone() == (True,):
            # What they are made of goes with the roll-ups, and not with the views that show them.
            for rollup in ROLLUPS:
                closed.execute(sql.SQL("ALTER MATERIALIZED VIEW {} OWNER TO {}").format(sql.Identifier(rollup), owner))
        closed.execute(sql.SQL("SET LOCAL ROLE {}").format(owner))
        assert grants.apply(closed) == list(RIGHTS)
    assert {entry["role"] for entry in logs} == RIGHTS.keys() - {"tracefleet_api"}
    fleet = next(entry for entry in logs if entry["role"] == "tracefleet_fleet")
    assert fleet["log_level"] == "warning"
    assert fleet["remedy"] == f'GRANT CONNECT ON DATABASE "{closed.info.dbname}" TO "tracefleet_fleet"'
