"""Several ingest processes on one database: they share the load, and one that disappears takes nothing with it."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.bench.brokers import has_mosquitto, serve
from store.peer import peer_of
from store.settings import Settings
from tests.conftest import end, free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

ROOT: Final = Path(__file__).parents[2]
DEVICES: Final = 12
RECORDS: Final = 4
LIMIT_SECONDS: Final = 60

Connection = psycopg.Connection[tuple[object, ...]]


class Crew:
    """Ingest processes, and commands beside them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._folder = folder
        self._variables = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")} | {
            "TRACEFLEET_DATABASE_URL": settings.require_database_url(),
            "TRACEFLEET_BROKER_URL": settings.broker_url.get_secret_value(),
            "TRACEFLEET_API_PORT": str(settings.api_port),
            "TRACEFLEET_FLEET_METRICS_PORT": str(settings.fleet_metrics_port),
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, worker: str, **given: str) -> "subprocess.Popen[bytes]":
        """One ingest."""
        with (self._folder / f"{worker}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", "ingest"],
                cwd=ROOT,
                env=self._variables
                | {"TRACEFLEET_INGEST_WORKER": worker, "TRACEFLEET_INGEST_METRICS_PORT": str(free_port())}
                | {f"TRACEFLEET_INGEST_{name.upper()}": value for name, value in given.items()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._running.append(process)
        return process

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command that ends."""
        return subprocess.run(
            [sys.executable, "-m", "deploy.cli", *words],
            cwd=ROOT,
            env=self._variables | {"TRACEFLEET_INGEST_METRICS_PORT": str(free_port())},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def logs(self) -> str:
        """What all of them wrote."""
        return "".join(log.read_text(encoding="utf-8") for log in self._folder.glob("*.log"))

    def end(self) -> None:
        """Whatever still runs."""
        for process in self._running:
            end(process)


class Devices:
    """Publish known records, in disorder and with copies, and wait for the broker's acknowledgement of each."""

    def __init__(self, broker_url: str, seed: int) -> None:
        peer = peer_of(broker_url)
        self._dice = random.Random(seed)  # noqa: S311 - no secret
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"devices-{seed}", clean_session=True)
        self._client.max_inflight_messages_set(200)
        self._client.connect(peer.host, peer.port)
        self._client.loop_start()
        self._start_at = datetime.now(UTC) - timedelta(hours=1)
        self._next = 0
        # Records published, each copy counted, and each once.
        self.copies = 0
        self.records = 0

    def publish(self, messages: int) -> None:
        """So many messages of each device on each of two streams; three in ten go twice."""
        plan: list[tuple[str, str]] = []
        for number in range(DEVICES):
            for index in range(self._next, self._next + messages):
                for stream in ("coldchain", "status"):
                    plan += [(f"TH-{number}/{stream}", self._body(stream, index))] * self._dice.choice((1, 1, 2))
                    self.records += RECORDS
        self._next += messages
        self.copies += RECORDS * len(plan)
        # In disorder within reach of each other, as several lines of one device would be.
        for start in range(0, len(plan), 100):
            part = plan[start : start + 100]
            self._dice.shuffle(part)
            sent = [self._client.publish(f"tracefleet/v1/{path}", body, qos=1) for path, body in part]
            for one in sent:
                one.wait_for_publish(LIMIT_SECONDS)
                assert one.is_published()

    def say(self, path: str, body: object) -> None:
        """One message."""
        self._client.publish(f"tracefleet/v1/{path}", json.dumps(body), qos=1).wait_for_publish(LIMIT_SECONDS)

    def _body(self, stream: str, index: int) -> str:
        records: list[dict[str, object]] = []
        for seq in range(index * RECORDS, index * RECORDS + RECORDS):
            at = (self._start_at + timedelta(seconds=seq)).isoformat()
            records.append(
                {"at": at, "temperature_c": seq % 100 / 4} if stream == "coldchain" else {"at": at, "uptime_s": seq}
            )
        return json.dumps({"v": 1, "boot": stream, "seq": index * RECORDS, "records": records})

    def newest(self) -> int:
        """The last sequence number of every device and stream."""
        return self._next * RECORDS - 1

    def close(self) -> None:
        """Take leave."""
        self._client.disconnect()
        self._client.loop_stop()


def until(condition: Callable[[], object], what: str) -> None:
    """Return when *condition* holds; fail after a minute."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def one(connection: Connection, query: str) -> tuple[Any, ...]:
    """The one row of a query."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


