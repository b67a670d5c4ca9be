"""The rounds as the process makes them: by the one that leads, sealed in the audit, counted for Prometheus."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg

from fleet.audit.keeping import ANCHORING_LOCK
from fleet.audit.sealing import SEALING_LOCK
from fleet.business_day import day_of
from fleet.keys import Keys
from fleet.leading import Lock, in_a_thread, led
from fleet.metrics import Metrics
from fleet.presence.outages import declare
from fleet.presence.watching import roll_days, watch_outages
from store.database import connect_service
from store.migrations import MIGRATION_LOCK
from store.settings import Settings
from tests.integration.days.conftest import World


def test_locks_of_rounds_are_nobody_elses() -> None:
    """A round that led with the lock of sealing would wait for its own seal for ever."""
    assert not {SEALING_LOCK, ANCHORING_LOCK, MIGRATION_LOCK} & set(Lock)


async def test_rounds_are_made_and_sealed(settings: Settings, connection: psycopg.Connection[Any]) -> None:
    """Days are rolled up as they are due; outages that last are counted by scope."""
    world = World(connection)
    world.site("M")
    world.device("S1", "M")
    now = datetime.now(UTC)
    declare(connection, "site", "M", now, None, "停电", now=now)
    keys, metrics, url = Keys.of(settings), Metrics.apart(), settings.require_database_url()
    rounds = (
        led(Lock.DAYS, partial(in_a_thread, partial(roll_days, keys=keys), url, name="days")),
        led(
            Lock.OUTAGES, partial(in_a_thread, partial(watch_outages, keys=keys, metrics=metrics), url, name="outages")
        ),
    )
    for work in rounds:
        async with await connect_service(url, application_name="test") as opened:
            await work(opened)
    assert world.day("S1", "records", day=day_of(now)) == 0
    assert world.value("SELECT count(*) FROM audit_unsealed") == 0
    values = {sample.labels["scope"]: sample.value for sample in next(iter(metrics.outages.collect())).samples}
    assert values == {"platform": 0, "site": 1}
