"""The ledger of power-ups: which sequence numbers of a boot have arrived, and when a device without a clock was born.

The one statement takes the row locks of the batch in the order of (device, boot), so two workers never wait for each
other in a circle, and it answers for each boot which of the batch's numbers were here before.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.types.multirange import Multirange

from ingest.batch import Birth, DeviceBoot, Telling
from ingest.clock import after
from ingest.refusal import Refused
from ingest.rounds import Run
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


@dataclass(frozen=True, slots=True)
class Boot:
    """A power-up as its writing found it: its key and its birth, and whether the device is retired by now.

    Also which of the batch's sequence numbers may have been here before.
    """

    boot_id: int
    booted_at: datetime | None
    retired: bool
    # As ranges, in order: where each begins, and where it ends.
    known_firsts: Sequence[int] = ()
    known_ends: Sequence[int] = ()

    def knows(self, seq: int) -> bool:
        """Whether *seq* may have been here before."""
        place = bisect_right(self.known_ends, seq)
        return place < len(self.known_firsts) and self.known_firsts[place] <= seq


async def advance(
    connection: AsyncConnection[Any], runs: Iterable[Run], births: Iterable[Birth] = ()
) -> dict[DeviceBoot, Boot]:
    """The boots that *runs* and *births* speak of, with their numbers entered; locked until the transaction ends."""
    told = _Told()
    for run in runs:
        told.add(run)
    for birth in births:
        told.add_birth(birth)
    if not told.device_ids:
        return {}
    cursor = await connection.execute(ADVANCE, told.parameters())
    return {
        (device_id, boot): Boot(boot_id, booted_at, retired, *_bounds(known))
        for device_id, boot, boot_id, booted_at, retired, known in await cursor.fetchall()
    }


def _bounds(known: "Multirange[int] | None") -> tuple[Sequence[int], Sequence[int]]:
    if known is None:
        return (), ()
    firsts = [part.lower if part.lower is not None else 0 for part in known]
    return firsts, [part.upper if part.upper is not None else _SEQ_END + 1 for part in known]


@dataclass(slots=True)
class _Told:
    """The statement's columns: a row for each range of numbers of a boot."""

    device_ids: list[int] = field(default_factory=list)
    boots: list[str] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    received_ats: list[datetime] = field(default_factory=list)
    booted_ats: list[datetime | None] = field(default_factory=list)
    first_ats: list[datetime | None] = field(default_factory=list)
    last_ats: list[datetime | None] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """All ranges of *run*."""
        received_at = min(run.received_ats)
        first_at, last_at = run.oldest_at, max(run.newest_ats, default=None)
        booted_ats = []
        if {message.is_clockless for message in run.messages} != {False}:
            booted_ats = [_booted_at(telling) for telling in run.tellings if telling.message.is_clockless]
        booted_at = min([at for at in booted_ats if at is not None], default=None)
        for first, end in run.ranges():
            # An end beyond the type stands for an open range.
            self._row(run.device_id, run.boot, first, end if end <= _SEQ_END else 0, received_at)
            self.booted_ats.append(booted_at)
            self.first_ats.append(first_at)
            self.last_ats.append(last_at)

    def add_birth(self, birth: Birth) -> None:
        """A birth has no sequence number: the empty range."""
        self._row(birth.device_id, birth.presence.boot, 1, 1, birth.arrival.received_at)
        for times_ in (self.booted_ats, self.first_ats, self.last_ats):
            times_.append(None)

    def _row(self, device_id: int, boot: str, first: int, end: int, received_at: datetime) -> None:
        self.device_ids.append(device_id)
        self.boots.append(boot)
        self.firsts.append(first)
        self.ends.append(end)
        self.received_ats.append(received_at)

    def parameters(self) -> dict[str, object]:
        """As the statement takes them."""
        return {
            "device_ids": Int4s(self.device_ids),
            "boots": Texts(self.boots),
            "firsts": Int8s(self.firsts),
            "ends": Int8s(self.ends),
            "received_ats": times(self.received_ats),
            "booted_ats": times(self.booted_ats),
            "first_ats": times(self.first_ats),
            "last_ats": times(self.last_ats),
        }


def _booted_at(telling: Telling) -> datetime | None:
    """When the device must have powered up, if its message's last record without a time was made just now.

    The last, because a backlog begins with old records; the earliest such time of a batch is kept for good.
    """
    uptime_ms = next(moment for moment, *_ in reversed(telling.message.readings) if isinstance(moment, int))
    try:
        return after(telling.arrival.received_at, -uptime_ms)
    except Refused:
        return None
