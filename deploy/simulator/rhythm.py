"""How long a device waits before it next has something to say. Pure."""

import random
from typing import Final

# Mean seconds between two messages at the busiest hour.
PEAK_SECONDS: Final = {
    "counter_scale": 45.0,
    "platform_scale": 90.0,
    "scanner": 40.0,
    "handheld": 90.0,
    "card_reader": 60.0,
    "kiosk": 4 * 3600.0,
}
# A sign of life in every 5-minute slot of the assessment, with a margin.
STATUS_SECONDS: Final = 240.0
# Waits longer than this are taken in parts, so that a site that opens is noticed. Exponential waits have no memory:
# the parts add up to the same.
PATIENCE_SECONDS: Final = 300.0
# The first message of a working device comes within this after the start; large fleets take longer.
WARM_UP_SECONDS: Final = 5.0


def until_status(rng: random.Random) -> float:
    """Seconds to the next report of a device's own state."""
    return STATUS_SECONDS * rng.uniform(0.9, 1.0)


def until_customer(rng: random.Random, role: str, busyness: float) -> tuple[float, bool]:
    """Seconds to wait, and whether somebody comes then; if not, ask again."""
    if busyness <= 0:
        return PATIENCE_SECONDS, False
    seconds = rng.expovariate(busyness / PEAK_SECONDS[role])
    return (PATIENCE_SECONDS, False) if seconds > PATIENCE_SECONDS else (seconds, True)
