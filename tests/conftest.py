"""Servers for the suite: one PostgreSQL and one broker a worker process, on free ports; a fresh database a test.

``TRACEFLEET_TEST_DATABASE_URL`` points the whole suite at another server (a superuser's URL); with TimescaleDB on it,
everything runs on TimescaleDB.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from deploy.bench.brokers import has_mosquitto, serve
from deploy.embedded import postgres
from deploy.embedded.broker import EmbeddedBroker
from store.grants import RIGHTS, Role
from store.migrations import migrate
from store.settings import Settings

# Files and folders whose tests wait for real clocks, by `--durations`; with `make test` a file is one worker's.
LONG = (
    "tests/acceptance/",
    "tests/faults/",
    "tests/integration/api/test_api_events.py",
    "tests/integration/deployment/",
    "tests/integration/door/",
    "tests/integration/test_backup",
    "tests/integration/test_bench",
    "tests/integration/test_dead_letters_command.py",
    "tests/integration/test_ingest_sharing.py",
    "tests/integration/test_sessions.py",
)
ROLE_PASSWORD = "of-tests"
MEMORY = "/dev/shm"
# Of each worker; in a container there is often next to nothing.
MEMORY_BYTES = 2 * 2**30

# Before they are imported: pytest explains the asserts of no other modules than tests and conftest files.
pytest.register_assert_rewrite("tests.faults.reconcile", "tests.faults.stage", "tests.faults.server")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of each fault in tests/faults is run; here, because options must be known before folders are read."""
    parser.addoption(
        "--faults",
        choices=("short", "full"),
        default="short",
        help="full: every fault at full length, which takes hours and writes tests/reports/faults.md",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Name the marks of tests/faults, and give this run a folder of its own.

    The one that all runs of a user share is closed to others by each new run, and as root the embedded servers of the
    runs under way are such others; the suite itself starts a run inside a run.
    """
    config.addinivalue_line(
        "markers", "fault(name): the fault that a test of tests/faults makes, as the report names it"
    )
    config.addinivalue_line("markers", "every_link: run over every kind of broker, in the short profile, too")
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = tempfile.mkdtemp(prefix="tracefleet-tests-")
        config.add_cleanup(partial(shutil.rmtree, config.option.basetemp, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that last longest, so that no worker is at one of them when the others are done."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def free_port() -> int:
    """A port of the loopback that nobody uses now, below those that the kernel hands to outgoing connections."""
    while True:
        port = random.randrange(10_000, 30_000)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def free_ports(count: int) -> list[int]:
    """So many of them, all different."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def end(process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> None:
    """Stop a process that a fixture started, whatever state a test left it in."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


def _in_database(url: str, name: str) -> str:
    base, _, options = url.partition("?")
    return base.rpartition("/")[0] + "/" + name + (f"?{options}" if options else "")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests that are coroutines run on asyncio, as the product does."""
    return "asyncio"


def _in_memory() -> str | None:
    """A folder in memory for a database that is cloned thousands of times, where there is one with room; else None."""
    try:
        room = shutil.disk_usage(MEMORY).free
    except OSError:
        return None
    # Each worker looks before the others have filled anything.
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return MEMORY if room >= workers * MEMORY_BYTES else None


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A superuser's URL of the PostgreSQL under test."""
    given = os.environ.get("TRACEFLEET_TEST_DATABASE_URL")
    if given:
        yield given
        return
    # Not in pytest's own folder: a second run of pytest as root closes that to the server's system user.
    with tempfile.TemporaryDirectory(prefix="tracefleet-test-", dir=_in_memory()) as folder:
        server = postgres.prepare(Path(folder), port=free_port())
        process = server.start()
        try:
            server.wait_ready(process)
            # No test pulls its plug: those that do have servers of their own. It was a third of the suite.
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield server.url
        finally:
            end(process, signal.SIGINT)


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """The name of a migrated database that each test's own is cloned from."""
    name = f"tf_template_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        for role in RIGHTS:
            who, password = sql.Identifier(role), sql.Literal(ROLE_PASSWORD)
            # Of a server that several workers share the first to come makes them; a test may have made one, too.
            with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE ROLE {}").format(who))
            with suppress(psycopg.errors.InternalError):  # another worker alters it just now, to the same
                connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(who, password))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        migrate(Settings(database_url=_in_database(server_url, name)))
        # Nobody may be connected to a template while it is cloned, TimescaleDB's own workers included.
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield name
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def with_rights_of(role: Role, url: str) -> str:
    """*url* for a process of this role, which may no more than is its."""
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port}"
    return parts._replace(netloc=f"{role}:{ROLE_PASSWORD}@{where}").geturl()


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A database without a schema."""
    yield from fresh_database(server_url, template="template0")


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from fresh_database(server_url, template=template_database)


def fresh_database(server_url: str, *, template: str) -> Iterator[str]:
    """A database that is a clone of *template*, as long as the generator is not closed."""
    name = f"tf_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            # A copy of its files: through the log, a clone takes seven times as long.
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(*map(sql.Identifier, (name, template)))
        )
        yield _in_database(server_url, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection in autocommit to the test's database."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a broker that lives as long as the suite. Fast flushing: no test here pulls its plug."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker") / "store", free_port(), sync="2m")
    process = broker.start()
    try:
        broker.wait_ready(process)
        yield broker.url
    finally:
        end(process)


@pytest.fixture(scope="session")
def mosquitto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a broker of MQTT 5, with shared subscriptions, that lives as long as the suite."""
    if not has_mosquitto():
        pytest.skip("mosquitto is not installed here: apt-get install mosquitto")
    with serve("mosquitto", tmp_path_factory.mktemp("mosquitto") / "store", window=1000) as broker:
        yield f"mqtt://127.0.0.1:{broker.port}"


@pytest.fixture
def make_settings(database_url: str, broker_url: str, tmp_path: Path) -> Callable[..., Settings]:
    """Settings for the test's database and the suite's broker, on free ports, with any field given."""

    def make(**given: object) -> Settings:
        values: dict[str, object] = {
            "database_url": database_url,
            "broker_url": broker_url,
            "data_dir": tmp_path / "data",
            "api_port": free_port(),
            "ingest_metrics_port": free_port(),
            "fleet_metrics_port": free_port(),
            "ingest_worker": f"t-{uuid.uuid4().hex[:16]}",
        }
        return Settings(**(values | given))  # type: ignore[arg-type]

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """The settings most tests want."""
    return make_settings()
