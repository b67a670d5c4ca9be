"""The slots of a business day: 288 of 5 minutes. Pure.

A slot is a bit, the first of the day the leftmost, as ingest marks them in ``presence_slots``.
"""

from datetime import date, datetime, timedelta
from typing import Final, LiteralString

from fleet.business_day import begin_of

SLOT_SECONDS: Final = 300
SLOTS: Final = 288
DAY: Final = timedelta(days=1)

NO_SLOT: Final[LiteralString] = "repeat('0', 288)::bit(288)"
ALL_SLOTS: Final[LiteralString] = "repeat('1', 288)::bit(288)"


def slots_over(day: date, now: datetime) -> int:
    """How many slots of *day* are over at *now*: none of a day to come, all of one that is past."""
    return max(0, min(SLOTS, int((now - begin_of(day)) / timedelta(seconds=SLOT_SECONDS))))


def slots_between(begins: LiteralString, ends: LiteralString) -> LiteralString:
    """The slots from number *begins* until before number *ends*, both whole numbers in SQL; none where they cross."""
    return f"(({ALL_SLOTS} >> least(288, greatest(0, {begins}))) & ~({ALL_SLOTS} >> least(288, greatest(0, {ends}))))"
