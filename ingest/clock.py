"""When a record was made: reading the time a device gives, and which times are believed."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ingest.refusal import Refused

OLDEST: Final = timedelta(days=365)
NEWEST: Final = timedelta(hours=24)
# No device runs for so long without a restart; a counter beyond it is broken, and must not anchor its boot.
LONGEST_UPTIME_MS: Final = 10 * 365 * 86_400_000
# More ahead than this is stored and marked; more behind than this is late and no proof of life.
TOLERANCE: Final = timedelta(minutes=5)
# More behind than this is backfill: 补报 by the rules of the daily assessment, whose day it missed.
BACKFILL: Final = timedelta(days=1)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BEYOND_CALENDARS = re.compile(r"[+-]?(infinity|\d{5,}-.*)", re.IGNORECASE | re.DOTALL)


def parse_at(value: object) -> datetime:
    """The instant of an ``at`` field: RFC 3339 with an offset, or integer milliseconds since 1970 UTC.

    Raises Refused: bad_record for what is no time, clock_out_of_range for one that no calendar holds.
    """
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return after(_EPOCH, value)
    if is_beyond_int64(value):
        raise Refused("clock_out_of_range", "at: no calendar holds so many milliseconds")
    raise Refused("bad_record", f"at: expected RFC 3339 text or integer milliseconds, not {type(value).__name__}")


def is_beyond_int64(value: object) -> bool:
    """Whether *value* is what the parser makes of an integer beyond 64 bits: a float, no longer exact."""
    return isinstance(value, float) and abs(value) >= 2**63


def after(start: datetime, milliseconds: int) -> datetime:
    """*start* and so many milliseconds; clock_out_of_range where that leaves the calendar."""
    try:
        return start + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise Refused("clock_out_of_range", f"{milliseconds} ms leave the calendar") from None


def check_window(at: datetime, received_at: datetime) -> None:
    """Return when *at* is believed at *received_at*; else raise Refused as clock_out_of_range."""
    age = received_at - at
    if age > OLDEST:
        raise Refused("clock_out_of_range", f"at is {age.days} days before its arrival; 365 are accepted")
    if -age > NEWEST:
        raise Refused("clock_out_of_range", "at is more than 24 h after its arrival")


def _from_text(value: str) -> datetime:
    try:
        # By the decoder that reads times on the short way, so that a record has one time whatever stands beside it.
        at = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        if _BEYOND_CALENDARS.fullmatch(value):
            raise Refused("clock_out_of_range", f"at: {value[:40]!r} is beyond the calendar") from None
        raise Refused("bad_record", f"at: {value[:40]!r} is no RFC 3339 time") from None
    if at.tzinfo is None:
        raise Refused("bad_record", f"at: {value[:40]!r} has no offset; write Z or +08:00")
    return at
