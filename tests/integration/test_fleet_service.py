"""The fleet process as a whole: what it serves, what it survives, how it ends."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from fleet.audit.verification import verify
from fleet.census import take_census
from fleet.checks import Checks
from fleet.keys import Keys
from fleet.leading import Lock, in_a_thread, led
from fleet.metrics import Metrics
from fleet.service import run
from fleet.sweep import Sweep, sweep_forever
from store.errors import PortTakenError
from store.settings import Settings
from tests.conftest import with_rights_of

Connection = psycopg.Connection[tuple[object, ...]]
LIMIT_SECONDS = 60
COMMAND = "from deploy.commands.fleet import app; app([])"


@pytest.fixture
def process(settings: Settings, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """``tracefleet fleet`` on the test's database; killed at the end where a test left it running."""
    environment = dict(os.environ) | {
        "TRACEFLEET_DATABASE_URL": with_rights_of("tracefleet_fleet", settings.require_database_url()),
        "TRACEFLEET_FLEET_METRICS_PORT": str(settings.fleet_metrics_port),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with (tmp_path / "fleet.log").open("wb") as log:
        started = subprocess.Popen([sys.executable, "-c", COMMAND], env=environment, cwd=tmp_path, stderr=log)
        try:
            yield started
        finally:
            started.kill()
            started.wait()


def _get(settings: Settings, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{settings.fleet_metrics_port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def _sample(settings: Settings, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(_get(settings, "/metrics")[1]):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return float(sample.value)
    return None


def _until(condition: Callable[[], object]) -> None:
    """Return when *condition* holds; fail when it never does."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_process_serves_the_numbers_and_ends_when_told(
    settings: Settings, process: "subprocess.Popen[bytes]", connection: Connection
) -> None:
    """Ready after its first census, housekeeping done, exit status 0 within seconds of SIGTERM."""
    _until(lambda: _get(settings, "/readyz")[0] == 200)
    assert _sample(settings, "tracefleet_fleet_devices", kind="kiosk", state="idle") == 0
    assert _sample(settings, "tracefleet_build_info", service="fleet") == 1
    _until(lambda: connection.execute("SELECT FROM jobs WHERE job LIKE 'retention %'").fetchone() is not None)
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == 0


@pytest.mark.usefixtures("process")
def test_process_seals_and_anchors_what_was_changed_by_hand(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    """Within seconds of its start, with the key that it made; the next command verifies with it."""
    folder = tmp_path / ".tracefleet"
    connection.execute("INSERT INTO merchants (merchant_code, name) VALUES ('M1', 'x')")
    _until(lambda: _sample(settings, "tracefleet_fleet_audit_anchored_timestamp_seconds"))
    _until(lambda: _sample(settings, "tracefleet_fleet_audit_head"))
    _until(lambda: connection.execute("SELECT FROM audit_unsealed").fetchone() is None)
    verdict = verify(connection, Keys(folder / "tracefleet.key"), folder / "audit-anchors.jsonl")
    assert (verdict.is_whole, verdict.waiting) == (True, 0)
    assert _get(settings, "/readyz")[0] == 200


def test_process_ends_well_when_interrupted_while_it_waits_for_the_database(
    process: "subprocess.Popen[bytes]", connection: Connection
) -> None:
    """A census that hangs on a lock holds nobody up."""
    with connection.transaction():
        connection.execute("LOCK TABLE device_presence IN ACCESS EXCLUSIVE MODE")
        _until(lambda: _waiting(connection))
        process.send_signal(signal.SIGINT)
        assert process.wait(8) == 0


def _waiting(connection: Connection) -> int | None:
    """The process of a census that waits for a lock."""
    connection.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction, the first look would be kept
    row = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'tracefleet fleet census' AND wait_event_type = 'Lock'"
    ).fetchone()
    return int(str(row[0])) if row else None


def test_process_goes_on_when_its_connections_are_terminated(
    settings: Settings, process: "subprocess.Popen[bytes]", connection: Connection, tmp_path: Path
) -> None:
    """The census that was broken off is taken again at once; the log has its beginning and its end."""
    with connection.transaction():
        connection.execute("LOCK TABLE device_presence IN ACCESS EXCLUSIVE MODE")
        _until(lambda: _waiting(connection))
        assert _get(settings, "/readyz")[0] == 503
        connection.execute("SELECT pg_terminate_backend(%s)", (_waiting(connection),))
        # In the log, not in /readyz: another sweep may reach the database a moment later.
        _until(lambda: "cannot be reached" in (tmp_path / "fleet.log").read_text())
    _until(lambda: _get(settings, "/readyz")[0] == 200)
    assert process.poll() is None
    log = (tmp_path / "fleet.log").read_text()
    assert (log.count("trouble begins"), log.count("trouble is over")) == (1, 1)


def test_service_refuses_a_taken_port(settings: Settings) -> None:
    """Before it does anything, with the setting to change."""
    address = ("127.0.0.1", settings.fleet_metrics_port)
    with socket.create_server(address), pytest.raises(PortTakenError, match="TRACEFLEET_FLEET_METRICS_PORT"):
        asyncio.run(run(settings))


class Link:
    """A port that leads to the database, until it is cut."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """Of the database, by way of this link."""
        account = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{account}@127.0.0.1:{self._port}"))

    async def mend(self) -> None:
        """Let connections through, always on the same port."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection, and refuse new ones."""
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.transport.abort()
        await _eventually(lambda: not self._lines)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._parts.hostname or "127.0.0.1", self._parts.port or 5432
        far_reader, far_writer = await asyncio.open_connection(host, port)
        lines = {writer, far_writer}
        self._lines |= lines
        with contextlib.suppress(OSError):
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))
        for line in lines:
            line.close()
            with contextlib.suppress(OSError):
                await line.wait_closed()
        self._lines -= lines


async def _pour(source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        drain.write(data)
        await drain.drain()
    drain.close()


@pytest.mark.anyio
async def test_sweep_outlives_a_database_that_goes_and_comes_back(database_url: str) -> None:
    """One line in the log when it goes, one when it is back, however often it is tried in between."""
    link = Link(database_url)
    await link.mend()
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    checks = Checks({"database": None})
    tries = 0

    async def census(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        nonlocal tries
        await take_census(connection, metrics)
        tries += 1

    sweep = Sweep("census", 0.02, 10, census)
    with capture_logs() as logs:
        task = asyncio.create_task(sweep_forever(sweep, link.url, metrics=metrics, checks=checks))
        await _eventually(lambda: tries > 1)
        await link.cut()
        await _eventually(lambda: checks.readiness()["database"] is not None)
        succeeded, runs = tries, _runs(registry)
        await _eventually(lambda: _runs(registry) > runs + 3)
        assert tries == succeeded
        await link.mend()
        await _eventually(lambda: tries > succeeded + 1)
        task.cancel()
        await asyncio.wait({task})
    await link.cut()
    assert task.cancelled()
    assert [(line["event"], line["check"]) for line in logs] == [
        ("trouble begins", "database"),
        ("trouble is over", "database"),
    ]
    assert "cannot be reached" in logs[0]["reason"]


def _runs(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("tracefleet_fleet_sweep_seconds_count", {"sweep": "census"}) or 0


@pytest.mark.anyio
async def test_sweep_is_broken_off_when_it_takes_too_long(database_url: str) -> None:
    """Its own check says so; the database is not blamed."""
    checks = Checks({"database": None, "slow": None})

    async def never_ends(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        await connection.execute("SELECT pg_sleep(60)")

    sweep = Sweep("slow", 0.02, 0.2, never_ends)
    task = asyncio.create_task(sweep_forever(sweep, database_url, metrics=Metrics(CollectorRegistry()), checks=checks))
    await _eventually(lambda: checks.readiness()["slow"] is not None)
    assert checks.readiness()["database"] is None
    task.cancel()
    await asyncio.wait({task})
    assert json.dumps(checks.readiness()["slow"]) == '"took longer than 0.2 s and was broken off"'


@pytest.mark.anyio
async def test_round_that_another_replica_is_at_is_no_success(connection: Connection, database_url: str) -> None:
    """One that hangs there would look as if it came round: the alert of stalled sweeps takes the latest of all."""
    registry, checks = CollectorRegistry(), Checks({"database": None, "security": None})
    connection.execute("SELECT pg_advisory_lock(%s)", (Lock.SECURITY,))
    sweep = Sweep("security", 0.02, 10, led(Lock.SECURITY, partial(asyncio.sleep, 0)))

    def value(name: str) -> float:
        return registry.get_sample_value(f"tracefleet_fleet_sweep_{name}", {"sweep": "security"}) or 0

    task = asyncio.create_task(sweep_forever(sweep, database_url, metrics=Metrics(registry), checks=checks))
    await _eventually(lambda: value("seconds_count") > 2)
    assert value("success_timestamp_seconds") == 0
    connection.execute("SELECT pg_advisory_unlock(%s)", (Lock.SECURITY,))
    await _eventually(lambda: value("success_timestamp_seconds") > 0)
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.anyio
async def test_thread_is_broken_off_between_two_statements(database_url: str) -> None:
    """What it asks the server next is, however long after the sweep was told to end."""
    begun, go_on = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        begun.set()
        assert go_on.wait(LIMIT_SECONDS)
        connection.execute("SELECT pg_sleep(600)")

    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        sweep = led(Lock.SECURITY, partial(in_a_thread, work, database_url, name="test"))
        task = asyncio.ensure_future(sweep(connection))
        await _eventually(begun.is_set)
        # Told again while its thread reckons, it goes no sooner: the thread has the connection.
        for _ in range(3):
            task.cancel()
            await asyncio.wait({task}, timeout=0.1)
            assert not task.done()
        go_on.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.wait({task})
    assert task.cancelled()


@pytest.mark.anyio
async def test_mistake_of_a_sweep_ends_nothing_else(database_url: str) -> None:
    """It is told, and the sweep goes on."""
    checks = Checks({"database": None, "wrong": None})
    tries = 0

    async def divides(_: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OverflowError("date value out of range")

    sweep = Sweep("wrong", 0.02, 10, divides)
    task = asyncio.create_task(sweep_forever(sweep, database_url, metrics=Metrics(CollectorRegistry()), checks=checks))
    await _eventually(lambda: checks.readiness()["wrong"] == "OverflowError: date value out of range")
    await _eventually(lambda: checks.readiness()["wrong"] is None)
    assert tries >= 3
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})


async def _eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.02)
