"""What is known of each device's line: its boot, whether it is there, when it was heard, how its clock goes."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from psycopg import AsyncConnection

from ingest.batch import Birth
from ingest.boots import Boot
from ingest.clock import TOLERANCE, parse_at
from ingest.refusal import Refused
from ingest.rows import AT, RECEIVED_AT, SEQ, Portion, message_of
from ingest.run import Told
from store.arrays import Int4s, Int8s, Texts, times

SLOT_SECONDS: Final = 300
# The business day of the assessment: UTC+8, no daylight saving since 1991.
BUSINESS_ZONE: Final = timezone(timedelta(hours=8))
# A device that goes on speaking is written down again after so long: its line is that old at most, and a fleet that
# reports every second does not cost a row a record.
AGAIN_AFTER: Final = timedelta(seconds=10)
# Some of them after up to half of it, in so many steps: those that began to speak together would come together again
# for good, and ten thousand of them hold up everything for half a second each time.
STEPS: Final = 64
# Stands for a clock that nobody knows.
NO_OFFSET: Final = -(2**63)

Slot = tuple[date, int]

# A birth and a record that came in time say which boot is the current one. The will of another boot says nothing: it
# may come after the rebirth, and with no life seen in its batch it counts for the boot that is current already. Of what
# came at the same instant life counts, in one batch or in two: with a new line the broker tells the old one's will.
# A reading of the clock is too low by the time on the way, never too high: a higher one is believed at once, a lower
# one by a sixteenth.
MOVE_LINES: Final = """
INSERT INTO device_presence AS p (
    device_id, boot_id, boot_at, state, state_at, told_at, last_heard_at, clock_offset_ms)
SELECT device_id, boot_id, told_at, state, told_at, told_at, nullif(heard_at, '-infinity'),
       nullif(offset_ms, %(no_offset)s)
FROM unnest(
    %(device_ids)s::int4[], %(boot_ids)s::int8[], %(states)s::text[], %(told_ats)s::timestamptz[],
    %(heard_ats)s::timestamptz[], %(offsets_ms)s::int8[]
) AS n (device_id, boot_id, state, told_at, heard_at, offset_ms)
ORDER BY device_id
ON CONFLICT (device_id) DO UPDATE SET
    boot_id = excluded.boot_id,
    boot_at = CASE WHEN p.boot_id = excluded.boot_id THEN p.boot_at ELSE excluded.boot_at END,
    state = excluded.state,
    state_at = CASE WHEN (p.boot_id, p.state) = (excluded.boot_id, excluded.state) THEN p.state_at
                    ELSE excluded.state_at END,
    told_at = excluded.told_at,
    last_heard_at = greatest(p.last_heard_at, excluded.last_heard_at),
    clock_offset_ms = CASE
        WHEN excluded.clock_offset_ms < p.clock_offset_ms
        THEN p.clock_offset_ms + (excluded.clock_offset_ms - p.clock_offset_ms) / 16
        ELSE coalesce(excluded.clock_offset_ms, p.clock_offset_ms) END
WHERE (excluded.told_at, excluded.state = 'online') > (p.told_at, p.state = 'online')
    AND (excluded.last_heard_at IS NOT NULL OR excluded.boot_id = p.boot_id)
"""
MARK_SLOTS: Final = """
INSERT INTO presence_slots AS p (device_id, day, heard)
SELECT device_id, day, bit_or(set_bit(repeat('0', 288)::bit(288), slot, 1))
FROM unnest(%(device_ids)s::int4[], %(days)s::text[]::date[], %(slots)s::int4[]) AS s (device_id, day, slot)
GROUP BY device_id, day ORDER BY device_id, day
ON CONFLICT (device_id, day) DO UPDATE SET heard = p.heard | excluded.heard
WHERE p.heard <> (p.heard | excluded.heard)
"""


@dataclass(slots=True)
class Line:
    """What a batch says of a device's line: the boot that is current, its state, and when the device was heard."""

    boot_id: int
    state: str
    told_at: datetime
    heard_at: datetime | None = None
    slots: set[Slot] = field(default_factory=set)


