"""How lately a device was heard, judged by what is expected of it: an axis of its own, by the clock on the wall. Pure.

What is expected stands in ``presence_thresholds``; :mod:`fleet.presence` says whether a silence is anybody's fault.
"""

from datetime import datetime
from typing import Final, Literal

Freshness = Literal["fresh", "late", "silent"]

# Late is who missed one message more than may be lost on the way.
FRESH_INTERVALS: Final = 2


def expected_seconds(late_seconds: int) -> int:
    """Within how many seconds a device that is late after so many is heard again."""
    return late_seconds // FRESH_INTERVALS


def since_heard(last_heard_at: datetime | None, *, now: datetime) -> float | None:
    """Seconds since the last live record; None when there never was one. Never less than none, whatever the clocks."""
    return None if last_heard_at is None else max(0.0, (now - last_heard_at).total_seconds())


def judge(seconds: float | None, *, late_seconds: int, silent_seconds: int) -> Freshness | None:
    """Fresh until it is late, then late until it is silent; None when never heard."""
    if seconds is None:
        return None
    if seconds <= late_seconds:
        return "fresh"
    return "late" if seconds <= silent_seconds else "silent"