def stored(connection: Connection) -> int:
    """Rows of both streams."""
    return int(one(connection, "SELECT (SELECT count(*) FROM coldchain) + (SELECT count(*) FROM status)")[0])


def received(connection: Connection) -> int:
    """Records that came, over all workers, presence left out."""
    return int(one(connection, "SELECT coalesce(sum(received), 0) FROM ingest_stats WHERE stream <> 'presence'")[0])


def births(connection: Connection) -> int:
    """Births and deaths that came."""
    return int(one(connection, "SELECT coalesce(sum(received), 0) FROM ingest_stats WHERE stream = 'presence'")[0])


def subscribed(connection: Connection, workers: int) -> None:
    """Wait until so many are."""
    query = "SELECT count(*) FROM workers WHERE connected AND heartbeat_at > now() - interval '5 s'"
    until(lambda: one(connection, query)[0] == workers, f"{workers} workers are subscribed")


def check(connection: Connection, crew: Crew, devices: Devices, *, redelivered: bool = False) -> None:
    """Every record once, every copy in the account, the newest value the latest; and nobody was in a deadlock."""
    assert stored(connection) == devices.records
    for stream in ("coldchain", "status"):
        doubled = f"SELECT count(*) - count(DISTINCT (device_id, boot_id, seq)) FROM {stream}"  # noqa: S608 - our table
        assert one(connection, doubled) == (0,)
    sums = "sum(stored)::int, sum(conflict)::int, sum(dead_lettered)::int"
    account = one(connection, f"SELECT {sums} FROM ingest_stats WHERE stream IN ('coldchain', 'status')")  # noqa: S608
    assert account == (devices.records, 0, 0)
    if not redelivered:
        assert received(connection) == devices.copies
    assert one(connection, "SELECT count(*), min(seq), max(seq) FROM latest") == (
        2 * DEVICES,
        devices.newest(),
        devices.newest(),
    )
    # At its end a server process has written its statistics.
    crew.end()
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^tracefleet'"
    )
    until(lambda: one(connection, left) == (0,), "the workers' connections have ended")
    assert "batch not written" not in crew.logs()
    assert one(connection, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == (0,)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[str]:
    """A Mosquitto of the test's own, which remembers no worker of another."""
    if not has_mosquitto():
        pytest.skip("mosquitto is not installed here: apt-get install mosquitto")
    with serve("mosquitto", tmp_path / "mosquitto", window=1000) as broker:
        yield f"mqtt://127.0.0.1:{broker.port}"


@contextmanager
def crew_at(settings: Settings, folder: Path, connection: Connection) -> Iterator[tuple[Crew, Devices]]:
    """Workers to be started, and the devices of the ledger."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S', '冷库', 'Store', 'cold_store', '410100')"
    )
    connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'logger', 'v')")
    connection.execute(
        "INSERT INTO devices (device_no, model_id, site_id)"
        " SELECT 'TH-' || n, model_id, site_id FROM models, sites, generate_series(0, %s) AS n",
        (DEVICES - 1,),
    )
    crew = Crew(settings, folder)
    devices = Devices(settings.broker_url.get_secret_value(), seed=7)
    try:
        yield crew, devices
    finally:
        devices.close()
        crew.end()


def test_three_in_a_group_store_everything_once(
    make_settings: Callable[..., Settings],
    mosquitto: str,
    tmp_path: Path,
    connection: Connection,
) -> None:
    """Messages of one device, copies among them, reach several at once; births and a stale death do, too."""
    with crew_at(make_settings(broker_url=mosquitto), tmp_path, connection) as (crew, devices):
        for number in range(3):
            crew.start(f"w{number}", group="g")
        subscribed(connection, 3)
        # Two are born, one after the other; then the death of the first is told, and the second birth again.
        for told, (boot, state) in enumerate(
            (("old", "online"), ("new", "online"), ("old", "offline"), ("new", "online"))
        ):
            for number in range(DEVICES):
                devices.say(f"TH-{number}/presence", {"v": 1, "boot": boot, "state": state})
            wanted = DEVICES * (told + 1)
            until(lambda wanted=wanted: births(connection) == wanted, "births are told")  # type: ignore[misc]
        for _ in range(4):
            devices.publish(100)
        until(lambda: received(connection) >= devices.copies, "all is written")
        check(connection, crew, devices)
        assert one(connection, "SELECT DISTINCT state FROM device_presence") == ("online",)
        assert one(connection, "SELECT count(*) FROM (SELECT FROM ingest_stats GROUP BY worker) AS w") == (3,)


def test_two_by_streams_at_a_broker_without_shares_store_everything_once(
    settings: Settings, tmp_path: Path, connection: Connection
) -> None:
    """A stream each; what is on no stream is the second one's."""
    with crew_at(settings, tmp_path, connection) as (crew, devices):
        names = [f"{settings.ingest_worker}-{letter}" for letter in "ab"]
        crew.start(names[0], streams="coldchain,weighing,scan")
        crew.start(names[1], streams="status,presence,other")
        subscribed(connection, 2)
        for _ in range(4):
            devices.publish(30)
        for _ in range(3):
            devices.say("TH-0/coldchian", {"v": 1})
        until(lambda: stored(connection) == devices.records, "all is written")
        until(lambda: one(connection, "SELECT count(*) FROM dead_letters") == (1,), "the misspelt topic is kept")
        # Until it may rely on the first, the second stores what is the first's as well.
        until(lambda: received(connection) >= devices.copies, "all copies are in the account")
        check(connection, crew, devices, redelivered=True)
        assert one(connection, "SELECT reason FROM dead_letters") == ("bad_topic",)


@pytest.mark.parametrize("remedy", ["taken over", "forgotten"])
def test_worker_that_disappears_takes_nothing_with_it(
    remedy: str,
    make_settings: Callable[..., Settings],
    mosquitto: str,
    tmp_path: Path,
    connection: Connection,
) -> None:
    """Mosquitto goes on keeping its share for it: it is named with the remedy, and either remedy brings all of it."""
    with crew_at(make_settings(broker_url=mosquitto), tmp_path, connection) as (crew, devices):
        crew.start("stays", group="g")
        dies = crew.start("dies", group="g")
        subscribed(connection, 2)
        devices.publish(20)
        dies.send_signal(signal.SIGKILL)
        dies.wait(10)
        for _ in range(3):
            devices.publish(20)
        # As if a minute had passed.
        connection.execute("UPDATE workers SET heartbeat_at = heartbeat_at - interval '2 min' WHERE worker = 'dies'")
        listed = crew.command("workers", "list", "--json")
        assert (listed.returncode, {w["worker"]: w["state"] for w in json.loads(listed.stdout)}) == (
            1,
            {"dies": "gone", "stays": "reading"},
        )
        shown = crew.command("workers", "list").stdout
        assert re.search(r"│ stays +│ reading +│ everything, a", shown)
        (found,) = [c for c in json.loads(crew.command("doctor", "--json").stdout) if c["what"] == "worker"]
        assert found["verdict"] == "problem"
        assert found["detail"].startswith("dies was last heard")
        assert "TRACEFLEET_INGEST_WORKER=dies" in found["remedy"]
        assert "tracefleet workers forget dies" in found["remedy"]
        # What Mosquitto does with the share of a member that is away: it keeps it for it.
        assert stored(connection) < devices.records

        if remedy == "taken over":
            crew.start("dies", group="g")
            until(lambda: stored(connection) == devices.records, "the share is stored")
            subscribed(connection, 2)
            devices.publish(20)
        else:
            done = crew.command("workers", "forget", "dies")
            assert done.returncode == 0, done.stdout + done.stderr
            assert stored(connection) == devices.records
            # Its share is the other's from now on.
            devices.publish(20)
            assert one(connection, "SELECT array_agg(worker) FROM workers") == (["stays"],)
        until(lambda: stored(connection) == devices.records, "all is written")
        check(connection, crew, devices, redelivered=True)


def test_worker_is_not_forgotten_while_it_runs_or_is_needed(
    make_settings: Callable[..., Settings],
    mosquitto: str,
    tmp_path: Path,
    connection: Connection,
) -> None:
    """Each refusal says why, with status 2."""
    with crew_at(make_settings(broker_url=mosquitto), tmp_path, connection) as (crew, devices):
        crew.start("a", streams="coldchain")
        subscribed(connection, 1)
        for words, complaint in (
            (["forget", "nobody"], "There is no worker nobody"),
            (["forget", "a"], "reads coldchain"),
            (["forget", "a", "--anyway"], "a runs: stop it first"),
        ):
            refused = crew.command("workers", *words)
            assert refused.returncode == 2, refused.stdout
            assert complaint in refused.stderr
        (streams,) = [c for c in json.loads(crew.command("doctor", "--json").stdout) if c["what"] == "streams"]
        assert (streams["verdict"], streams["detail"].partition(" at ")[0]) == (
            "problem",
            "weighing, scan, status, presence, other",
        )
        devices.publish(3)
        until(lambda: one(connection, "SELECT count(*) FROM coldchain")[0] == devices.records // 2, "it goes on")
