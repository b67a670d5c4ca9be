"""How a device tells the time: most do it well, some drift, some have no clock at all. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """Without *has_clock* a device counts milliseconds since its boot; *as_text* says how it writes what it knows."""

    has_clock: bool = True
    as_text: bool = True
    ahead_seconds: float = 0.0
    drift_ppm: float = 0.0

    def shown(self, now: float, since: float) -> float:
        """What the clock shows at Unix time *now*, having drifted since *since*."""
        return now + self.ahead_seconds + (now - since) * self.drift_ppm / 1e6

    def stamp(self, moment: float, booted_at: float) -> dict[str, object]:
        """The time fields of a record made at Unix time *moment*."""
        if not self.has_clock:
            return {"uptime_ms": max(0, round((moment - booted_at) * 1000))}
        shown = self.shown(moment, booted_at)
        return {"at": rfc3339(shown) if self.as_text else round(shown * 1000)}


def rfc3339(seconds: float) -> str:
    """Unix time as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:23] + "Z"
