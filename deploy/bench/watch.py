"""Watches from outside when commits become visible: an independent reader that takes a snapshot every few milliseconds.

A snapshot says which transactions are visible to a new query, and every row names the transaction that stored it, so
each message gets the time of the first snapshot that shows it. The error is one poll at most, and always to our cost.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.bench.database import Connection

LOOK: Final = "SELECT pg_current_snapshot()::text, (SELECT coalesce(sum(received), 0)::int8 FROM ingest_stats)"
_XIDS: Final = 2**32


@dataclass(frozen=True, slots=True)
class Sight:
    """What was visible at a time (monotonic clock, after the answer): transactions, and records of the account."""

    at_seconds: float
    xmax: int
    running: frozenset[int]
    received: int

    def shows(self, xid: int) -> bool:
        """Whether a transaction that committed is visible in it."""
        return xid < self.xmax and xid not in self.running


def read_sight(at_seconds: float, snapshot: str, received: int) -> Sight:
    """A sight from PostgreSQL's text form ``xmin:xmax:running,running``."""
    _, xmax, running = snapshot.split(":")
    return Sight(at_seconds, int(xmax), frozenset(map(int, filter(None, running.split(",")))), received)


def watch(
    connection: Connection,
    *,
    until_received: int,
    poll_seconds: float,
    patience_seconds: float,
    on_look: Callable[[int], None],
) -> list[Sight]:
    """Every change that was seen until the account holds so many records, or did not move for *patience_seconds*."""
    sights: list[Sight] = []
    moved_seconds = time.monotonic()
    while True:
        began = time.monotonic()
        row = connection.execute(LOOK).fetchone()
        now = time.monotonic()
        if row is None:
            raise LookupError(LOOK)
        sight = read_sight(now, *row)
        on_look(sight.received)
        before = sights[-1] if sights else None
        if before is None or sight.received != before.received:
            moved_seconds = now
        if before is None or (sight.xmax, sight.running) != (before.xmax, before.running):
            sights.append(sight)
        if sight.received >= until_received or now - moved_seconds > patience_seconds:
            return sights
        time.sleep(max(0.0, began + poll_seconds - now))


def seen_at_seconds(sights: Sequence[Sight], xid32: int) -> float | None:
    """When a transaction, by its 32-bit id, was first seen committed; None when it never was."""
    if not sights:
        return None
    xid = _widened(xid32, sights[-1].xmax)
    first = bisect_right(sights, xid, key=lambda sight: sight.xmax)
    return next((sight.at_seconds for sight in sights[first:] if sight.shows(xid)), None)


def _widened(xid32: int, newest: int) -> int:
    """The 64-bit id of a row's transaction, which is not far below *newest*."""
    xid = newest - newest % _XIDS + xid32
    return xid if xid <= newest else xid - _XIDS
