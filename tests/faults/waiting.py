"""Waiting for a condition, with a limit; never for a time."""

import time
from collections.abc import Callable
from typing import Final

POLL_SECONDS: Final = 0.01


def until(
    condition: Callable[[], object],
    *,
    seconds: float,
    what: str | Callable[[], str],
    poll_seconds: float = POLL_SECONDS,
) -> float:
    """Return when *condition* holds, with the seconds it took; fail after *seconds*, saying *what* did not come."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(poll_seconds)
    return time.monotonic() - began


def keeps(condition: Callable[[], object], *, seconds: float, what: str, poll_seconds: float = 0.05) -> None:
    """Return when *condition* held all the time for *seconds*; fail as soon as it does not."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        assert condition(), f"after {time.monotonic() - began:.1f} s it was no longer so: {what}"
        time.sleep(poll_seconds)
