"""The city's day: when each kind of site is open and how busy it is. Pure; behaviour only, never a record's time."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

# Asia/Shanghai: UTC+8 all year since 1991.
LOCAL: Final = timedelta(hours=8)
DAY_SECONDS: Final = 86_400

# Hour and how busy: 1 is the peak, 0 is closed. Between two points it goes straight.
_CURVES: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "wet_market": ((5, 0), (6, 0.5), (7, 1), (9, 1), (11, 0.45), (14, 0.2), (16.5, 0.7), (18, 0.7), (19.5, 0)),
    "wholesale_market": ((1, 0), (2, 0.5), (4, 1), (6, 1), (8, 0.5), (12, 0.15), (14, 0)),
    "supermarket": ((7, 0), (7.5, 0.5), (9, 0.9), (12, 0.6), (15, 0.5), (17, 1), (20, 0.8), (21.5, 0)),
    "cold_store": ((0, 0.2), (4, 0.8), (7, 1), (10, 0.6), (16, 0.4), (20, 0.2), (24, 0.2)),
}


def busyness(site_kind: str, hour: float) -> float:
    """How busy a site of that kind is at that hour of the day: 0 (closed) to 1 (peak)."""
    curve = _CURVES[site_kind]
    after = bisect_right(curve, (hour, 2.0))
    if after in (0, len(curve)):
        return 0.0
    (left, low), (right, high) = curve[after - 1], curve[after]
    return low + (high - low) * (hour - left) / (right - left)


@dataclass(frozen=True, slots=True)
class CityClock:
    """The time that the city believes it is: the real one, moved."""

    ahead_seconds: float = 0.0

    @classmethod
    def starting_at(cls, city_time: time, now_seconds: float) -> "CityClock":
        """A clock that shows *city_time* (local) at *now_seconds* (Unix time)."""
        local = datetime.fromtimestamp(now_seconds, UTC) + LOCAL
        shown = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        wanted = timedelta(hours=city_time.hour, minutes=city_time.minute, seconds=city_time.second)
        return cls((wanted - shown).total_seconds())

    def hour(self, now_seconds: float) -> float:
        """The local hour of the city's day, 0 ≤ hour < 24, at *now_seconds* (Unix time)."""
        return (now_seconds + LOCAL.total_seconds() + self.ahead_seconds) % DAY_SECONDS / 3600
