"""The ledger of power-ups: which sequence numbers of a boot have arrived, and when a device without a clock was born.

The one statement takes the row locks of the batch in the order of (device, boot), so two workers never wait for each
other in a circle, and it answers for each boot which of the batch's numbers were here before.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection
from psycopg.types.multirange import Multirange

from ingest.batch import Birth, DeviceBoot
from ingest.run import Run
from store.arrays import Int4s, Int8s, Texts, times

# A boot whose numbers lie scattered over many hundred ranges has its smallest gaps closed: `seen` may claim too much,
# which costs a look-up, never too little. The state is read again here: minutes may lie between a message's arrival and
# its writing, and nothing of a retired device is stored.
ADVANCE: Final = """
WITH told AS (
    SELECT device_id, boot, min(received_at) AS received_at, min(nullif(booted_at, '-infinity')) AS booted_at,
           min(nullif(first_at, '-infinity')) AS first_at, max(nullif(last_at, '-infinity')) AS last_at,
           range_agg(int8range(first, nullif("end", 0))) AS numbers
    FROM unnest(
        %(device_ids)s::int4[], %(boots)s::text[], %(firsts)s::int8[], %(ends)s::int8[],
        %(received_ats)s::timestamptz[], %(booted_ats)s::timestamptz[],
        %(first_ats)s::timestamptz[], %(last_ats)s::timestamptz[]
    ) AS t (device_id, boot, first, "end", received_at, booted_at, first_at, last_at)
    GROUP BY device_id, boot
), advanced AS (
    INSERT INTO boots AS b (device_id, boot, first_received_at, booted_at, first_at, last_at, seen)
    SELECT device_id, boot, received_at, booted_at, first_at, last_at, numbers FROM told ORDER BY device_id, boot
    ON CONFLICT (device_id, boot) DO UPDATE SET
        overlap_base = b.seen,
        seen = CASE WHEN pg_column_size(b.seen) > 8000
                    THEN close_small_gaps(b.seen + excluded.seen, 256) ELSE b.seen + excluded.seen END,
        booted_at = coalesce(b.booted_at, excluded.booted_at),
        first_at = least(b.first_at, excluded.first_at),
        last_at = greatest(b.last_at, excluded.last_at)
    RETURNING boot_id, device_id, boot, booted_at, overlap_base
)
SELECT device_id, boot, a.boot_id, a.booted_at, is_retired(d.state, d.decommissioned_at),
       nullif(a.overlap_base * t.numbers, '{}')
FROM told AS t JOIN advanced AS a USING (device_id, boot) JOIN devices AS d USING (device_id)
"""
_SEQ_END: Final = 2**63 - 1


class Boot(msgspec.Struct, frozen=True, gc=False):
    """A power-up as its writing found it: its key and its birth, and whether the device is retired by now.

    Also which of the batch's sequence numbers may have been here before.
    """

    boot_id: int
    booted_at: datetime | None
    retired: bool
    # As ranges, in order: where each begins, and where it ends.
    known_firsts: Sequence[int] = ()
    known_ends: Sequence[int] = ()


async def advance(
    connection: AsyncConnection[Any], runs: Iterable[Run], births: Iterable[Birth] = ()
) -> dict[DeviceBoot, Boot]:
    """The boots that *runs* and *births* speak of, with their numbers entered; locked until the transaction ends."""
    told = [row for run in runs for row in _told(run)] + [_told_birth(birth) for birth in births]
    if not told:
        return {}
    device_ids, boots, firsts, ends, received_ats, booted_ats, first_ats, last_ats = zip(*told, strict=True)
    cursor = await connection.execute(
        ADVANCE,
        {
            "device_ids": Int4s(device_ids),
            "boots": Texts(boots),
            "firsts": Int8s(firsts),
            "ends": Int8s(ends),
            "received_ats": times(received_ats),
            "booted_ats": times(booted_ats),
            "first_ats": times(first_ats),
            "last_ats": times(last_ats),
        },
    )
    return {
        (device_id, boot): Boot(boot_id, booted_at, retired, *_bounds(known))
        for device_id, boot, boot_id, booted_at, retired, known in await cursor.fetchall()
    }


def _bounds(known: "Multirange[int] | None") -> tuple[Sequence[int], Sequence[int]]:
    if known is None:
        return (), ()
    firsts = [part.lower if part.lower is not None else 0 for part in known]
    return firsts, [part.upper if part.upper is not None else _SEQ_END + 1 for part in known]


def _told(run: Run) -> list[tuple[Any, ...]]:
    """The statement's columns: a row for each range of numbers of *run*."""
    rest = (min(run.arrived()), run.booted_at, run.oldest_at, run.newest_at)
    # An end beyond the type stands for an open range.
    device_id = run.route.device_id
    return [(device_id, run.boot, first, end if end <= _SEQ_END else 0, *rest) for first, end in run.ranges()]


def _told_birth(birth: Birth) -> tuple[Any, ...]:
    """A birth has no sequence number: the empty range."""
    return (birth.device_id, birth.presence.boot, 1, 1, birth.arrival.received_at, None, None, None)
