"""The ledger of power-ups: which sequence numbers of a boot have arrived, and when a device without a clock was born.

The one statement takes the row locks of the batch in the order of (device, boot), so two workers never wait for each
other in a circle, and it answers for each message whether any of its numbers was here before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection

from ingest.batch import Birth, Telling
from ingest.clock import after
from ingest.refusal import Refused
from store.arrays import Int4s, Int8s, Texts, times

# A boot whose numbers lie scattered over many hundred ranges has its smallest gaps closed: `seen` may claim too much,
# which costs a look-up, never too little. The state is read again here: minutes may lie between a message's arrival and
# its writing, and nothing of a retired device is stored.
ADVANCE: Final = """
WITH told AS (
    SELECT device_id, boot, first, nullif("end", 0) AS "end", received_at, nullif(booted_at, '-infinity') AS booted_at,
           nullif(first_at, '-infinity') AS first_at, nullif(last_at, '-infinity') AS last_at, place
    FROM unnest(
        %(device_ids)s::int4[], %(boots)s::text[], %(firsts)s::int8[], %(ends)s::int8[],
        %(received_ats)s::timestamptz[], %(booted_ats)s::timestamptz[],
        %(first_ats)s::timestamptz[], %(last_ats)s::timestamptz[]
    ) WITH ORDINALITY AS told (device_id, boot, first, "end", received_at, booted_at, first_at, last_at, place)
), advanced AS (
    INSERT INTO boots AS b (device_id, boot, first_received_at, booted_at, first_at, last_at, seen)
    SELECT device_id, boot, min(received_at),
           min(booted_at), min(first_at), max(last_at), range_agg(int8range(first, "end"))
    FROM told GROUP BY device_id, boot ORDER BY device_id, boot
    ON CONFLICT (device_id, boot) DO UPDATE SET
        overlap_base = b.seen,
        seen = CASE WHEN pg_column_size(b.seen) > 8000
                    THEN close_small_gaps(b.seen + excluded.seen, 256) ELSE b.seen + excluded.seen END,
        booted_at = coalesce(b.booted_at, excluded.booted_at),
        first_at = least(b.first_at, excluded.first_at),
        last_at = greatest(b.last_at, excluded.last_at)
    RETURNING boot_id, device_id, boot, booted_at, overlap_base
)
SELECT a.boot_id, a.booted_at, a.overlap_base && int8range(t.first, t."end"), d.state = 'disposed'
FROM told AS t JOIN advanced AS a USING (device_id, boot) JOIN devices AS d USING (device_id)
ORDER BY t.place
"""
_SEQ_END: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Boot:
    """The boot a message belongs to, and what its writing found out.

    Whether some of the message's sequence numbers may have been here before, and whether the device is retired by now.
    """

    boot_id: int
    booted_at: datetime | None
    suspect: bool
    retired: bool


async def advance(connection: AsyncConnection[Any], told: Sequence[Telling | Birth]) -> list[Boot]:
    """The boot of each of *told*, in their order, with its numbers entered; locked until the transaction ends."""
    if not told:
        return []
    spans = [_span(item) for item in told]
    cursor = await connection.execute(
        ADVANCE,
        {
            "device_ids": Int4s(item.device_id for item in told),
            "boots": Texts(item.boot for item in told),
            "firsts": Int8s(span.first for span in spans),
            "ends": Int8s(span.end for span in spans),
            "received_ats": times(item.arrival.received_at for item in told),
            "booted_ats": times(span.booted_at for span in spans),
            "first_ats": times(span.first_at for span in spans),
            "last_ats": times(span.last_at for span in spans),
        },
    )
    return [Boot(*row) for row in await cursor.fetchall()]


class _Span(NamedTuple):
    """The sequence numbers and times of a message; ``end`` 0 stands for one beyond the type, an open range."""

    first: int
    end: int
    booted_at: datetime | None
    first_at: datetime | None
    last_at: datetime | None


# A birth has no sequence number: the empty range.
_NOTHING: Final = _Span(1, 1, None, None, None)


def _span(item: Telling | Birth) -> _Span:
    if isinstance(item, Birth):
        return _NOTHING
    message = item.message
    end = message.seq + message.records
    ats = [sample.at for sample in message.samples if sample.at is not None]
    return _Span(
        message.seq,
        end if end <= _SEQ_END else 0,
        _booted_at(item) if len(ats) < len(message.samples) else None,
        min(ats, default=None),
        max(ats, default=None),
    )


def _booted_at(item: Telling) -> datetime | None:
    """When the device must have powered up, if its message's last record was made just now.

    The last, because a backlog begins with old records; the earliest such time of a batch is kept for good.
    """
    uptime_ms = item.message.samples[-1].uptime_ms
    if uptime_ms is None:
        return None
    try:
        return after(item.arrival.received_at, -uptime_ms)
    except Refused:
        return None
