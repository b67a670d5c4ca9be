"""The sweep: who leads judges, and everybody counts."""

from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from fleet.health.counting import count
from fleet.health.sweeping import health_sweep
from fleet.leading import TRY_LOCK, Lock
from fleet.metrics import Metrics
from fleet.presence.presence import PRESENCES
from tests.integration.health.conftest import Fleet

pytestmark = pytest.mark.anyio


def told(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """The value of a series."""
    return registry.get_sample_value(f"tracefleet_fleet_{name}", labels)


async def sweep(url: str) -> CollectorRegistry:
    """One round of a replica of its own; what it counts."""
    registry = CollectorRegistry()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await health_sweep(url, Metrics(registry))(connection)
    return registry


async def test_sweep_judges_and_counts(connection: psycopg.Connection[Any], database_url: str) -> None:
    """By kind and presence, kind and band, and check; what no device has is zero."""
    fleet = Fleet(connection)
    fleet.connection.execute("DELETE FROM device_presence WHERE device_id = %s", (fleet.device("D-1", "kiosk"),))
    registry = await sweep(database_url)
    assert told(registry, "presence", kind="kiosk", presence="never_seen") == 1
    assert told(registry, "presence", kind="gateway", presence="online") == 0
    assert told(registry, "health_devices", kind="kiosk", band="poor") == 1
    assert told(registry, "health_devices", kind="kiosk", band="good") == 0
    assert told(registry, "health_reasons", check="never_seen") == 1
    assert told(registry, "health_reasons", check="battery_low") == 0


async def test_replica_that_does_not_lead_counts_what_the_other_wrote(
    connection: psycopg.Connection[Any], database_url: str
) -> None:
    """It judges nothing, and tells the same numbers."""
    fleet = Fleet(connection)
    device_id = fleet.device("D-1", "kiosk")
    assert connection.execute(TRY_LOCK, {"lock": Lock.HEALTH}).fetchone() == (True,)
    registry = await sweep(database_url)
    assert fleet.health(device_id) is None
    assert told(registry, "health_devices", kind="kiosk", band="good") == 0


async def test_only_what_should_be_heard_is_expected(connection: psycopg.Connection[Any], database_url: str) -> None:
    """In service and excused by nothing."""
    await sweep(database_url)
    fleet = Fleet(connection)
    for number, presence, excused_by, state in (
        ("E-1", "online", None, "in_service"),
        ("E-2", "silent", None, "in_service"),
        ("E-3", "silent", "site_outage", "in_service"),
        ("E-4", "online", None, "idle"),
    ):
        device_id = fleet.device(number, "kiosk")
        connection.execute("UPDATE devices SET state = %s WHERE device_id = %s", (state, device_id))
        connection.execute("DELETE FROM device_health WHERE device_id = %s", (device_id,))
        connection.execute(
            "INSERT INTO device_health (device_id, evaluated_at, presence, presence_since, excused_by)"
            " VALUES (%s, now(), %s, now(), %s)",
            (device_id, presence, excused_by),
        )
    registry = CollectorRegistry()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as opened:
        await count(opened, Metrics(registry))
    found = {presence: told(registry, "expected_devices", presence=presence) for presence in PRESENCES}
    assert found == {"online": 1, "late": 0, "silent": 1, "never_seen": 0}
