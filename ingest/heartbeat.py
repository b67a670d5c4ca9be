"""Says every second how this worker is, in a row that readiness and the dashboards read."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import psycopg

from store.backoff import Backoff
from store.database import connect_service

INTERVAL_SECONDS: Final = 1.0
# A stop has ten seconds, and most of them belong to what is still to be written.
GOODBYE_SECONDS: Final = 1.5

BEAT: Final = """
INSERT INTO workers AS w (worker, started_at, heartbeat_at, connected, unacknowledged, lag_seconds, stopped_reason,
                          broker, ingest_group, reads, filters)
VALUES (%(worker)s, %(started_at)s, now(), %(connected)s, %(unacknowledged)s, %(lag_seconds)s, %(stopped_reason)s,
        %(broker)s, %(group)s, CASE WHEN %(connected)s THEN %(reads)s::text[] ELSE '{}' END, %(filters)s)
ON CONFLICT (worker) DO UPDATE SET
    started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at, connected = excluded.connected,
    unacknowledged = excluded.unacknowledged, lag_seconds = excluded.lag_seconds,
    stopped_reason = excluded.stopped_reason, stopped_at = NULL,
    broker = excluded.broker, ingest_group = excluded.ingest_group, filters = excluded.filters,
    -- What it gives up it has taken off before; what is new counts once it is subscribed.
    reads = CASE WHEN excluded.connected THEN excluded.reads ELSE w.reads END
"""
GOODBYE: Final = "UPDATE workers SET stopped_at = now(), connected = false WHERE worker = %(worker)s"


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a worker is at this moment."""

    connected: bool
    unacknowledged: int
    lag_seconds: float
    stopped_reason: str | None
    broker: str
    group: str | None
    # What it reads while connected, and every topic filter that its session at the broker may hold.
    reads: list[str]
    filters: list[str]


async def beat(
    database_url: str, *, worker: str, vitals: Callable[[], Vitals], trouble: Callable[[str | None], None]
) -> None:
    """Write the row until cancelled, and say after each try what kept it from being written, None for nothing."""
    backoff = Backoff(cap_seconds=INTERVAL_SECONDS)
    started_at = datetime.now(UTC)
    while True:
        try:
            async with await connect_service(
                database_url, application_name=f"tracefleet {worker} heartbeat"
            ) as connection:
                while True:
                    await connection.execute(BEAT, {"worker": worker, "started_at": started_at} | asdict(vitals()))
                    backoff.reset()
                    trouble(None)
                    await asyncio.sleep(INTERVAL_SECONDS)
        except psycopg.Error as error:
            # Not logged: the pump speaks about the database, and two voices would say it twice.
            trouble(" ".join(str(error).split()))
            await asyncio.sleep(backoff.next_seconds())


async def say_goodbye(database_url: str, *, worker: str) -> None:
    """Write that the worker stopped in order; where the database is away, it will look like a death."""
    with suppress(psycopg.Error, OSError, TimeoutError):
        async with (
            asyncio.timeout(GOODBYE_SECONDS),
            await connect_service(database_url, application_name=f"tracefleet {worker}") as connection,
        ):
            await connection.execute(GOODBYE, {"worker": worker})
