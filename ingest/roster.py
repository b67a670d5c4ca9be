"""Who reads what: the rows of the workers, for those who rely on each other and for the operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from store.database import connect_service
from store.errors import DatabaseError
from store.records import OTHER, READABLE

NAME: Final = "tracefleet workers"
# A worker that says nothing for so long, and took no leave, is gone.
GONE_SECONDS: Final = 60.0
# Heard so lately, a worker may be relied on; whoever relies on it looks more often, and not for longer, than the next.
RELIABLE_SECONDS: Final = 10
LOOK_SECONDS: Final = 2.0
TRUSTED_SECONDS: Final = 5.0
# What a worker has taken off its row, nobody relies on after this.
GIVEN_UP_SECONDS: Final = 10.0

ANNOUNCE: Final = """
INSERT INTO workers AS w (worker, started_at, heartbeat_at, connected, unacknowledged, broker, ingest_group, filters)
VALUES (%(worker)s, now(), now(), false, 0, %(broker)s, %(group)s, %(filters)s)
ON CONFLICT (worker) DO UPDATE SET
    filters = ARRAY(SELECT DISTINCT f FROM unnest(w.filters || excluded.filters) AS f ORDER BY f),
    reads = CASE WHEN w.broker = excluded.broker
        THEN ARRAY(SELECT r FROM unnest(w.reads) AS r WHERE r = ANY (%(reads)s::text[])) ELSE '{}' END
RETURNING filters
"""
SUBSCRIBED_BEFORE: Final = """
SELECT reads <@ %(reads)s::text[] OR NOT EXISTS (
    SELECT FROM workers AS o
    WHERE o.worker <> %(worker)s AND 'other' = ANY (o.reads) AND cardinality(o.reads) < %(all)s
        AND o.heartbeat_at > now() - interval '1 minute')
FROM workers WHERE worker = %(worker)s
"""
READ_BY_OTHERS: Final = """
SELECT DISTINCT r FROM workers, unnest(reads) AS r
WHERE worker <> %(worker)s AND broker = %(broker)s AND connected
    AND heartbeat_at > now() - make_interval(secs => %(reliable_seconds)s)
"""
ALL: Final = """
SELECT worker, broker, ingest_group, reads, filters, connected, unacknowledged, stopped_reason, heartbeat_at,
       stopped_at, extract(epoch FROM now() - heartbeat_at)::float8 AS silent_seconds
FROM workers ORDER BY worker
"""
FORGET: Final = "DELETE FROM workers WHERE worker = %(worker)s"


@dataclass(frozen=True, slots=True)
class Worker:
    """An ingest process as it last said it was."""

    worker: str
    broker: str | None
    ingest_group: str | None
    reads: list[str]
    filters: list[str]
    connected: bool
    unacknowledged: int
    stopped_reason: str | None
    heartbeat_at: datetime
    stopped_at: datetime | None
    silent_seconds: float

    @property
    def is_gone(self) -> bool:
        """Whether it fell silent without a goodbye."""
        return self.stopped_at is None and self.silent_seconds > GONE_SECONDS

    @property
    def is_stopped(self) -> bool:
        """Whether it said goodbye. The broker keeps for it what is its to read."""
        return self.stopped_at is not None

    @property
    def was_subscribed(self) -> bool:
        """Whether a broker may keep anything for it."""
        return bool(self.reads)

    @property
    def state(self) -> str:
        """One word."""
        if self.is_stopped:
            return "stopped"
        if self.is_gone:
            return "gone"
        return "reading" if self.connected else "waiting"


@dataclass(frozen=True, slots=True)
class Unread:
    """Streams of a broker that no worker that runs reads. Where one reads `other`, it takes them."""

    broker: str
    streams: tuple[str, ...]
    is_taken: bool


def unread(workers: Sequence[Worker]) -> list[Unread]:
    """What no worker that runs reads, at each broker that any reads."""
    read: dict[str, set[str]] = {}
    for one in workers:
        if one.state in ("reading", "waiting") and one.broker is not None:
            read.setdefault(one.broker, set()).update(one.reads)
    found = []
    for broker, streams in sorted(read.items()):
        if missing := tuple(stream for stream in READABLE if stream not in streams):
            found.append(Unread(broker, missing, OTHER in streams))
    return found


async def announce(
    connection: AsyncConnection[Any],
    *,
    worker: str,
    broker: str,
    group: str | None,
    reads: Sequence[str],
    filters: Sequence[str],
) -> tuple[list[str], bool]:
    """Say what is about to be read, and take what is given up off the row.

    Every filter the session may hold, and whether somebody may still rely on what is given up.
    """
    mine = {"worker": worker, "broker": broker, "group": group, "reads": list(reads), "filters": list(filters)}
    async with connection.transaction():
        cursor = await connection.execute(SUBSCRIBED_BEFORE, mine | {"all": len(READABLE)})
        before = await cursor.fetchone()
        cursor = await connection.execute(ANNOUNCE, mine)
        held = await cursor.fetchone()
    assert held is not None  # noqa: S101 - an upsert returns its row
    return held[0], before is not None and not before[0]


async def read_by_others(connection: AsyncConnection[Any], *, worker: str, broker: str) -> frozenset[str]:
    """The streams that other workers of the broker read at this moment."""
    cursor = await connection.execute(
        READ_BY_OTHERS, {"worker": worker, "broker": broker, "reliable_seconds": RELIABLE_SECONDS}
    )
    return frozenset(row[0] for row in await cursor.fetchall())


async def workers_of(database_url: str) -> list[Worker]:
    """All that ever ran and were not forgotten.

    Raises DatabaseError.
    """
    try:
        async with (
            await connect_service(database_url, application_name=NAME) as connection,
            connection.cursor(row_factory=class_row(Worker)) as cursor,
        ):
            await cursor.execute(ALL)
            return await cursor.fetchall()
    except psycopg.Error as error:
        raise DatabaseError(f"the workers cannot be listed: {' '.join(str(error).split())}") from error


async def forget(connection: AsyncConnection[Any], worker: str) -> None:
    """Remove the row."""
    await connection.execute(FORGET, {"worker": worker})
