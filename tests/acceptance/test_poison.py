"""A payload that kills the worker outright comes to an end, and costs no neighbour."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.arrival import Arrival
from ingest.journal import Journal
from store.settings import Settings
from tests.conftest import end

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

Connection = psycopg.Connection[tuple[object, ...]]
NEIGHBOURS: Final = 20
MADE_AT: Final = datetime.now(UTC)
# The fourth life does not read it any more.
DEATHS: Final = 3


class Ingest:
    """The deadly ingest, started as often as it dies."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._log = folder / "ingest.log"
        self._variables = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")} | {
            "TRACEFLEET_DATABASE_URL": settings.require_database_url(),
            "TRACEFLEET_BROKER_URL": settings.broker_url.get_secret_value(),
            "TRACEFLEET_INGEST_METRICS_PORT": str(settings.ingest_metrics_port),
            "TRACEFLEET_INGEST_WORKER": settings.ingest_worker,
            "TRACEFLEET_DATA_DIR": str(folder / "data"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "subprocess.Popen[bytes]":
        """One more life."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.deadly_ingest"],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.process

    def log(self) -> str:
        """What all lives wrote."""
        return self._log.read_text(encoding="utf-8")


@pytest.fixture
def ingest(settings: Settings, tmp_path: Path) -> Iterator[Ingest]:
    """Ended with the test."""
    ingest = Ingest(settings, tmp_path)
    yield ingest
    if ingest.process is not None:
        end(ingest.process)


@pytest.fixture
def publish(settings: Settings) -> Iterator[Callable[[int, str], None]]:
    """Publishes a reading of the test's device and waits for the broker's acknowledgement."""
    host, _, port = settings.broker_url.get_secret_value().removeprefix("mqtt://").partition(":")
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"poisoner-{port}", clean_session=True)
    client.connect(host, int(port))
    client.loop_start()

    def send(seq: int, probe: str) -> None:
        client.publish("tracefleet/v1/TH-1/coldchain", reading(seq, probe), qos=1).wait_for_publish(10)

    yield send
    client.disconnect()
    client.loop_stop()


def reading(seq: int, probe: str) -> str:
    """A message that is always the same."""
    record = {"at": MADE_AT.isoformat(), "temperature_c": 1.0, "probe": probe}
    return json.dumps({"v": 1, "boot": "b", "seq": seq, "records": [record]})


def register(connection: Connection) -> None:
    """Enter the device that sends it."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S', '冷库', 'Store', 'cold_store', '410100')"
    )
    connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'logger', 'v')")
    connection.execute(
        "INSERT INTO devices (device_no, model_id, site_id) SELECT 'TH-1', model_id, site_id FROM models, sites"
    )


def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    """What a query of the test's own finds."""
    return connection.execute(query.encode()).fetchall()


def until(condition: Callable[[], bool], what: str) -> None:
    """Return when *condition* holds; fail after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_payload_that_kills_the_worker_is_buried_after_three_deliveries(
    ingest: Ingest, publish: Callable[[int, str], None], connection: Connection
) -> None:
    """Each life that reads it ends; the next finds out which it was, and all else is stored."""
    register(connection)
    ingest.start()
    until(lambda: rows(connection, "SELECT connected FROM workers") == [(True,)], "ingest is subscribed")
    for seq in range(NEIGHBOURS):
        publish(seq, "kill-me" if seq == NEIGHBOURS // 2 else "fine")
    for _ in range(DEATHS):
        assert ingest.process is not None
        assert ingest.process.wait(60) == -signal.SIGKILL, ingest.log()
        ingest.start()
    until(lambda: rows(connection, "SELECT count(*) FROM dead_letters") == [(1,)], ingest.log())
    until(lambda: rows(connection, "SELECT count(*) FROM coldchain") == [(NEIGHBOURS - 1,)], ingest.log())

    assert rows(connection, "SELECT reason, topic, device_no, records FROM dead_letters") == [
        ("crashed", "tracefleet/v1/TH-1/coldchain", "TH-1", 1)
    ]
    [(payload,)] = rows(connection, "SELECT payload FROM dead_letter_payloads")
    assert b"kill-me" in bytes(payload)  # type: ignore[call-overload]
    assert rows(connection, "SELECT max(deaths) FROM deadly_messages") == [(DEATHS,)]
    assert ingest.process is not None
    assert ingest.process.poll() is None, ingest.log()


def test_order_leaves_nobody_under_suspicion(
    ingest: Ingest, publish: Callable[[int, str], None], connection: Connection
) -> None:
    """A worker that stopped when it was asked was not reading."""
    register(connection)
    for life in range(2):
        process = ingest.start()
        until(lambda: rows(connection, "SELECT connected FROM workers") == [(True,)], "ingest is subscribed")
        publish(life, "fine")
        until(lambda life=life: rows(connection, "SELECT count(*) FROM coldchain") == [(life + 1,)], "stored")  # type: ignore[misc]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, ingest.log()
    assert rows(connection, "SELECT count(*) FROM deadly_messages") == [(0,)]
    assert rows(connection, "SELECT connected, stopped_at IS NOT NULL FROM workers") == [(False, True)]


def test_innocent_that_was_read_at_a_death_is_stored(
    ingest: Ingest, publish: Callable[[int, str], None], connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    """Whoever kills a worker from outside kills it while it reads something; one or two such deaths prove nothing."""
    register(connection)
    topic, body = "tracefleet/v1/TH-1/coldchain", reading(0, "fine")
    for _ in range(DEATHS - 1):
        journal = Journal(tmp_path / "data" / f"{settings.ingest_worker}.journal")
        journal.enter([Arrival(topic, body.encode(), datetime.now(UTC))])
        process = ingest.start()
        until(lambda: rows(connection, "SELECT connected FROM workers") == [(True,)], "ingest is subscribed")
        process.kill()
        process.wait(20)
        connection.execute("UPDATE workers SET connected = false")
    assert rows(connection, "SELECT deaths FROM deadly_messages") == [(DEATHS - 1,)]
    ingest.start()
    until(lambda: rows(connection, "SELECT connected FROM workers") == [(True,)], "ingest is subscribed")
    publish(0, "fine")
    until(lambda: rows(connection, "SELECT count(*) FROM coldchain") == [(1,)], ingest.log())
