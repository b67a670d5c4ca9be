"""How a run is going, on standard error: one line that renews itself on a terminal, else a line every ten seconds."""

import sys
import time
from typing import Final

from deploy.simulator.tally import Tally

EVERY_SECONDS: Final = 10.0


class Progress:
    """Call it with the account as often as there is news."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._is_terminal = sys.stderr.isatty()
        self._said_at = -EVERY_SECONDS
        self._before = (self._start, 0)

    def __call__(self, tally: Tally, online: int) -> None:
        """Say how it is, when it is time to."""
        now = time.monotonic()
        if not self._is_terminal and now - self._said_at < EVERY_SECONDS:
            return
        total = tally.totals()
        then, before = self._before
        per_second = (total.messages - before) / (now - then) if now > then else 0.0
        line = (
            f"{now - self._start:5.0f} s  {online:,} of {tally.devices:,} devices online  "
            f"{total.messages:,} messages with {total.records:,} records acknowledged, {per_second:,.0f} messages/s"
        )
        sys.stderr.write(f"\r\x1b[K{line}" if self._is_terminal else f"{line}\n")
        sys.stderr.flush()
        self._said_at = now
        self._before = (now, total.messages)

    def close(self) -> None:
        """Leave the terminal at the beginning of a line."""
        if self._is_terminal:
            sys.stderr.write("\n")
