"""What is known of a device now: latest values, its line, the slots in which it was heard. None goes back in time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from operator import itemgetter
from typing import Any, Final

import orjson
from psycopg import AsyncConnection

from ingest.arrival import Arrival
from ingest.batch import Birth
from ingest.boots import Boot
from ingest.clock import is_late
from ingest.rows import AT, FIELDS, RECEIVED_AT, SEQ, Portion, Row, body_of
from store.arrays import Int4s, Int8s, Texts, times
from store.records import TELEMETRY

SLOT_SECONDS: Final = 300
# The business day of the assessment: UTC+8, no daylight saving since 1991.
BUSINESS_ZONE: Final = timezone(timedelta(hours=8))

ENTER_BIRTHS: Final = """
INSERT INTO presence (device_id, at, boot_id, state)
SELECT * FROM unnest(%(device_ids)s::int4[], %(ats)s::timestamptz[], %(boot_ids)s::int8[], %(states)s::text[])
    AS p (device_id, at, boot_id, state)
ORDER BY device_id, boot_id, state
ON CONFLICT (device_id, boot_id, state) DO NOTHING
RETURNING device_id, boot_id, state
"""
MOVE_LATEST: Final = """
INSERT INTO latest AS l (device_id, stream, probe, at, seq, received_at, record)
SELECT * FROM unnest(
    %(device_ids)s::int4[], %(streams)s::text[], %(probes)s::text[], %(ats)s::timestamptz[], %(seqs)s::int8[],
    %(received_ats)s::timestamptz[], %(records)s::text[]::jsonb[]
) AS n (device_id, stream, probe, at, seq, received_at, record)
ORDER BY device_id, stream, probe
ON CONFLICT (device_id, stream, probe) DO UPDATE
SET at = excluded.at, seq = excluded.seq, received_at = excluded.received_at, record = excluded.record
WHERE (excluded.at, excluded.seq) > (l.at, l.seq)
"""
# A state counts only for the newest boot: the will of an older one may arrive after the rebirth.
MOVE_LINES: Final = """
INSERT INTO device_presence AS p (device_id, boot_id, boot_at, state, state_at, last_heard_at)
SELECT device_id, boot_id, boot_at, nullif(state, ''), nullif(state_at, '-infinity'), nullif(heard_at, '-infinity')
FROM unnest(
    %(device_ids)s::int4[], %(boot_ids)s::int8[], %(boot_ats)s::timestamptz[], %(states)s::text[],
    %(state_ats)s::timestamptz[], %(heard_ats)s::timestamptz[]
) AS n (device_id, boot_id, boot_at, state, state_at, heard_at)
ORDER BY device_id
ON CONFLICT (device_id) DO UPDATE SET
    boot_id = CASE WHEN excluded.boot_at > p.boot_at THEN excluded.boot_id ELSE p.boot_id END,
    boot_at = greatest(excluded.boot_at, p.boot_at),
    state = CASE WHEN excluded.boot_at >= p.boot_at THEN coalesce(excluded.state, p.state) ELSE p.state END,
    state_at = CASE WHEN excluded.boot_at >= p.boot_at AND excluded.state IS DISTINCT FROM p.state
                    THEN coalesce(excluded.state_at, p.state_at) ELSE p.state_at END,
    last_heard_at = greatest(p.last_heard_at, excluded.last_heard_at)
