"""Bad inputs that only the moment, or what came before, makes bad."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from store.settings import Settings
from tests.integration.bad_inputs.case import message
from tests.integration.bad_inputs.process import Ingest, until
from tests.integration.bad_inputs.wire import Wire
from tests.integration.bad_inputs.world import register

Connection = psycopg.Connection[tuple[object, ...]]
Publish = Callable[..., None]
LIMIT_SECONDS = 30
COLDCHAIN = b"tracefleet/v1/D/coldchain"


def reading(temperature_c: float = 2.0, **ahead: float) -> str:
    """A record made now, or so much ahead of it."""
    at = datetime.now(UTC) + timedelta(**ahead)
    return json.dumps({"at": at.isoformat(), "temperature_c": temperature_c})


@pytest.fixture
def publish(settings: Settings, connection: Connection) -> Iterator[Publish]:
    """Sends bytes to the broker, as the logger D unless another topic is given."""
    register(connection, "D", "logger")
    with Wire(settings.broker_url.get_secret_value()) as wire:

        def send(payload: bytes, *, topic: bytes = COLDCHAIN, retain: bool = False) -> None:
            assert wire.publish(topic, payload, retain=retain)

        yield send


@contextmanager
def ingesting(settings: Settings, folder: Path, connection: Connection, records: int) -> Iterator[Ingest]:
    """An ingest that has received so many records, and acknowledged all messages, when the block ends."""
    with Ingest(settings, folder) as ingest:
        yield ingest
        received = "SELECT coalesce(sum(received), 0)::int >= %s FROM ingest_stats"
        assert until(lambda: connection.execute(received, (records,)).fetchall() == [(True,)], LIMIT_SECONDS)
        assert until(ingest.is_idle, LIMIT_SECONDS)


def account(connection: Connection) -> tuple[object, ...]:
    """Received, stored, duplicate, conflict, dead-lettered."""
    row = connection.execute(
        "SELECT sum(received)::int, sum(stored)::int, sum(duplicate)::int, sum(conflict)::int, sum(dead_lettered)::int"
        " FROM ingest_stats"
    ).fetchone()
    assert row is not None
    return row


def test_stale_retained_message_is_no_life(
    settings: Settings, connection: Connection, publish: Publish, tmp_path: Path
) -> None:
    """What the broker remembers is stored, since nothing is dropped, but it proves nothing about now."""
    publish(message(reading()), retain=True)
    publish(b'{"v":1,"boot":"b1","state":"online"}', topic=b"tracefleet/v1/D/presence", retain=True)
    try:
        with ingesting(settings, tmp_path, connection, records=2):
            pass
    finally:
        publish(b"", retain=True)
        publish(b"", topic=b"tracefleet/v1/D/presence", retain=True)
    assert account(connection) == (2, 2, 0, 0, 0)
    assert connection.execute("SELECT FROM presence_slots").fetchall() == []
    heard = connection.execute("SELECT state, last_heard_at FROM device_presence").fetchall()
    assert heard in ([], [("offline", None)])


def test_edges_of_the_clock(settings: Settings, connection: Connection, publish: Publish, tmp_path: Path) -> None:
    """Half a minute on either side of 5 min and 24 h ahead, and of 365 days ago."""
    with ingesting(settings, tmp_path, connection, records=6):
        aheads = [
            {"minutes": 4.5},
            {"minutes": 5.5},
            {"hours": 23.99},
            {"hours": 24.01},
            {"days": -364.99},
            {"days": -365.01},
        ]
        publish(message(*[reading(**ahead) for ahead in aheads]))
    marks = connection.execute("SELECT seq, clock_ahead FROM coldchain ORDER BY seq").fetchall()
    assert marks == [(0, False), (1, True), (2, True), (4, False)]
    letters = connection.execute("SELECT record_index, reason FROM dead_letters ORDER BY 1").fetchall()
    assert letters == [(3, "clock_out_of_range"), (5, "clock_out_of_range")]


def test_one_bad_row_in_ten_thousand(
    settings: Settings, connection: Connection, publish: Publish, tmp_path: Path
) -> None:
    """What only the table rejects costs itself: 9,999 are stored, and one is kept with the server's word for it."""
    connection.execute("ALTER TABLE coldchain ADD CONSTRAINT not_that_warm CHECK (temperature_c <> 66.6)")
    poison = message(*[reading(66.6 if index == 321 else 2.0) for index in range(500)], seq="3500")
    with ingesting(settings, tmp_path, connection, records=10_000):
        for first in range(0, 10_000, 500):
            publish(poison if first == 3500 else message(*[reading()] * 500, seq=str(first)))
    assert account(connection) == (10_000, 9_999, 0, 0, 1)
    letters = connection.execute(
        "SELECT reason, record_index, records, topic, device_no, payload, detail"
        " FROM dead_letters JOIN dead_letter_payloads USING (payload_id)"
    ).fetchall()
    assert [letter[:-1] for letter in letters] == [("database_rejected", 321, 1, COLDCHAIN.decode(), "D", poison)]
    assert "23514" in str(letters[0][-1])


def test_one_device_many_times_in_a_batch(
    settings: Settings, connection: Connection, publish: Publish, tmp_path: Path
) -> None:
    """Rows, latest values, its line and its slots: one row per key, the newest, however often a batch names it."""
    with Ingest(settings, tmp_path):
        pass
    # The broker keeps these for the session of the ingest that is down, and hands them over all at once.
    for seq in range(0, 200, 2):
        publish(message(reading(seq / 10, minutes=-1, milliseconds=seq), seq=str(seq)))
        status = json.dumps({"at": datetime.now(UTC).isoformat(), "uptime_s": seq})
        publish(message(status, seq=str(seq + 1)), topic=b"tracefleet/v1/D/status")
        publish(
            b'{"v":1,"boot":"b1","state":"%b"}' % (b"offline", b"online")[seq // 2 % 2],
            topic=b"tracefleet/v1/D/presence",
        )
    with ingesting(settings, tmp_path, connection, records=300):
        pass
    assert account(connection) == (300, 202, 98, 0, 0)
    latest = connection.execute("SELECT stream, seq FROM latest ORDER BY stream").fetchall()
    assert latest == [("coldchain", 198), ("status", 199)]
    assert connection.execute("SELECT state, count(*) OVER () FROM device_presence").fetchall() == [("online", 1)]
