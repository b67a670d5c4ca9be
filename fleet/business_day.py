"""The business day: Asia/Shanghai, where every inspector's calendar hangs; UTC+8, no daylight saving since 1991."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

SHANGHAI: Final = timezone(timedelta(hours=8))


def day_of(instant: datetime) -> date:
    """The business day that *instant* belongs to."""
    return instant.astimezone(SHANGHAI).date()


def begin_of(day: date) -> datetime:
    """When *day* begins."""
    return datetime.combine(day, time(), SHANGHAI)


def today(now: datetime | None = None) -> date:
    """The business day it is."""
    return day_of(now or datetime.now(UTC))
