"""The ledger of power-ups: which sequence numbers of a boot have arrived, and when a device without a clock was born.

The one statement takes the row locks of the batch in the order of (device, boot), so two workers never wait for each
other in a circle, and it answers for each message whether any of its numbers was here before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

from ingest.batch import Birth, Telling
from ingest.clock import after
from ingest.refusal import Refused

# A boot whose numbers lie scattered over more than about a hundred ranges is taken as one range without gaps: `seen`
# may claim too much, which costs a look-up, never too little.
ADVANCE: Final = """
WITH told AS (
    SELECT * FROM unnest(
        %(device_ids)s::int4[], %(boots)s::text[], %(firsts)s::int8[], %(ends)s::int8[],
        %(received_ats)s::timestamptz[], %(booted_ats)s::timestamptz[],
        %(first_ats)s::timestamptz[], %(last_ats)s::timestamptz[]
    ) WITH ORDINALITY AS told (device_id, boot, first, "end", received_at, booted_at, first_at, last_at, place)
), advanced AS (
    INSERT INTO boots AS b (device_id, boot, first_received_at, booted_at, first_at, last_at, seen)
    SELECT device_id, boot, min(received_at),
           (array_agg(booted_at ORDER BY place) FILTER (WHERE booted_at IS NOT NULL))[1],
           min(first_at), max(last_at), range_agg(int8range(first, "end"))
    FROM told GROUP BY device_id, boot ORDER BY device_id, boot
    ON CONFLICT (device_id, boot) DO UPDATE SET
        overlap_base = b.seen,
        seen = CASE WHEN pg_column_size(b.seen) > 1800
                    THEN int8multirange(range_merge(b.seen + excluded.seen)) ELSE b.seen + excluded.seen END,
        booted_at = coalesce(b.booted_at, excluded.booted_at),
        first_at = least(b.first_at, excluded.first_at),
        last_at = greatest(b.last_at, excluded.last_at)
    RETURNING boot_id, device_id, boot, first_received_at, booted_at, overlap_base
)
SELECT a.boot_id, a.first_received_at, a.booted_at, a.overlap_base && int8range(t.first, t."end")
FROM told AS t JOIN advanced AS a USING (device_id, boot)
ORDER BY t.place
"""
_SEQ_END: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Boot:
    """The boot a message belongs to, and whether some of the message's sequence numbers may have been here before."""

    boot_id: int
    first_received_at: datetime
    booted_at: datetime | None
    suspect: bool


async def advance(connection: AsyncConnection[Any], told: Sequence[Telling | Birth]) -> list[Boot]:
    """The boot of each of *told*, in their order, with its numbers entered; locked until the transaction ends."""
    rows = [_row(item) for item in told]
    names = ("device_ids", "boots", "firsts", "ends", "received_ats", "booted_ats", "first_ats", "last_ats")
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    cursor = await connection.execute(ADVANCE, dict(zip(names, map(list, columns), strict=True)))
    return [Boot(*row) for row in await cursor.fetchall()]


def _row(item: Telling | Birth) -> tuple[object, ...]:
    received_at = item.arrival.received_at
    if isinstance(item, Birth):
        # The empty range: a birth has no sequence number.
        return item.device_id, item.presence.boot, 0, 0, received_at, None, None, None
    message = item.message
    # A range that would end beyond the type is open.
    end = message.seq + message.records
    ats = [sample.at for sample in message.samples if sample.at is not None]
    return (
        item.device_id,
        message.boot,
        message.seq,
        end if end <= _SEQ_END else None,
        received_at,
        _booted_at(item),
        min(ats, default=None),
        max(ats, default=None),
    )


def _booted_at(item: Telling) -> datetime | None:
    """When the device must have powered up, by its first record without a time of its own."""
    for sample in item.message.samples:
        if sample.uptime_ms is not None:
            try:
                return after(item.arrival.received_at, -sample.uptime_ms)
            except Refused:
                return None
    return None