class Memory:
    """What this worker has written of the devices it hears, so that it need not say the same all the time.

    Another worker may have written a death meanwhile; then the device that speaks is online again within AGAIN_AFTER.
    """

    def __init__(self) -> None:
        # Of devices that are online: with which boot, and until when that need not be written again.
        self._fresh: dict[int, tuple[int, datetime]] = {}
        # The last slot in which a device is marked as heard.
        self._marked: dict[int, Slot] = {}

    def is_fresh(self, device_id: int, boot_id: int, told_at: datetime) -> bool:
        """Whether it need not be written that the device was online with this boot at *told_at*."""
        written_id, fresh_until = self._fresh.get(device_id, (0, told_at))
        return written_id == boot_id and told_at < fresh_until

    def unmarked(self, device_id: int, slots: AbstractSet[Slot]) -> AbstractSet[Slot]:
        """Those of *slots* in which the device is not known to be marked as heard."""
        return slots - {self._marked.get(device_id)}

    def keep(self, lines: Mapping[int, Line], marks: Mapping[int, AbstractSet[Slot]]) -> None:
        """*lines* and *marks* are committed."""
        for device_id, line in lines.items():
            if line.state == "online":
                fresh_until = line.told_at + AGAIN_AFTER * (1 - device_id % STEPS / (2 * STEPS))
                self._fresh[device_id] = line.boot_id, fresh_until
            else:
                self._fresh.pop(device_id, None)
        self._marked.update({device_id: max(slots) for device_id, slots in marks.items()})


