"""The previous release's ingest on today's schema: it goes on through the migration, and stores what today's stores."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.embedded.broker import EmbeddedBroker
from store.migrations import migrate, schema_status
from store.records import TELEMETRY
from store.settings import Settings
from tests.conftest import end, free_port
from tests.overlap.conftest import Release

pytestmark = [pytest.mark.timeout(180)]

LIMIT_SECONDS: Final = 60
INGEST: Final = (
    "import asyncio; from ingest.service import run; from store.settings import load; asyncio.run(run(load()))"
)
LEDGER: Final = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES ('S', '市场', 'Market', 'wet_market', '410100');
INSERT INTO models (model_no, kind, vendor) VALUES ('M-S', 'trace_scale', 'v'), ('M-L', 'logger', 'v');
INSERT INTO devices (device_no, model_id, site_id)
SELECT d.device_no, m.model_id, s.site_id
FROM (VALUES ('SCALE', 'M-S'), ('LOGGER', 'M-L')) AS d (device_no, model_no) JOIN models AS m USING (model_no)
CROSS JOIN sites AS s;
"""
RECEIVED: Final = "SELECT coalesce(sum(received), 0)::int FROM ingest_stats"
OUTCOMES: Final = ("received", "stored", "duplicate", "conflict", "dead_lettered", "late")
ACCOUNT: Final = f"""
SELECT stream, {", ".join(f"sum({outcome})::int" for outcome in OUTCOMES)} FROM ingest_stats
GROUP BY stream ORDER BY stream
"""  # noqa: S608 - our own words
LETTERS: Final = """
SELECT reason, record_index, records, detail FROM dead_letters AS l JOIN dead_letter_payloads AS p USING (payload_id)
WHERE position(%(boot)s::bytea IN p.payload) > 0 ORDER BY reason, record_index
"""
CONFLICTS: Final = """
SELECT c.seq, c.stream, c.first_body, c.second_body FROM conflicts AS c JOIN boots USING (boot_id) WHERE boot = %(boot)s
"""
BOOTS: Final = """
SELECT device_id, seen::text, first_at, last_at, booted_at IS NULL FROM boots WHERE boot = %(boot)s ORDER BY device_id
"""

START: Final = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
SALE: Final = {
    "trade_no": "T", "kind": "sale", "net_g": 500, "unit_price_fen_per_kg": 3000, "amount_fen": 1500, "stable": True,
    "gross_g": 510, "tare_g": 10, "printed": True, "trace_code": "1" * 20, "stall_no": "7", "goods_name": "猪肉",
}  # fmt: skip


def _corpus(boot: str) -> list[tuple[str, bytes]]:
    """Topics and payloads: every stream, copies, a conflict, bad records among good ones, a stranger; fixed times."""
    at = [(START + timedelta(seconds=30 * i)).isoformat() for i in range(20)]

    def message(seq: int, *records: dict[str, Any]) -> bytes:
        return json.dumps({"v": 1, "boot": boot, "seq": seq, "records": records}).encode()

    cold = [
        {"at": moment, "temperature_c": 2.0 + i / 10, "humidity_pct": 80, "probe": "p"} for i, moment in enumerate(at)
    ]
    chilled = message(0, *cold)
    fault = {**cold[3], "temperature_c": None, "fault": "open"}
    return [
        ("SCALE/presence", json.dumps({"v": 1, "state": "online", "boot": boot}).encode()),
        ("SCALE/weighing", message(0, *({**SALE, "at": moment, "trade_no": f"T{i}"} for i, moment in enumerate(at)))),
        ("SCALE/scan", message(100, *({"at": m, "code": "1" * 20, "purpose": "sale", "result": "ok"} for m in at))),
        ("SCALE/status", message(200, {"at": at[0], "uptime_s": 5, "firmware": "1.2", "errors": ["E1"], "backlog": 3})),
        ("LOGGER/coldchain", chilled),
        ("LOGGER/coldchain", chilled),
        ("LOGGER/coldchain", message(0, {**cold[0], "temperature_c": 9.0})),
        ("LOGGER/coldchain", message(50, cold[1], {"at": at[2], "temperature_c": "warm"}, fault)),
        ("LOGGER/coldchain", message(90, {**cold[5], "battery_pct": 101})),
        ("LOGGER/weighing", message(0, {**SALE, "at": at[0]})),
        ("NOBODY/coldchain", message(0, cold[0])),
        ("LOGGER/coldchain", b'{"v":1,"boot":"' + boot.encode() + b'","seq":'),
    ]  # fmt: skip


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """One of the test's own: what is kept for its worker is nobody else's."""
    broker = EmbeddedBroker(tmp_path / "broker" / "store", free_port(), sync="2m")
    (tmp_path / "broker").mkdir()
    process = broker.start()
    try:
        broker.wait_ready(process)
        yield broker
    finally:
        end(process)


