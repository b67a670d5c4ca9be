"""The fleet process.

census        every 15 s ──▶ gauges ──▶ /metrics
housekeeping  every 60 s ──▶ is a job due, and nobody else at it? ──▶ delete ──▶ jobs
door          when nats-server asks (fleet.identity.broker) ──▶ who may connect, and who may no longer
audit         every  5 s ──▶ seal what nobody sealed ──▶ audit_seals
anchor        every 60 s ──▶ did the chain's head move? ──▶ a file outside the database

days          every 60 s ──▶ which days are due? ──▶ site_days, device_days
outages       every 60 s ──▶ is a site, or are we, out? ──▶ outages
health        every 60 s ──▶ every device judged ──▶ device_health
obsolescence  every 5 min ─▶ is a day over, rolled up, and not judged? ──▶ findings, flags
retirement    every 60 s ──▶ is a case due soon, overdue, or kept until today? ──▶ events
                         └─▶ was nothing heard for a day of those executed? ──▶ the proof of silence
retained      every 30 s ──▶ is a device decommissioned? ──▶ the broker forgets what it retained of it
security      every 60 s ──▶ does a retired identity speak? ──▶ security_events
verification  every  6 h ──▶ is the audit whole? ──▶ gauges

checks        ◀── all    ──▶ /readyz

Of replicas one leads each sweep of the second part (fleet.leading). When and how often is said in fleet.sweeps.
"""

import asyncio
from functools import partial

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from fleet.audit import keeping
from fleet.checks import Checks
from fleet.identity.broker import CHECKS, keep_the_door
from fleet.metrics import Metrics
from fleet.sweep import sweep_forever
from fleet.sweeps import sweeps
from store.exporter import Exporter
from store.settings import Settings
from store.stopping import end, told_to_stop

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Keep the fleet's numbers and the store in order until SIGTERM or SIGINT, or until cancelled.

    The database may go and come back meanwhile. Raises PortTakenError when the metrics cannot be served.
    """
    stop = told_to_stop()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
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
            tasks = [group.create_task(forever(sweep), name=sweep.name) for sweep in sweeps(settings, metrics, checks)]
            if settings.nats_url is not None:
                door = keep_the_door(settings, settings.nats_url, metrics=metrics, checks=checks)
                tasks.append(group.create_task(door, name="door"))
            await stop.wait()
            await end(*tasks)


def _checks(settings: Settings) -> dict[str, str | None]:
    door = dict.fromkeys(CHECKS, "not reached yet") if settings.nats_url is not None else {}
    return {"database": "not reached yet", "census": "not taken yet", "housekeeping": None, **keeping.CHECKS, **door}