class Lines:
    """The lines of all devices of a batch. Events may be told in any order; their times decide."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._heard: dict[int, list[Portion]] = {}
        self._events: dict[int, list[tuple[datetime, int, bool]]] = {}
        self._newest: dict[int, Told] = {}
        # Of whom a birth or a death was told. Those are few, and another worker may have written what they contradict.
        self._told: set[int] = set()
        # What :meth:`move` wrote.
        self._moved: dict[int, Line] = {}
        self._marks: dict[int, AbstractSet[Slot]] = {}

    def told(self, birth: Birth, boot: Boot) -> None:
        """A birth or a death. A retained one is old news and says nothing."""
        if not birth.arrival.retained:
            self._told.add(birth.device_id)
            self._note(birth.device_id, birth.arrival.received_at, boot, alive=birth.presence.state == "online")

    def heard(self, portion: Portion) -> None:
        """What brought something new: proof of life when some of it came in time."""
        if not portion.retained:
            self._heard.setdefault(portion.device_id, []).append(portion)

    async def move(self, connection: AsyncConnection[Any]) -> None:
        """Write the lines that say something new, and mark the slots in which devices were heard."""
        for device_id, portions in self._heard.items():
            if device_id in self._told or not all(map(self._is_known, portions)):
                for portion in portions:
                    self._note_life(portion)
        lines = {device_id: _line_of(events) for device_id, events in self._events.items()}
        marks = {device_id: self._memory.unmarked(device_id, line.slots) for device_id, line in lines.items()}
        self._marks = {device_id: slots for device_id, slots in marks.items() if slots}
        # A line never lies before the last slot that is marked: an outage begins with the slot after it.
        self._moved = {
            device_id: line
            for device_id, line in lines.items()
            if device_id in self._told
            or device_id in self._marks
            or not self._memory.is_fresh(device_id, line.boot_id, line.told_at)
        }
        await self._write(connection)
        await _mark(connection, self._marks)

    async def _write(self, connection: AsyncConnection[Any]) -> None:
        lines = self._moved
        if not lines:
            return
        await connection.execute(
            MOVE_LINES,
            {
                "device_ids": Int4s(lines),
                "boot_ids": Int8s(line.boot_id for line in lines.values()),
                "states": Texts(line.state for line in lines.values()),
                "told_ats": times(line.told_at for line in lines.values()),
                "heard_ats": times(line.heard_at for line in lines.values()),
                "offsets_ms": Int8s(_clock_offset_ms(self._newest.get(device_id)) for device_id in lines),
                "no_offset": NO_OFFSET,
            },
        )

    def add(self, other: "Lines") -> None:
        """Take over what another part of the same batch told."""
        for device_id, portions in other._heard.items():  # noqa: SLF001 - its own kind
            self._heard.setdefault(device_id, []).extend(portions)
        for device_id, events in other._events.items():  # noqa: SLF001 - its own kind
            self._events.setdefault(device_id, []).extend(events)
        self._told |= other._told  # noqa: SLF001 - its own kind

    def remember(self) -> None:
        """What was written is committed."""
        self._memory.keep(self._moved, self._marks)

    def _is_known(self, portion: Portion) -> bool:
        """Whether *portion* is of a device that goes on speaking, as nearly all are: one look for each."""
        device_id = portion.device_id
        return (
            _is_in_time(portion)
            and self._memory.is_fresh(device_id, portion.boot.boot_id, portion.last_received_at)
            and not self._memory.unmarked(
                device_id, {slot_of(portion.first_received_at), slot_of(portion.last_received_at)}
            )
        )

    def _note_life(self, portion: Portion) -> None:
        run = portion.run
        if _is_in_time(portion):
            heard_ats = run.received_ats
            newest = run.told(-1)
        else:
            in_time = [row for row in portion.rows if row[RECEIVED_AT] - row[AT] <= TOLERANCE]
            if not in_time:
                return
            heard_ats = [row[RECEIVED_AT] for row in in_time]
            newest = portion.told(max(in_time, key=_arrival))
        for heard_at in _ends(set(heard_ats)):
            self._note(portion.device_id, heard_at, portion.boot, alive=True)
        self._newest[portion.device_id] = newest

    def _note(self, device_id: int, at: datetime, boot: Boot, *, alive: bool) -> None:
        event = (at, boot.boot_id, alive)
        events = self._events.get(device_id)
        if events is None:
            self._events[device_id] = [event]
        elif events[-1] != event:
            events.append(event)


async def _mark(connection: AsyncConnection[Any], slots: Mapping[int, AbstractSet[Slot]]) -> None:
    marks = [(device_id, *slot) for device_id, own in slots.items() for slot in own]
    if marks:
        await connection.execute(
            MARK_SLOTS,
            {
                "device_ids": Int4s(device_id for device_id, _, _ in marks),
                "days": Texts(day.isoformat() for _, day, _ in marks),
                "slots": Int4s(slot for _, _, slot in marks),
            },
        )


def _is_in_time(portion: Portion) -> bool:
    """Whether all that was sent of it is new and came soon after it was made."""
    return portion.is_whole and portion.last_received_at - portion.oldest_at <= TOLERANCE


def _line_of(events: list[tuple[datetime, int, bool]]) -> Line:
    line: Line | None = None
    for at, boot_id, alive in sorted(events):
        if alive:
            if line is None or line.boot_id != boot_id:
                line = Line(boot_id, "online", at, None, line.slots if line is not None else set())
            line.state, line.told_at, line.heard_at = "online", at, at
            line.slots.add(slot_of(at))
        elif line is None:
            line = Line(boot_id, "offline", at)
        elif line.boot_id == boot_id:
            line.state, line.told_at = "offline", at
    if line is None:
        raise ValueError("no events")
    return line


# The messages of one read came at the same instant.
@lru_cache(maxsize=1024)
def slot_of(instant: datetime) -> Slot:
    """The business day of *instant* and its 5-minute slot, 0 … 287."""
    local = instant.astimezone(BUSINESS_ZONE)
    return local.date(), (local.hour * 3600 + local.minute * 60 + local.second) // SLOT_SECONDS


def _ends(instants: set[datetime]) -> set[datetime]:
    """The first and the last of *instants*, where they share a slot: what lies between them changes nothing."""
    first, last = min(instants), max(instants)
    return {first, last} if slot_of(first) == slot_of(last) else instants


# In the order in which rows came.
_arrival: Final = itemgetter(RECEIVED_AT, SEQ)


def _clock_offset_ms(told: Told | None) -> int:
    """How far the device's clock is ahead of ours, less the time on the way; NO_OFFSET where it does not say."""
    # Only what came over a line of ours just now: a gateway may have held a message back.
    if told is None or not told.arrival.connection:
        return NO_OFFSET
    try:
        sent_at = message_of(told.arrival, told.route.stream).sent_at
        if sent_at is None:
            return NO_OFFSET
        ahead = parse_at(sent_at) - told.arrival.received_at
    except Refused:
        return NO_OFFSET
    return round(ahead.total_seconds() * 1000)
