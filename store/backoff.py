"""How long to wait before the next try: full jitter, so that a fleet of workers does not come back in one wave."""

import random


class Backoff:
    """Doubling waits from 0.1 s up to a cap, each drawn evenly from zero to its bound."""

    def __init__(self, *, cap_seconds: float) -> None:
        self._cap_seconds = cap_seconds
        self.attempts = 0

    def next_seconds(self) -> float:
        """The next wait."""
        bound = min(self._cap_seconds, 0.1 * 2 ** min(self.attempts, 32))
        self.attempts += 1
        return random.uniform(0, bound)  # noqa: S311 - spread, not secrecy

    def reset(self) -> None:
        """After a success the next wait is short again."""
        self.attempts = 0
