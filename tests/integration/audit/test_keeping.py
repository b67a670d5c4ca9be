"""What the fleet does for the audit: sealing what nobody sealed, noting the head, and saying when it cannot."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from fleet.audit.keeping import ANCHOR_CHECK, CHECKS, KEY_CHECK, anchor_head, seal_stragglers
from fleet.audit.sealing import AT_ONCE, SEALING_LOCK
from fleet.audit.verification import Verdict
from fleet.checks import Checks
from fleet.keys import Keys
from fleet.metrics import Metrics
from store.database import connect_service

Connection = psycopg.Connection[Any]
Service = psycopg.AsyncConnection[Any]
pytestmark = pytest.mark.anyio
MANY = "INSERT INTO merchants (merchant_code, name) SELECT 'M' || n, 'x' FROM generate_series(1, %s) AS n"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    """A connection of the fleet."""
    async with await connect_service(database_url, application_name="test") as opened:
        yield opened


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


@pytest.fixture
def checks() -> Checks:
    return Checks(CHECKS)


async def test_stragglers_are_sealed_whatever_their_number(
    service: Service, connection: Connection, keys: Keys, metrics: Metrics, checks: Checks,
    registry: CollectorRegistry, check: Callable[[], Verdict],
) -> None:  # fmt: skip
    """What psql and migrations wrote, several portions of it, into one whole chain; the gauges say so."""
    connection.execute(MANY, (2 * AT_ONCE + 1,))
    await seal_stragglers(service, keys=keys, metrics=metrics, checks=checks)
    verdict = check()
    assert (verdict.is_whole, verdict.waiting) == (True, 0)
    assert verdict.sealed > 2 * AT_ONCE
    assert registry.get_sample_value("tracefleet_fleet_audit_head") == verdict.sealed
    assert registry.get_sample_value("tracefleet_fleet_audit_unsealed") == 0
    assert checks.readiness()[KEY_CHECK] is None


async def test_sealing_waits_for_nobody(
    service: Service, connection: Connection, keys: Keys, metrics: Metrics, checks: Checks, registry: CollectorRegistry
) -> None:
    """While an import seals, the round leaves it to the next."""
    keys.key(connection, "audit")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (SEALING_LOCK,))
        await asyncio.wait_for(seal_stragglers(service, keys=keys, metrics=metrics, checks=checks), 30)
    assert (registry.get_sample_value("tracefleet_fleet_audit_unsealed") or 0) > 0


async def test_head_is_anchored_when_it_moved(
    service: Service, connection: Connection, keys: Keys, metrics: Metrics, checks: Checks,
    registry: CollectorRegistry, check: Callable[[], Verdict], anchor_file: Path,
) -> None:  # fmt: skip
    """Once for each head, also with two replicas; the time says that it is so, noted now or before."""

    async def anchor() -> bool:
        return await anchor_head(service, keys=keys, file=anchor_file, metrics=metrics, checks=checks)

    assert not await anchor()
    await seal_stragglers(service, keys=keys, metrics=metrics, checks=checks)
    assert [await anchor(), await anchor()] == [True, False]
    connection.execute(MANY, (1,))
    await seal_stragglers(service, keys=keys, metrics=metrics, checks=checks)
    assert await anchor()
    verdict = check()
    assert (verdict.is_whole, verdict.anchors) == (True, 2)
    assert (registry.get_sample_value("tracefleet_fleet_audit_anchored_timestamp_seconds") or 0) > 1e9
    assert checks.readiness()[ANCHOR_CHECK] is None


async def test_unusable_anchor_file_is_told(
    service: Service, keys: Keys, metrics: Metrics, checks: Checks, tmp_path: Path
) -> None:
    """By name, and it is over when the file is there."""
    await seal_stragglers(service, keys=keys, metrics=metrics, checks=checks)
    folder = tmp_path / "folder"
    folder.mkdir()
    await anchor_head(service, keys=keys, file=folder, metrics=metrics, checks=checks)
    assert "TRACEFLEET_AUDIT_ANCHOR_FILE" in str(checks.readiness()[ANCHOR_CHECK])
    await anchor_head(service, keys=keys, file=folder / "file", metrics=metrics, checks=checks)
    assert checks.readiness()[ANCHOR_CHECK] is None


async def test_another_key_seals_nothing(
    service: Service, connection: Connection, keys: Keys, metrics: Metrics, checks: Checks, tmp_path: Path
) -> None:
    """It is trouble of the key, with a remedy; the numbers are told all the same."""
    keys.key(connection, "audit")
    other = tmp_path / "other.key"
    other.write_text("ab" * 32)
    await seal_stragglers(service, keys=Keys(other), metrics=metrics, checks=checks)
    assert "TRACEFLEET_KEY_FILE" in str(checks.readiness()[KEY_CHECK])
    assert connection.execute("SELECT count(*) FROM audit_seals").fetchone() == (0,)
