"""``deploy/compose/roles.sql`` on a real server: the roles enter with their passwords and can do their work."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from pydantic import SecretStr

from store.migrations import migrate
from store.settings import Settings
from tests.integration.deployment.composed import a_bare_server, a_server, make_roles, make_secrets
from tests.unit.kubernetes_manifests import of_kind


def _as_role(url: str, role: str, folder: Path) -> str:
    parts = urlsplit(url)
    password = (folder / f"database_{role}").read_text(encoding="ascii")
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"tracefleet_{role}:{password}@{place}"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The passwords."""
    make_secrets(tmp_path)
    return tmp_path


@pytest.fixture
def with_roles(folder: Path) -> Iterator[str]:
    """The database as compose has it before the first migration."""
    # Not in pytest's own folder: a second run of pytest as root closes that to the server's system user.
    with tempfile.TemporaryDirectory(prefix="tracefleet-test-") as place, a_server(Path(place), folder) as url:
        yield url


def test_roles_enter_by_their_passwords_and_may_what_is_theirs(with_roles: str, folder: Path) -> None:
    """The owner migrates; ingest, fleet and api read and write; the dashboards read their views and nothing else."""
    _assert_each_does_its_work(with_roles, folder)
    other = (folder / "database_fleet").read_text(encoding="ascii")
    url = _as_role(with_roles, "api", folder).replace((folder / "database_api").read_text(encoding="ascii"), other)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def _assert_each_does_its_work(with_roles: str, folder: Path) -> None:
    migrate(Settings(database_url=SecretStr(_as_role(with_roles, "migrate", folder))))
    for role in ("ingest", "fleet", "api"):
        with psycopg.connect(_as_role(with_roles, role, folder), autocommit=True) as connection:
            with pytest.raises(InsufficientPrivilege):
                connection.execute("DROP TABLE devices")
            assert connection.execute("SELECT count(*) FROM devices").fetchone() == (0,)
            owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'devices'").fetchone()
            assert owner == ("tracefleet_migrate",)
    with psycopg.connect(_as_role(with_roles, "dashboards", folder), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM grafana_devices").fetchone() == (0,)
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("20s",)
        with pytest.raises(InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM devices")


def test_the_example_of_an_operators_database_does_for_the_same_roles(folder: Path) -> None:
    """What CloudNativePG runs at the beginning, the migration, and then what it gives the roles, in the worst order."""
    (cluster,) = of_kind("Cluster")
    with (
        tempfile.TemporaryDirectory(prefix="tracefleet-test-") as place,
        a_bare_server(Path(place)) as url,
        psycopg.connect(url, autocommit=True) as operator,
    ):
        _make_owner(operator, folder)
        for statement in cluster["spec"]["bootstrap"]["initdb"]["postInitApplicationSQL"]:
            if "EXTENSION" not in statement:  # the image brings it
                operator.execute(statement)
        migrate(Settings(database_url=SecretStr(_as_role(url, "migrate", folder))))
        for role in cluster["spec"]["managed"]["roles"]:
            password = (folder / role["name"].replace("tracefleet", "database")).read_text(encoding="ascii")
            who = sql.Identifier(role["name"])
            operator.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(who, sql.Literal(password)))
        _assert_each_does_its_work(url, folder)


def _make_owner(operator: psycopg.Connection[tuple[object, ...]], folder: Path) -> None:
    """As the operator makes the database: `tracefleet`, with its owner."""
    assert operator.info.dbname == "tracefleet"
    password = sql.Literal((folder / "database_migrate").read_text(encoding="ascii"))
    operator.execute(sql.SQL("CREATE ROLE tracefleet_migrate LOGIN PASSWORD {}").format(password))
    operator.execute("ALTER DATABASE tracefleet OWNER TO tracefleet_migrate")


def test_the_file_stops_at_the_first_error(with_roles: str, folder: Path) -> None:
    """Run again, it changes nothing and says what is there already."""
    done = make_roles(with_roles, folder)
    assert done.returncode != 0
    assert 'role "tracefleet_migrate" already exists' in done.stderr
    assert done.stderr.count("ERROR") == 1