"""
MARK_SLOTS: Final = """
INSERT INTO presence_slots AS p (device_id, day, heard)
SELECT device_id, day, set_bit(repeat('0', 288)::bit(288), slot, 1)
FROM unnest(%(device_ids)s::int4[], %(days)s::text[]::date[], %(slots)s::int4[]) AS s (device_id, day, slot)
ORDER BY device_id, day
ON CONFLICT (device_id, day) DO UPDATE SET heard = p.heard | excluded.heard
WHERE p.heard <> (p.heard | excluded.heard)
"""


async def enter_births(connection: AsyncConnection[Any], births: Sequence[Birth], boots: Sequence[Boot]) -> list[bool]:
    """Store births and deaths; for each whether its boot said so for the first time."""
    if not births:
        return []
    keys = [(birth.device_id, boot.boot_id, birth.presence.state) for birth, boot in zip(births, boots, strict=True)]
    first = {key: birth.arrival.received_at for key, birth in zip(reversed(keys), reversed(births), strict=True)}
    cursor = await connection.execute(
        ENTER_BIRTHS,
        {
            "device_ids": Int4s(key[0] for key in first),
            "boot_ids": Int8s(key[1] for key in first),
            "states": Texts(key[2] for key in first),
            "ats": times(first.values()),
        },
    )
    new = {tuple(key) for key in await cursor.fetchall()}
    answer = []
    for key in keys:
        answer.append(key in new)
        new.discard(key)
    return answer


async def move_latest(connection: AsyncConnection[Any], portions: Iterable[Portion]) -> None:
    """Put the newest rows of *portions* into the latest values, where they are newer than what is there."""
    newest: dict[tuple[int, str, str], Row] = {}
    for portion in portions:
        stream = portion.telling.stream
        for probe, row in _newest_of(stream, portion.rows).items():
            key = (portion.telling.device_id, stream, probe)
            known = newest.get(key)
            if known is None or _age(row) > _age(known):
                newest[key] = row
    if newest:
        await connection.execute(
            MOVE_LATEST,
            {
                "device_ids": Int4s(key[0] for key in newest),
                "streams": Texts(key[1] for key in newest),
                "probes": Texts(key[2] for key in newest),
                "ats": times(row[AT] for row in newest.values()),
                "seqs": Int8s(row[SEQ] for row in newest.values()),
                "received_ats": times(row[RECEIVED_AT] for row in newest.values()),
                "records": Texts(
                    orjson.dumps(body_of(stream, row[FIELDS:])).decode() for (_, stream, _), row in newest.items()
                ),
            },
        )


@dataclass(slots=True)
class Line:
    """What a batch says of a device's line, in order of receipt: the newest boot wins, then the last word."""

    boot: Boot
    state: str | None = None
    state_at: datetime | None = None
    heard_at: datetime | None = None


class Lines:
    """The lines of all devices of a batch."""

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}

    def told(self, birth: Birth, boot: Boot) -> None:
        """A birth or a death. A retained one is old news and says nothing."""
        if birth.arrival.retained:
            return
        line = self._of(birth.device_id, boot)
        if line.boot.boot_id == boot.boot_id:
            line.state, line.state_at = birth.presence.state, birth.arrival.received_at
        if birth.presence.state == "online":
            line.heard_at = birth.arrival.received_at

    def heard(self, device_id: int, boot: Boot, newest_at: datetime, arrival: Arrival) -> None:
        """A message that brought something new: proof of life when its newest record came in time."""
        line = self._of(device_id, boot)
        if arrival.retained or is_late(newest_at, arrival.received_at):
            return
        line.heard_at = arrival.received_at
        if line.boot.boot_id == boot.boot_id:
            line.state, line.state_at = "online", arrival.received_at

    def _of(self, device_id: int, boot: Boot) -> Line:
        line = self._lines.get(device_id)
        if line is None:
            line = self._lines[device_id] = Line(boot)
        elif boot.first_received_at > line.boot.first_received_at:
            line.boot, line.state, line.state_at = boot, None, None
        return line

    async def move(self, connection: AsyncConnection[Any]) -> None:
        """Write the lines and mark the slots in which devices were heard."""
        lines = self._lines
        if not lines:
            return
        await connection.execute(
            MOVE_LINES,
            {
                "device_ids": Int4s(lines),
                "boot_ids": Int8s(line.boot.boot_id for line in lines.values()),
                "boot_ats": times(line.boot.first_received_at for line in lines.values()),
                "states": Texts(line.state or "" for line in lines.values()),
                "state_ats": times(line.state_at for line in lines.values()),
                "heard_ats": times(line.heard_at for line in lines.values()),
            },
        )
        heard = [(device_id, *slot_of(line.heard_at)) for device_id, line in lines.items() if line.heard_at is not None]
        if heard:
            await connection.execute(
                MARK_SLOTS,
                {
                    "device_ids": Int4s(device_id for device_id, _, _ in heard),
                    "days": Texts(day.isoformat() for _, day, _ in heard),
                    "slots": Int4s(slot for _, _, slot in heard),
                },
            )


def slot_of(instant: datetime) -> tuple[date, int]:
    """The business day of *instant* and its 5-minute slot, 0 … 287."""
    local = instant.astimezone(BUSINESS_ZONE)
    return local.date(), (local.hour * 3600 + local.minute * 60 + local.second) // SLOT_SECONDS


_age = itemgetter(AT, SEQ)
_PROBE: Final = FIELDS + TELEMETRY["coldchain"].columns.index("probe")


def _newest_of(stream: str, rows: Sequence[Row]) -> dict[str, Row]:
    """The newest of a message's rows; for a logger with several probes, the newest of each."""
    if stream != "coldchain":
        return {"": max(rows, key=_age)} if rows else {}
    newest: dict[str, Row] = {}
    for row in rows:
        probe = row[_PROBE] or ""
        known = newest.get(probe)
        if known is None or _age(row) > _age(known):
            newest[probe] = row
    return newest
