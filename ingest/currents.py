"""What is known of a device now: latest values, its line, the slots in which it was heard. None goes back in time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from operator import itemgetter
from typing import Any, Final

import orjson
from psycopg import AsyncConnection

from ingest.batch import Birth, Telling
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
# A birth and a record that came in time say which boot is the current one. The will of another boot says nothing: it
# may come after the rebirth, and with no life seen in its batch it counts for the boot that is current already.
MOVE_LINES: Final = """
INSERT INTO device_presence AS p (device_id, boot_id, boot_at, state, state_at, told_at, last_heard_at)
SELECT device_id, boot_id, told_at, state, told_at, told_at, nullif(heard_at, '-infinity')
FROM unnest(
    %(device_ids)s::int4[], %(boot_ids)s::int8[], %(states)s::text[], %(told_ats)s::timestamptz[],
    %(heard_ats)s::timestamptz[]
) AS n (device_id, boot_id, state, told_at, heard_at)
ORDER BY device_id
ON CONFLICT (device_id) DO UPDATE SET
    boot_id = excluded.boot_id,
    boot_at = CASE WHEN p.boot_id = excluded.boot_id THEN p.boot_at ELSE excluded.boot_at END,
    state = excluded.state,
    state_at = CASE WHEN (p.boot_id, p.state) = (excluded.boot_id, excluded.state) THEN p.state_at
                    ELSE excluded.state_at END,
    told_at = excluded.told_at,
    last_heard_at = greatest(p.last_heard_at, excluded.last_heard_at)
WHERE excluded.told_at > p.told_at AND (excluded.last_heard_at IS NOT NULL OR excluded.boot_id = p.boot_id)
"""
MARK_SLOTS: Final = """
INSERT INTO presence_slots AS p (device_id, day, heard)
SELECT device_id, day, bit_or(set_bit(repeat('0', 288)::bit(288), slot, 1))
FROM unnest(%(device_ids)s::int4[], %(days)s::text[]::date[], %(slots)s::int4[]) AS s (device_id, day, slot)
GROUP BY device_id, day ORDER BY device_id, day
ON CONFLICT (device_id, day) DO UPDATE SET heard = p.heard | excluded.heard
WHERE p.heard <> (p.heard | excluded.heard)
"""


async def enter_births(connection: AsyncConnection[Any], births: Sequence[tuple[Birth, Boot]]) -> list[bool]:
    """Store births and deaths; for each whether its boot said so for the first time."""
    if not births:
        return []
    keys = [(birth.device_id, boot.boot_id, birth.presence.state) for birth, boot in births]
    first = {key: birth.arrival.received_at for key, (birth, _) in zip(reversed(keys), reversed(births), strict=True)}
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
    """What a batch says of a device's line: the boot that is current, its state, and when the device was heard."""

    boot_id: int
    state: str
    told_at: datetime
    heard_ats: list[datetime] = field(default_factory=list)


class Lines:
    """The lines of all devices of a batch. Events may be told in any order; their times decide."""

    def __init__(self) -> None:
        self._events: list[tuple[datetime, int, int, bool]] = []

    def told(self, birth: Birth, boot: Boot) -> None:
        """A birth or a death. A retained one is old news and says nothing."""
        if not birth.arrival.retained:
            online = birth.presence.state == "online"
            self._events.append((birth.arrival.received_at, birth.device_id, boot.boot_id, online))

    def heard(self, telling: Telling, boot: Boot, newest_at: datetime) -> None:
        """A message that brought something new: proof of life when its newest record came in time."""
        arrival = telling.arrival
        if not arrival.retained and not is_late(newest_at, arrival.received_at):
            self._events.append((arrival.received_at, telling.device_id, boot.boot_id, True))

    def _lines(self) -> dict[int, Line]:
        lines: dict[int, Line] = {}
        for at, device_id, boot_id, alive in sorted(self._events):
            line = lines.get(device_id)
            if alive:
                if line is None or line.boot_id != boot_id:
                    line = lines[device_id] = Line(boot_id, "online", at, line.heard_ats if line is not None else [])
                line.state, line.told_at = "online", at
                line.heard_ats.append(at)
            elif line is None:
                lines[device_id] = Line(boot_id, "offline", at)
            elif line.boot_id == boot_id:
                line.state, line.told_at = "offline", at
        return lines

    async def move(self, connection: AsyncConnection[Any]) -> None:
        """Write the lines and mark the slots in which devices were heard."""
        lines = self._lines()
        if not lines:
            return
        await connection.execute(
            MOVE_LINES,
            {
                "device_ids": Int4s(lines),
                "boot_ids": Int8s(line.boot_id for line in lines.values()),
                "states": Texts(line.state for line in lines.values()),
                "told_ats": times(line.told_at for line in lines.values()),
                "heard_ats": times(max(line.heard_ats, default=None) for line in lines.values()),
            },
        )
        slots = {(device_id, *slot_of(at)) for device_id, line in lines.items() for at in line.heard_ats}
        if slots:
            await connection.execute(
                MARK_SLOTS,
                {
                    "device_ids": Int4s(device_id for device_id, _, _ in slots),
                    "days": Texts(day.isoformat() for _, day, _ in slots),
                    "slots": Int4s(slot for _, _, slot in slots),
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
