"""What is measured, and how long. Pure."""

import math
from dataclasses import dataclass
from itertools import product
from typing import Final

RECORDS_PER_MESSAGE: Final = (1, 20, 100)
DEVICES: Final = (100, 10_000, 100_000)
# Of the messages: so many are sent a second time, and as many change places with the device's next message.
TROUBLED_SHARES: Final = (0.0, 0.01, 0.1)
BAD_EVERY: Final = 100


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way a fleet may speak."""

    records_per_message: int
    devices: int
    troubled_share: float = 0.0
    # One record in so many is bad, and becomes a dead letter; 0: none.
    bad_every: int = 0

    @property
    def name(self) -> str:
        """Short and unique, for ``--only`` and for reports."""
        trouble = f"-{self.troubled_share * 100:g}pct" if self.troubled_share else ""
        bad = f"-{100 / self.bad_every:g}pct-bad" if self.bad_every else ""
        return f"{self.records_per_message}rec-{self.devices}dev{trouble}{bad}"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is sent. Rates are found by a warm-up, so a slow machine sends less, not longer.

    The warm-up has *warm_up_messages* of one record, fewer of larger ones.
    """

    capacity_seconds: float
    latency_seconds: float
    warm_up_messages: int
    # The same rows again as one COPY, so many times; the best counts.
    copy_rows: int
    copy_runs: int
    decode_seconds: float

    def warm_up(self, scenario: Scenario) -> int:
        """Messages of the warm-up: enough to find the rate, about as long for small messages as for large ones."""
        return round(self.warm_up_messages / math.sqrt(scenario.records_per_message))


QUICK: Final = Effort(3.5, 3.5, 10_000, 300_000, 3, 0.3)
FULL: Final = Effort(8.0, 10.0, 20_000, 500_000, 5, 1.0)


def scenarios(*, quick: bool) -> list[Scenario]:
    """Those of a run: three for a quick one, else every combination, and bad records for each size of message."""
    if quick:
        return [Scenario(records, 100) for records in RECORDS_PER_MESSAGE]
    bad = [Scenario(records, 100, bad_every=BAD_EVERY) for records in RECORDS_PER_MESSAGE]
    return [Scenario(*values) for values in product(RECORDS_PER_MESSAGE, DEVICES, TROUBLED_SHARES)] + bad
