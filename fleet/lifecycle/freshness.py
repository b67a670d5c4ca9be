"""How lately a device was heard, judged by what its kind is expected to do: an axis of its own. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

Freshness = Literal["fresh", "late", "silent"]

# How often a device of a kind says something, at the latest [A]: scales and terminals send a status each five minutes,
# loggers a reading each ten. A default of ours until each model has its own.
EXPECTED_SECONDS: Final[Mapping[str, int]] = {
    "trace_scale": 300,
    "kiosk": 300,
    "handheld": 900,
    "card_reader": 300,
    "scanner": 300,
    "logger": 600,
    "door_sensor": 600,
    "gateway": 300,
}
EXPECTED_SECONDS_OF_OTHERS: Final = 600
# One that was missed may have been lost on the way; a day without a word is no delay any more.
FRESH_INTERVALS: Final = 2
SILENT_SECONDS: Final = 86_400


def expected_seconds(kind: str) -> int:
    """Within how many seconds a device of *kind* is heard again."""
    return EXPECTED_SECONDS.get(kind, EXPECTED_SECONDS_OF_OTHERS)


def since_heard(last_heard_at: datetime | None, *, now: datetime) -> float | None:
    """Seconds since the last live record; None when there never was one. Never less than none, whatever the clocks."""
    return None if last_heard_at is None else max(0.0, (now - last_heard_at).total_seconds())


def judge(kind: str, seconds: float | None) -> Freshness | None:
    """Fresh within two intervals of its kind, silent after a day, late between; None when never heard."""
    if seconds is None:
        return None
    if seconds <= FRESH_INTERVALS * expected_seconds(kind):
        return "fresh"
    return "late" if seconds <= SILENT_SECONDS else "silent"
