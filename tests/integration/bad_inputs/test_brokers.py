"""What depends on the broker: Mosquitto passes the same cases on, and some topics no broker passes on at all."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from store.settings import Settings
from tests.integration.bad_inputs.case import NOW, message
from tests.integration.bad_inputs.checks import CASES, OUTCOMES, assert_case, expected_account
from tests.integration.bad_inputs.process import Ingest, until
from tests.integration.bad_inputs.senders import REFUSED_TOPICS
from tests.integration.bad_inputs.wire import Wire
from tests.integration.bad_inputs.world import live_through, register

Connection = psycopg.Connection[tuple[object, ...]]
GOOD = message(f'{{"at":"{NOW.isoformat()}","temperature_c":1}}')


def test_all_cases_over_mosquitto(
    make_settings: Callable[..., Settings], connection: Connection, mosquitto_url: str, tmp_path: Path
) -> None:
    """Another broker hands on the same bytes, the same becomes of them, and it keeps nothing back."""
    settings = make_settings(broker_url=mosquitto_url)
    world = live_through(CASES, settings, tmp_path)
    for number in range(len(CASES)):
        assert_case(world, number)
    expected = expected_account()
    assert {stream: [counts[name] for name in OUTCOMES] for stream, counts in world.account.items()} == {
        stream: [expected[stream][name] for name in OUTCOMES] for stream in world.account
    }
    # What was not acknowledged it would deliver first to the next connection of the session.
    before = received(connection)
    with Ingest(settings, tmp_path) as ingest, Wire(mosquitto_url) as wire:
        assert wire.publish(b"tracefleet/v1/NEIGHBOUR/coldchain", GOOD)
        assert until(lambda: received(connection) > before, 20)
        assert until(ingest.is_idle, 20)
    assert received(connection) == before + 1


def received(connection: Connection) -> int:
    """Records of all streams."""
    row = connection.execute("SELECT coalesce(sum(received), 0)::int FROM ingest_stats").fetchone()
    assert row is not None
    return int(str(row[0]))


@pytest.mark.parametrize("broker", ["embedded", "mosquitto"])
def test_topic_that_no_broker_passes_on(
    make_settings: Callable[..., Settings],
    connection: Connection,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    broker: str,
) -> None:
    """The device is cut off at once, ingest hears nothing of it, and the next good message is stored."""
    url = request.getfixturevalue("broker_url" if broker == "embedded" else "mosquitto_url")
    register(connection, "D", "logger")
    with Ingest(make_settings(broker_url=url), tmp_path) as ingest, Wire(url) as wire:
        taken = {name: wire.publish(topic, GOOD) for name, topic in REFUSED_TOPICS.items()}
        assert taken == dict.fromkeys(REFUSED_TOPICS, False)
        assert wire.publish(b"tracefleet/v1/D/coldchain", GOOD)
        assert until(lambda: connection.execute("SELECT FROM coldchain").fetchone() is not None, 20)
        assert until(ingest.is_idle, 20)
    assert received(connection) == 1


def test_blank_in_a_topic_over_mosquitto(
    make_settings: Callable[..., Settings], connection: Connection, mosquitto_url: str, tmp_path: Path
) -> None:
    """The embedded broker refuses it, Mosquitto passes it on: then it is a bad topic."""
    with Ingest(make_settings(broker_url=mosquitto_url), tmp_path) as ingest, Wire(mosquitto_url) as wire:
        assert wire.publish(b"tracefleet/v1/D 1/coldchain", GOOD)
        assert until(lambda: connection.execute("SELECT FROM dead_letters").fetchone() is not None, 20)
        assert until(ingest.is_idle, 20)
    letters = connection.execute("SELECT reason, topic, device_no FROM dead_letters").fetchall()
    assert letters == [("bad_topic", "tracefleet/v1/D 1/coldchain", None)]
