"""The year that is simulated, its days, and a day as 288 slots of five minutes, as masks of bits.

The first slot is the leftmost bit, as in presence_slots. Times of a day are those of Asia/Shanghai.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final

SHANGHAI: Final = timezone(timedelta(hours=8))
BEGINS: Final = date(2024, 9, 1)
DAYS: Final = 365
ENDS: Final = BEGINS + timedelta(days=DAYS - 1)

SLOTS: Final = 288
ALWAYS: Final = (1 << SLOTS) - 1
NEVER: Final = 0


def on_day(number: int) -> date:
    """The day of this number; the first is 0."""
    return BEGINS + timedelta(days=number)


def at(day: date, hour: int = 0, minute: int = 0) -> datetime:
    """A time of *day* in Shanghai."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=SHANGHAI)


def bit(slot: int) -> int:
    """The mask of one slot."""
    return 1 << (SLOTS - 1 - slot)


def between(first: int, end: int) -> int:
    """The mask of the slots from *first* until before *end*."""
    return ((1 << (end - first)) - 1) << (SLOTS - end) if end > first else 0


def these(slots: Iterable[int]) -> int:
    """The mask of *slots*."""
    mask = 0
    for slot in slots:
        mask |= bit(slot)
    return mask


def written(mask: int) -> str:
    """As PostgreSQL reads it: bit(288)."""
    return format(mask, f"0{SLOTS}b")


def losing(share: float, chance: random.Random, *, keep: int = 0) -> int:
    """A day that lacks a random *share* of its slots, those of *keep* excepted."""
    if share <= 0:
        return ALWAYS
    if share >= 1:
        return NEVER
    return these(slot for slot in range(SLOTS) if chance.random() >= share) | keep


@dataclass(frozen=True, slots=True)
class Opening:
    """Weekly hours: on *weekdays* (1 is Monday) from *opens* to *closes*, in minutes; they may pass midnight."""

    weekdays: frozenset[int]
    opens: int
    closes: int

    @property
    def text(self) -> str:
        """As the ledger writes them; the weekdays follow one another."""
        first, last = min(self.weekdays), max(self.weekdays)
        clock = (f"{minute // 60:02}:{minute % 60:02}" for minute in (self.opens, self.closes))
        return f"{first}-{last} " + "-".join(clock)

    def slots(self, day: date) -> int:
        """The slots of *day* in which it is open."""
        opens, closes = self.opens // 5, self.closes // 5
        today, yesterday = day.isoweekday() in self.weekdays, (day.isoweekday() + 5) % 7 + 1 in self.weekdays
        if closes > opens:
            return between(opens, closes) if today else 0
        return (between(opens, SLOTS) if today else 0) | (between(0, closes) if yesterday else 0)


@dataclass(frozen=True, slots=True)
class Span:
    """From a time until before another."""

    begins: datetime
    ends: datetime

    def slots(self, day: date) -> int:
        """The slots of *day* that lie in it."""
        midnight = at(day)
        first, end = ((moment - midnight) // timedelta(minutes=5) for moment in (self.begins, self.ends))
        return between(max(0, min(first, SLOTS)), max(0, min(end, SLOTS)))
