"""Which sweeps the fleet process runs, how often, and after how long a run has lost its database.

Here alone the clock is read for what they judge by: everything beneath is given the time.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from psycopg import AsyncConnection, Connection

from fleet.apart import apart
from fleet.audit import anchors, keeping
from fleet.census import take_census
from fleet.checks import Checks
from fleet.health.sweeping import health_sweep
from fleet.housekeeping import keep_house
from fleet.keys import Keys
from fleet.leading import PASSED, Lock, in_a_thread, led
from fleet.metrics import Metrics
from fleet.obsolescence.sweeping import obsolescence_sweep
from fleet.presence.watching import roll_days, watch_outages
from fleet.retirement import deadlines, retained, silence
from fleet.security import events as security
from fleet.sweep import Sweep
from store.settings import Settings

Work = Callable[[Connection[Any]], object]


def sweeps(settings: Settings, metrics: Metrics, checks: Checks) -> list[Sweep]:
    """All of them, for one process; of replicas one leads each that is led."""
    keys = Keys.of(settings)
    return [*_of_the_store(settings, keys, metrics, checks), *_of_the_fleet(settings, keys, metrics)]


def _of_the_store(settings: Settings, keys: Keys, metrics: Metrics, checks: Checks) -> list[Sweep]:
    sealing = partial(keeping.seal_stragglers, keys=keys, metrics=metrics, checks=checks)
    file = anchors.file_of(settings)

    async def house(connection: AsyncConnection[Any]) -> str | None:
        return PASSED if await keep_house(connection) is None else None

    anchoring = partial(keeping.anchor_head, keys=keys, file=file, metrics=metrics, checks=checks)
    return [
        Sweep("census", 15, 60, partial(take_census, metrics=metrics)),
        # A first round after years without one has much to delete.
        Sweep("housekeeping", 60, 3600, house),
        # An update of the whole ledger with psql is sealed in one round.
        Sweep("audit", 5, 300, sealing),
        Sweep("anchor", 60, 30, anchoring),
    ]


def _of_the_fleet(settings: Settings, keys: Keys, metrics: Metrics) -> list[Sweep]:
    file = anchors.file_of(settings)
    url, broker_url = settings.require_database_url(), settings.broker_url.get_secret_value()

    def leading(name: str, lock: Lock, every_seconds: float, limit_seconds: float, work: Work) -> Sweep:
        return Sweep(name, every_seconds, limit_seconds, led(lock, partial(in_a_thread, work, url, name=name)))

    def follow_cases(connection: Connection[Any]) -> None:
        deadlines.sweep(connection, keys=keys, now=datetime.now(UTC))
        silence.watch(connection, keys=keys, now=datetime.now(UTC))

    def clear_retained(connection: Connection[Any]) -> None:
        retained.clear(connection, broker_url, now=datetime.now(UTC))

    def watch_the_retired(connection: Connection[Any]) -> None:
        security.watch(connection, keys=keys, now=datetime.now(UTC))

    async def verify_the_audit() -> None:
        metrics.audit_findings.set(await apart(keeping.seal_and_verify, url, keys, file))

    return [
        # After weeks without a round there are weeks to roll up, each day a transaction.
        leading("days", Lock.DAYS, 60, 3600, partial(roll_days, keys=keys)),
        leading("outages", Lock.OUTAGES, 60, 60, partial(watch_outages, keys=keys, metrics=metrics)),
        Sweep("health", 60, 120, health_sweep(url, metrics)),
        # A minute for 100,000 devices, and more for the first time.
        Sweep("obsolescence", 300, 1800, obsolescence_sweep(url, keys, metrics)),
        leading("retirement", Lock.RETIREMENT, 60, 300, follow_cases),
        leading("retained", Lock.RETAINED, 30, 120, clear_retained),
        leading("security", Lock.SECURITY, 60, 120, watch_the_retired),
        # All of it is read. Each replica tells what it saw itself; one at a time.
        Sweep("verification", 6 * 3600, 7200, led(Lock.VERIFICATION, verify_the_audit)),
    ]
