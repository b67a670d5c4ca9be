"""The sweep: who leads judges, and everybody counts."""

from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from fleet.health.sweeping import health_sweep
from fleet.leading import TRY_LOCK, Lock
from fleet.metrics import Metrics
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
