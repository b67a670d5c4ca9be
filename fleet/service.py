"""The fleet process.

census        every 15 s ──▶ gauges ──▶ /metrics
housekeeping  every 60 s ──▶ is a job due, and nobody else at it? ──▶ delete ──▶ jobs
door          when nats-server asks (fleet.identity.broker) ──▶ who may connect, and who may no longer
audit         every  5 s ──▶ seal what nobody sealed ──▶ audit_seals
days          every 60 s ──▶ which days are due, by one replica ──▶ site_days, device_days
outages       every 60 s ──▶ is a site, or are we, out? by one replica ──▶ outages
obsolescence  every  5 min ──▶ is a day rolled up, and not judged yet? ──▶ findings, flags
retirement    every  5 min ▶ is a case due soon, overdue, or kept until today? (one leads) ──▶ events
anchor        every 60 s ──▶ did the chain's head move? ──▶ a file outside the database
health        every 60 s ──▶ by one: every device judged ──▶ device_health; by each: counted ──▶ gauges
checks        ◀── all    ──▶ /readyz
"""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry
from psycopg import Connection

from fleet.audit import anchors, keeping
from fleet.census import take_census
from fleet.checks import Checks
from fleet.health.sweeping import health_sweep
from fleet.housekeeping import keep_house
from fleet.identity.broker import CHECKS, keep_the_door
from fleet.keys import Keys
from fleet.leading import Lock, led
from fleet.metrics import Metrics
from fleet.obsolescence.sweeping import obsolescence_sweep
from fleet.presence.watching import roll_days, watch_outages
from fleet.retirement import deadlines
from fleet.sweep import Sweep, sweep_forever
from store.exporter import Exporter
from store.settings import Settings
from store.stopping import told_to_stop

CENSUS_SECONDS: Final = 15.0
HOUSEKEEPING_SECONDS: Final = 60.0
CENSUS_LIMIT_SECONDS: Final = 60.0
# A first round after years without one has much to delete.
HOUSEKEEPING_LIMIT_SECONDS: Final = 3600.0
AUDIT_SECONDS: Final = 5.0
ANCHOR_SECONDS: Final = 60.0
OBSOLESCENCE_SECONDS: Final = 300.0
# A minute for 100,000 devices, and more for the first time.
OBSOLESCENCE_LIMIT_SECONDS: Final = 1800.0
# An update of the whole ledger with psql is sealed in one round.
AUDIT_LIMIT_SECONDS: Final = 300.0
ANCHOR_LIMIT_SECONDS: Final = 30.0
DAYS_SECONDS: Final = 60.0
# After weeks without a round there are weeks to roll up, each day a transaction.
DAYS_LIMIT_SECONDS: Final = 3600.0
OUTAGES_SECONDS: Final = 60.0
OUTAGES_LIMIT_SECONDS: Final = 60.0
HEALTH_SECONDS: Final = 60.0
HEALTH_LIMIT_SECONDS: Final = 120.0
RETIREMENT_SECONDS: Final = 300.0
RETIREMENT_LIMIT_SECONDS: Final = 60.0

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Keep the fleet's numbers and the store in order until SIGTERM or SIGINT, or until cancelled.

    The database may go and come back meanwhile. Raises PortTakenError when the metrics cannot be served.
    """
    stop = told_to_stop()
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    checks = Checks(_checks(settings))
    exporter = Exporter(
        registry,
        host=settings.metrics_host,
        port=settings.fleet_metrics_port,
        readiness=checks.readiness,
        setting="TRACEFLEET_FLEET_METRICS_PORT",
    )
    forever = partial(sweep_forever, database_url=settings.require_database_url(), metrics=metrics, checks=checks)
    with exporter:
        log.info("fleet runs", metrics_port=settings.fleet_metrics_port)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(forever(sweep), name=sweep.name) for sweep in _sweeps(settings, metrics, checks)]
            if settings.nats_url is not None:
                door = keep_the_door(settings, settings.nats_url, metrics=metrics, checks=checks)
                tasks.append(group.create_task(door, name="door"))
            await stop.wait()
            for task in tasks:
                task.cancel()


def _checks(settings: Settings) -> dict[str, str | None]:
    door = dict.fromkeys(CHECKS, "not reached yet") if settings.nats_url is not None else {}
    return {"database": "not reached yet", "census": "not taken yet", "housekeeping": None, **keeping.CHECKS, **door}


def _sweeps(settings: Settings, metrics: Metrics, checks: Checks) -> list[Sweep]:
    keys, file = Keys.of(settings), anchors.file_of(settings)
    sealing = partial(keeping.seal_stragglers, keys=keys, metrics=metrics, checks=checks)
    url = settings.require_database_url()
    rolling = partial(roll_days, keys=keys)
    watching = partial(watch_outages, keys=keys, metrics=metrics)
    anchoring = partial(keeping.anchor_head, keys=keys, file=file, metrics=metrics, checks=checks)
    judging = obsolescence_sweep(url, keys, metrics)
    health = health_sweep(url, metrics)

    def follow_up(connection: Connection[Any]) -> None:
        deadlines.sweep(connection, keys=keys, now=datetime.now(UTC))

    retirement = led(Lock.RETIREMENT, follow_up, url, name="retirement")
    return [
        Sweep("census", CENSUS_SECONDS, CENSUS_LIMIT_SECONDS, partial(take_census, metrics=metrics)),
        Sweep("housekeeping", HOUSEKEEPING_SECONDS, HOUSEKEEPING_LIMIT_SECONDS, keep_house),
        Sweep("obsolescence", OBSOLESCENCE_SECONDS, OBSOLESCENCE_LIMIT_SECONDS, judging),
        Sweep("audit", AUDIT_SECONDS, AUDIT_LIMIT_SECONDS, sealing),
        Sweep("days", DAYS_SECONDS, DAYS_LIMIT_SECONDS, led(Lock.DAYS, rolling, url, name="days")),
        Sweep("outages", OUTAGES_SECONDS, OUTAGES_LIMIT_SECONDS, led(Lock.OUTAGES, watching, url, name="outages")),
        Sweep("retirement", RETIREMENT_SECONDS, RETIREMENT_LIMIT_SECONDS, retirement),
        Sweep("anchor", ANCHOR_SECONDS, ANCHOR_LIMIT_SECONDS, anchoring),
        Sweep("health", HEALTH_SECONDS, HEALTH_LIMIT_SECONDS, health),
    ]
