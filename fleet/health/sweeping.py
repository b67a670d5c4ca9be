"""The sweep of the fleet's health: by one replica, the day is closed and every device judged; by each, counted."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from psycopg import AsyncConnection, Connection

from fleet.health.counting import count
from fleet.health.days_of_health import close_if_over
from fleet.health.evaluating import evaluate
from fleet.leading import Lock, in_a_thread, led
from fleet.metrics import Metrics

log = structlog.get_logger()


def look_after_health(connection: Connection[Any]) -> None:
    """A round as of now. The day is closed first: what is judged now is of the next already."""
    now = datetime.now(UTC)
    closed = close_if_over(connection, now=now)
    if closed is not None:
        log.info("health of the day kept", day=closed.isoformat())
    evaluate(connection, now=now)


def health_sweep(database_url: str, metrics: Metrics) -> Callable[[AsyncConnection[Any]], Awaitable[str | None]]:
    """The work of the sweep."""
    lead = led(Lock.HEALTH, partial(in_a_thread, look_after_health, database_url, name="health"))

    async def sweep(connection: AsyncConnection[Any]) -> str | None:
        comes_to = await lead(connection)
        await count(connection, metrics)
        return comes_to

    return sweep
