"""What the broker acknowledged to the devices is what the database holds, ingest's sudden death included."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest

from deploy.embedded.broker import EmbeddedBroker
from store.settings import Settings
from tests.conftest import end, free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]

DEVICES: Final = 200
SETTLE_SECONDS: Final = 90.0
TELEMETRY: Final = ("weighing", "scan", "coldchain", "status")
OUTCOMES: Final = ("stored", "duplicate", "conflict", "dead_lettered")

Connection = psycopg.Connection[tuple[object, ...]]


class City:
    """Ingest and the simulator as processes, over a broker of their own that flushes before it acknowledges."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._folder = folder
        self._metrics_port = settings.ingest_metrics_port
        self._variables = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")} | {
            "TRACEFLEET_DATABASE_URL": settings.require_database_url(),
            "TRACEFLEET_BROKER_URL": settings.broker_url.get_secret_value(),
            "TRACEFLEET_DATA_DIR": str(folder / "data"),
            "TRACEFLEET_INGEST_METRICS_PORT": str(settings.ingest_metrics_port),
            "TRACEFLEET_INGEST_WORKER": settings.ingest_worker,
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """A command of ours as a process."""
        with (self._folder / f"{command[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", *command],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._running.append(process)
        return process

    def start_ingest(self) -> "subprocess.Popen[bytes]":
        """Ingest, ready to take messages."""
        process = self.start("ingest")
        until(lambda: process.poll() is not None or self._is_ready(), seconds=30, what="ingest is ready")
        assert process.poll() is None, self.log("ingest")
        return process

    def start_devices(self, *, seconds: int, rate: int) -> "subprocess.Popen[bytes]":
        """The morning peak of a city, with its troubles: outages, copies, bad records and strangers."""
        options = {
            "--devices": DEVICES,
            "--seconds": seconds,
            "--rate": rate,
            "--bad-share": 0.01,
            "--strangers": 3,
            "--tally": self._folder / "tally.json",
        }
        return self.start("simulate", *[str(word) for option in options.items() for word in option])

    def tally(self) -> dict[str, Any]:
        """The simulator's account."""
        content: dict[str, Any] = json.loads((self._folder / "tally.json").read_text(encoding="utf-8"))
        return content

    def metrics(self) -> dict[str, int]:
        """Records of the telemetry streams by outcome, as a scrape sees them."""
        sums = dict.fromkeys(OUTCOMES, 0)
        for line in httpx.get(f"http://127.0.0.1:{self._metrics_port}/metrics").text.splitlines():
            if line.startswith("tracefleet_ingest_records_total{") and any(f'stream="{s}"' in line for s in TELEMETRY):
                outcome = line.partition('outcome="')[2].partition('"')[0]
                sums[outcome] += int(float(line.rpartition(" ")[2]))
        return sums

    def log(self, command: str) -> str:
        """What a process wrote."""
        return (self._folder / f"{command}.log").read_text(encoding="utf-8")

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._metrics_port}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def end(self) -> None:
        """Whatever still runs."""
        for process in reversed(self._running):
            end(process)


def until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Return when *condition* holds; fail after *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def one(connection: Connection, query: str) -> tuple[Any, ...]:
    """The one row of a query."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


def account(connection: Connection) -> dict[str, int]:
    """Records of the telemetry streams by outcome, from SQL."""
    sums = ", ".join(f"coalesce(sum({outcome}), 0)::int" for outcome in OUTCOMES)
    streams = ", ".join(f"'{stream}'" for stream in TELEMETRY)
    row = one(connection, f"SELECT {sums} FROM ingest_stats WHERE stream IN ({streams})")  # noqa: S608 - our own words
    return dict(zip(OUTCOMES, map(int, row), strict=True))


def stored_rows(connection: Connection) -> int:
    """Rows of the telemetry tables."""
    counts = " + ".join(f"(SELECT count(*) FROM {stream})" for stream in TELEMETRY)  # noqa: S608 - our own tables
    return int(one(connection, f"SELECT {counts}")[0])


def doubled_rows(connection: Connection) -> int:
    """Identities that stand more than once, over all streams."""
    rows = " UNION ALL ".join(f"SELECT device_id, boot_id, seq FROM {stream}" for stream in TELEMETRY)  # noqa: S608
    doubled = f"SELECT 1 FROM ({rows}) AS r GROUP BY device_id, boot_id, seq HAVING count(*) > 1"  # noqa: S608
    return int(one(connection, f"SELECT count(*) FROM ({doubled}) AS d")[0])  # noqa: S608


def buried(connection: Connection) -> int:
    """Records that are kept as dead letters."""
    return int(one(connection, "SELECT coalesce(sum(records), 0) FROM dead_letters WHERE stream <> 'presence'")[0])


@pytest.fixture
def city(make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[City]:
    """Processes that end with the test."""
    broker = EmbeddedBroker(tmp_path / "broker" / "store", free_port(), sync="always")
    (tmp_path / "broker").mkdir()
    process = broker.start()
    city = City(make_settings(broker_url=broker.url), tmp_path)
    try:
        broker.wait_ready(process)
        yield city
    finally:
        city.end()
        end(process)


def test_every_acknowledged_record_has_an_outcome(city: City, connection: Connection) -> None:
    """200 devices, 60 s of the morning peak: acknowledged = stored + duplicate + conflict + dead-lettered."""
    city.start_ingest()
    devices = city.start_devices(seconds=60, rate=150)
    assert devices.wait(120) == 0, city.log("simulate")
    tally = city.tally()
    expected = tally["acknowledged_records"]
    until(lambda: sum(account(connection).values()) >= expected, seconds=SETTLE_SECONDS, what="all is written")

    in_sql = account(connection)
    assert tally["unacknowledged_messages"] == 0
    # A line that broke hides whether its last messages came; each was sent once more at most.
    assert expected <= sum(in_sql.values()) <= expected + tally["sent_again_records"]
    assert city.metrics() == in_sql
    assert stored_rows(connection) == in_sql["stored"]
    assert buried(connection) == in_sql["dead_lettered"]
    assert doubled_rows(connection) == 0
    # The run was no walk in the park.
    assert min(in_sql.values()) > 0, in_sql
    assert in_sql["stored"] > 2000


def test_nothing_acknowledged_is_lost_when_ingest_is_killed(city: City, connection: Connection) -> None:
    """Killed in the middle, three times: every record acknowledged to a device is a row or a dead letter, once."""
    ingest = city.start_ingest()
    devices = city.start_devices(seconds=40, rate=150)
    for rows in (500, 1200, 1900):
        until(lambda rows=rows: stored_rows(connection) > rows, seconds=60, what=f"{rows} rows")  # type: ignore[misc]
        ingest.send_signal(signal.SIGKILL)
        assert ingest.wait(10) == -signal.SIGKILL
        ingest = city.start_ingest()
    assert devices.wait(120) == 0, city.log("simulate")
    tally = city.tally()
    distinct = tally["telemetry"]["records"]
    until(
        lambda: stored_rows(connection) + buried(connection) >= distinct, seconds=SETTLE_SECONDS, what="all is written"
    )

    assert tally["unacknowledged_messages"] == 0
    assert stored_rows(connection) + buried(connection) == distinct
    assert account(connection)["stored"] == stored_rows(connection)
    assert doubled_rows(connection) == 0