class Pipe:
    """A broker, a database, and one ingest after the other between them, under the same name."""

    def __init__(self, url: str, broker: EmbeddedBroker, folder: Path, stack: ExitStack) -> None:
        self._variables = {
            "database_url": url,
            "broker_url": broker.url,
            "data_dir": str(folder / "data"),
            "ingest_metrics_port": str(free_port()),
            "ingest_worker": "one",
        }
        self._stack = stack
        self._connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="devices")
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        stack.callback(self._client.loop_stop)
        stack.callback(self._client.disconnect)
        self._received = 0

    def rows(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Of a query."""
        return self._connection.execute(query.encode(), values).fetchall()

    def start(self, release: Release) -> "subprocess.Popen[str]":
        """Its ingest, subscribed."""
        ((begun,),) = self.rows("SELECT clock_timestamp()")
        process = release.start(INGEST, **self._variables)
        self._stack.callback(_end, process)
        subscribed = "SELECT 1 FROM workers WHERE worker = 'one' AND connected AND heartbeat_at > %(begun)s"
        self._until(lambda: process.poll() is not None or self.rows(subscribed, begun=begun), "ingest has subscribed")
        assert process.poll() is None, process.communicate()[0]
        return process

    def send(self, boot: str) -> dict[str, tuple[int, ...]]:
        """The whole corpus of a boot; what the account of each stream grew by once all of it is in there."""
        before = self._account()
        for topic, payload in _corpus(boot):
            # One after the other: of two with the same identity, the first is the one that is stored.
            self._client.publish(f"tracefleet/v1/{topic}", payload, qos=1).wait_for_publish(LIMIT_SECONDS)
        self._received += EXPECTED
        self._until(lambda: self.rows(RECEIVED) == [(self._received,)], f"{self._received} records are accounted for")
        now = self._account()
        nothing = (0,) * len(OUTCOMES)
        return {s: tuple(a - b for a, b in zip(now[s], before.get(s, nothing), strict=True)) for s in now}

    def told(self, boot: str) -> dict[str, list[Any]]:
        """Everything that a boot left, but for what names the boot and when it came."""
        told: dict[str, list[Any]] = {
            name: self.rows(query, boot=boot.encode() if query is LETTERS else boot)
            for name, query in {"letters": LETTERS, "conflicts": CONFLICTS, "boots": BOOTS}.items()
        }
        for stream in TELEMETRY:
            told[stream] = self.rows(
                f"SELECT to_jsonb(t) - 'boot_id' - 'received_at' FROM {stream} AS t JOIN boots USING (boot_id)"  # noqa: S608
                " WHERE boot = %(boot)s ORDER BY seq",
                boot=boot,
            )
        told["letters"] = [(*rest, str(detail).replace(boot, "BOOT")) for *rest, detail in told["letters"]]
        return told

    def _account(self) -> dict[str, tuple[int, ...]]:
        return {stream: tuple(sums) for stream, *sums in self.rows(ACCOUNT)}

    @staticmethod
    def _until(condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not within {LIMIT_SECONDS} s: {what}"
            time.sleep(0.05)


# 1 presence, 20 sales, 20 scans, 1 status, 20 + 20 + 1 + 3 + 1 readings, 1 on a wrong stream, 1 stranger's, 1 torn.
EXPECTED: Final = 90


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


@pytest.fixture
def pipe(previous_database_url: str, broker: EmbeddedBroker, tmp_path: Path) -> Iterator[Pipe]:
    """On a database of the previous release, with two devices."""
    with psycopg.connect(previous_database_url, autocommit=True) as connection:
        connection.execute(LEDGER.encode())
    with ExitStack() as stack:
        yield Pipe(previous_database_url, broker, tmp_path, stack)


def test_previous_ingest_runs_through_the_migration_and_stores_what_todays_stores(
    pipe: Pipe, previous_database_url: str, previous: Release, current: Release
) -> None:
    """The same messages before the migration, after it, and to today's ingest: the same rows, letters and account."""
    process = pipe.start(previous)
    before = pipe.send("boot0before")
    migrate(Settings(database_url=previous_database_url))
    with psycopg.connect(previous_database_url) as connection:
        assert schema_status(connection).is_current
    after = pipe.send("boot0after0")
    assert process.poll() is None
    _end(process)

    pipe.start(current)
    today = pipe.send("boot0today0")
    assert before == after == today
    rows = pipe.told("boot0before")
    assert pipe.told("boot0after0") == rows
    assert pipe.told("boot0today0") == rows
    # The corpus is what it says: nothing is the same for being empty.
    assert {name: len(found) for name, found in rows.items()} == {
        "weighing": 20, "scan": 20, "coldchain": 22, "status": 1, "letters": 5, "conflicts": 1, "boots": 2,
    }  # fmt: skip

    # What the previous one stored, today's knows: told again, nothing is new.
    again = pipe.send("boot0after0")
    assert sum(stored for _, stored, *_ in again.values()) == 0
    assert pipe.told("boot0after0") == rows
