"""``/api/v1/ingest/stats``: the account of what came in and what became of it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api import span
from api.callers import MAY_READ
from api.database import DatabaseDep
from api.parameters import Instant
from api.problems import BAD_SPAN, documented
from api.resolution import StreamName

router = APIRouter(prefix="/api/v1/ingest", tags=["Ingest"], dependencies=MAY_READ)

# The first step that keeps the series within 1,440 points; days cover the longest span.
_STEPS: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))
POINTS_MAX: Final = 1440

# One pass for the total (kind 3), the streams (kind 1) and the series (kind 2).
STATS: Final = """
SELECT grouping(stream, point_at) AS kind, stream, point_at,
       coalesce(sum(messages), 0)::bigint AS messages, coalesce(sum(received), 0)::bigint AS received,
       coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(duplicate), 0)::bigint AS duplicate,
       coalesce(sum(conflict), 0)::bigint AS conflict, coalesce(sum(dead_lettered), 0)::bigint AS dead_lettered,
       coalesce(sum(late), 0)::bigint AS late, coalesce(sum(backfilled), 0)::bigint AS backfilled,
       coalesce(sum(clock_ahead), 0)::bigint AS clock_ahead
FROM (
    SELECT stream, date_bin(%(step)s, bucket_at, '2000-01-01 00:00+00') AS point_at,
           messages, received, stored, duplicate, conflict, dead_lettered, late, backfilled, clock_ahead
    FROM ingest_stats
    WHERE bucket_at >= %(from_at)s AND bucket_at < %(to_at)s AND (%(stream)s::text IS NULL OR stream = %(stream)s)
) AS minutes
GROUP BY GROUPING SETS ((), (stream), (point_at))
ORDER BY kind, stream, point_at
"""
# As ingest counts: what a topic names, and `unknown` where it names none.
CountedStream = Literal[StreamName, "unknown"]
_BY_STREAM: Final = 1
_BY_TIME: Final = 2
_TOTAL: Final = 3


class StatsQuery(BaseModel):
    """Which part of the account."""

    model_config = ConfigDict(extra="forbid")

    from_at: Instant | None = Field(
        None,
        alias="from",
        description="From the minute of this instant on, RFC 3339 with an offset. An hour before `to`.",
    )
    to_at: Instant | None = Field(None, alias="to", description="Up to and without this instant. Now.")
    stream: CountedStream | None = Field(
        None, description="Only this stream; `unknown` counts what no topic names.", examples=["weighing"]
    )


class Account(BaseModel):
    """Counts of records. Always: received = stored + duplicate + conflict + dead_lettered."""

    messages: int
    received: int
    stored: int
    duplicate: int = Field(description="had been stored before, or came twice")
    conflict: int = Field(description="same identity, another body: kept as evidence")
    dead_lettered: int = Field(description="refused, kept with the reason and the raw bytes")
    late: int = Field(description="of the stored: came more than 5 minutes after they were made")
    backfilled: int = Field(description="of the stored: came more than a day after they were made")
    clock_ahead: int = Field(description="of the stored: made more than 5 minutes in our future")


class StreamAccount(Account):
    """The account of one stream."""

    stream: str = Field(description="`unknown` for messages whose topic names none", examples=["weighing"])


class Point(Account):
    """The account of one step of time."""

    at: datetime = Field(description="start of the step")


class Stats(BaseModel):
    """The account of a span: in all, by stream, and over time."""

    from_at: datetime = Field(serialization_alias="from", description="moved back to a whole step")
    to_at: datetime = Field(serialization_alias="to")
    step_seconds: int = Field(description="60 up to a day, then 300, 3600 or 86400", examples=[60])
    total: Account
    streams: list[StreamAccount]
    series: list[Point] = Field(description="oldest first, at most 1,441 points; steps without a message are left out")


@router.get("/stats", summary="What came in and what became of it", responses=documented(BAD_SPAN))
async def get_stats(database: DatabaseDep, query: Annotated[StatsQuery, Query()]) -> Stats:
    """Messages and records by outcome, over a span of at most 400 days; the last hour unless told."""
    asked = span.resolve(query.from_at, query.to_at, datetime.now(UTC))
    step = step_for(asked.length)
    shown = asked.aligned(step)
    rows = await database.fetch(
        STATS, {"step": step, "from_at": shown.from_at, "to_at": shown.to_at, "stream": query.stream}
    )
    return Stats(
        from_at=shown.from_at,
        to_at=shown.to_at,
        step_seconds=int(step.total_seconds()),
        total=next(Account.model_validate(row) for row in rows if row["kind"] == _TOTAL),
        streams=[StreamAccount.model_validate(row) for row in rows if row["kind"] == _BY_STREAM],
        series=[Point.model_validate({**row, "at": row["point_at"]}) for row in rows if row["kind"] == _BY_TIME],
    )


def step_for(length: timedelta) -> timedelta:
    """The finest step that shows *length* in at most 1,440 steps. Pure."""
    return next((step for step in _STEPS if length <= POINTS_MAX * step), _STEPS[-1])
