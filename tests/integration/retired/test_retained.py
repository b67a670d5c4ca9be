"""What the broker retained of a decommissioned device is gone: asked of the real one, as its own users."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.broker import EmbeddedBroker
from fleet.errors import BrokerError
from fleet.retirement.retained import AT_ONCE, SETTLE, clear
from tests.conftest import free_port
from tests.integration.door.world import World, a_world

BIRTH = b'{"v":1,"boot":"b","state":"online"}'


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """A guarded broker and a fleet, with the devices A and B."""
    with a_world(database_url, tmp_path) as made:
        for device_no in "AB":
            made.register(device_no)
        yield made


def retain(world: World, topic: str, payload: bytes = BIRTH) -> None:
    """Have the broker retain something."""
    service = world.service()
    service.publish(topic, payload, retain=True)
    service.leave()


def retained(world: World, *topics: str) -> list[str]:
    """The topics on which somebody who subscribes now is handed something that was said before."""
    ear = world.service(*topics)
    # What is said after the subscription comes after what was retained.
    assert ear.is_granted("tracefleet/v1/NOBODY/command")
    ear.publish("tracefleet/v1/NOBODY/command", b"the last")
    ear.wait(lambda: ("tracefleet/v1/NOBODY/command", b"the last") in ear.heard, what="the last word")
    ear.leave()
    return sorted({topic for topic, _ in ear.heard if "NOBODY" not in topic})


def decommission(world: World, device_no: str, at: datetime) -> None:
    """As the execution of a case does."""
    with world.changing() as connection:
        connection.execute("UPDATE devices SET decommissioned_at = %s WHERE device_no = %s", (at, device_no))


def cleared(world: World) -> list[tuple[Any, ...]]:
    """What is noted."""
    return world.connection.execute(
        "SELECT device_no, topics, cleared_at FROM retained_clearings JOIN devices USING (device_id) ORDER BY 1"
    ).fetchall()


def test_new_subscriber_is_handed_nothing_when_its_device_is_cleared(world: World) -> None:
    """The birth was there before, is not after, and that of another device still is."""
    topics = ["tracefleet/v1/A/presence", "tracefleet/v1/A/command", "tracefleet/v1/B/presence"]
    for topic in topics:
        retain(world, topic)
    now = datetime.now(UTC)
    assert retained(world, "tracefleet/v1/A/presence", "tracefleet/v1/A/command", "tracefleet/v1/B/presence") == sorted(
        topics
    )
    assert clear(world.connection, world.broker.url, now=now) == 0
    decommission(world, "A", now)
    assert clear(world.connection, world.broker.url, now=now + SETTLE - timedelta(seconds=1)) == 0
    assert clear(world.connection, world.broker.url, now=now + SETTLE) == 1
    assert retained(world, *topics) == ["tracefleet/v1/B/presence"]
    assert cleared(world) == [("A", ["tracefleet/v1/A/command", "tracefleet/v1/A/presence"], now + SETTLE)]
    assert clear(world.connection, world.broker.url, now=now + timedelta(days=1)) == 0


def test_device_that_spoke_since_is_cleared_again(world: World) -> None:
    """Its last will came after the first look."""
    now = datetime.now(UTC)
    decommission(world, "A", now - SETTLE)
    assert clear(world.connection, world.broker.url, now=now) == 1
    assert cleared(world) == [("A", [], now)]
    retain(world, "tracefleet/v1/A/presence")
    world.connection.execute(
        "WITH p AS (INSERT INTO dead_letter_payloads (payload_hash, payload) VALUES ('x', 'x') RETURNING payload_id)"
        " INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, device_no, stream,"
        " received_at) SELECT 't', payload_id, -1, 1, 'retired_device', 'd', 'A', 'presence', %s FROM p",
        (now + timedelta(seconds=5),),
    )
    later = now + timedelta(minutes=1)
    assert clear(world.connection, world.broker.url, now=later) == 1
    assert cleared(world) == [("A", ["tracefleet/v1/A/presence"], later)]
    assert retained(world, "tracefleet/v1/A/presence") == []


def test_nothing_is_noted_while_the_broker_is_away_and_it_is_done_afterwards(world: World) -> None:
    """The next round tries again."""
    now = datetime.now(UTC)
    retain(world, "tracefleet/v1/A/presence")
    decommission(world, "A", now - SETTLE)
    world.stop_broker()
    with pytest.raises(BrokerError, match="cannot be asked what it retains"):
        clear(world.connection, world.broker.url, now=now)
    assert cleared(world) == []
    world.start_broker()
    assert clear(world.connection, world.broker.url, now=now) == 1
    assert retained(world, "tracefleet/v1/A/presence") == []


def test_many_are_cleared_at_once(world: World) -> None:
    """Of a campaign's devices as many as one round takes, over one connection."""
    now = datetime.now(UTC)
    with world.changing() as connection:
        connection.execute(
            "INSERT INTO devices (device_no, model_id, site_id, decommissioned_at)"
            " SELECT 'M' || n, model_id, site_id, %s FROM devices, generate_series(1, %s) AS n WHERE device_no = 'A'",
            (now - SETTLE, AT_ONCE + 1),
        )
    for device_no in ("M1", "M250", f"M{AT_ONCE}"):
        retain(world, f"tracefleet/v1/{device_no}/presence")
    assert clear(world.connection, world.broker.url, now=now) == AT_ONCE
    assert clear(world.connection, world.broker.url, now=now) == 1
    assert retained(world, "tracefleet/v1/+/presence") == []


def test_users_of_a_production_broker_have_the_right_to_clear(world: World, tmp_path: Path) -> None:
    """Ingest's, whose URL fleet shares."""
    access = world.broker.access
    assert access is not None
    world.stop_broker()
    own = replace(access, passwords={**access.passwords, "ingest": "pingest"})
    world.broker = EmbeddedBroker(tmp_path / "other", free_port(), sync="2m", access=own)
    world.start_broker()
    now = datetime.now(UTC)
    retain(world, "tracefleet/v1/A/presence")
    decommission(world, "A", now - SETTLE)
    url = f"mqtt://{own.user('ingest')}@127.0.0.1:{world.broker.port}"
    assert clear(world.connection, url, now=now) == 1
    assert retained(world, "tracefleet/v1/A/presence") == []
