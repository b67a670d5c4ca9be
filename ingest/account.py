"""The account: every record that came has exactly one outcome. Kept in SQL in the same transaction, and in metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from psycopg import AsyncConnection

from ingest.batch import DeadLetter
from ingest.refusal import Reason
from store.arrays import Int8s, Texts
from store.records import PRESENCE, TELEMETRY

Outcome = Literal["stored", "duplicate", "conflict", "dead_lettered"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("stored", "duplicate", "conflict", "dead_lettered")
# Where a message is counted whose topic names no stream.
UNKNOWN_STREAM: Final = "unknown"
STREAMS: Final = (*TELEMETRY, PRESENCE, UNKNOWN_STREAM)

ENTER: Final = """
INSERT INTO ingest_stats AS s (bucket_at, worker, stream, messages, received, stored, duplicate, conflict,
                               dead_lettered, late, backfilled, clock_ahead)
SELECT %(bucket_at)s, %(worker)s, n.* FROM unnest(
    %(streams)s::text[], %(messages)s::int8[], %(received)s::int8[], %(stored)s::int8[], %(duplicate)s::int8[],
    %(conflict)s::int8[], %(dead_lettered)s::int8[], %(late)s::int8[], %(backfilled)s::int8[],
    %(clock_ahead)s::int8[]
) AS n ORDER BY 3
ON CONFLICT (bucket_at, worker, stream) DO UPDATE SET
    messages = s.messages + excluded.messages, received = s.received + excluded.received,
    stored = s.stored + excluded.stored, duplicate = s.duplicate + excluded.duplicate,
    conflict = s.conflict + excluded.conflict, dead_lettered = s.dead_lettered + excluded.dead_lettered,
    late = s.late + excluded.late, backfilled = s.backfilled + excluded.backfilled,
    clock_ahead = s.clock_ahead + excluded.clock_ahead
"""


@dataclass(slots=True)
class Counts:
    """Of one stream: messages, records received, and what became of them."""

    messages: int = 0
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    dead_lettered: int = 0
    # Of those stored: more than 5 minutes after they were made, more than a day after, and made in our future.
    late: int = 0
    backfilled: int = 0
    clock_ahead: int = 0


@dataclass(slots=True)
class Account:
    """Of one batch. ``received`` is counted on the way in and the outcomes on the way out; the database compares."""

    streams: dict[str, Counts] = field(default_factory=dict)
    reasons: dict[Reason, int] = field(default_factory=dict)
    # When the newest new record of each message was made.
    newest_ats: list[datetime] = field(default_factory=list)
    # Kept now: for whoever can tell the sender.
    buried: list[DeadLetter] = field(default_factory=list)
    # Refused before, and now again: for whoever replays.
    refused_again: list[DeadLetter] = field(default_factory=list)

    def of(self, stream: str | None) -> Counts:
        """The counts of *stream*."""
        name = stream if stream in STREAMS else UNKNOWN_STREAM
        counts = self.streams.get(name)
        if counts is None:
            counts = self.streams[name] = Counts()
        return counts

    def refused(self, reason: Reason, records: int) -> None:
        """Count dead-lettered records by reason."""
        self.reasons[reason] = self.reasons.get(reason, 0) + records

    def add(self, other: "Account") -> None:
        """Take over what another part of the same batch counted."""
        for stream, counts in other.streams.items():
            own = self.of(stream)
            for name in Counts.__slots__:
                setattr(own, name, getattr(own, name) + getattr(counts, name))
        for reason, records in other.reasons.items():
            self.refused(reason, records)
        self.newest_ats += other.newest_ats
        self.buried += other.buried
        self.refused_again += other.refused_again


async def enter(connection: AsyncConnection[Any], account: Account, *, worker: str, now: datetime) -> None:
    """Add *account* to the worker's row of this minute.

    Raises psycopg.errors.CheckViolation when an outcome is missing: then nothing of the batch may be committed.
    """
    streams: Mapping[str, Counts] = account.streams
    columns = {name: Int8s(getattr(counts, name) for counts in streams.values()) for name in Counts.__slots__}
    bucket_at = now.astimezone(UTC).replace(second=0, microsecond=0)
    await connection.execute(ENTER, columns | {"streams": Texts(streams), "bucket_at": bucket_at, "worker": worker})
