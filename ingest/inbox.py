"""What has been read and not been looked at: the one place where messages may pile up, so it has a bound."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ingest.arrival import Arrival, Receipt

# What a message costs here beside its payload.
OVERHEAD_BYTES: Final = 300


class _Read(NamedTuple):
    """What came in one go."""

    arrivals: Sequence[Arrival]
    receipt: Receipt | None
    size_bytes: int


class Inbox:
    """Messages in order of receipt. Full at *limit_bytes*; a session that sees it full stops reading.

    *on_room* is called when a full one has been emptied by half.
    """

    def __init__(self, *, limit_bytes: int, on_room: Callable[[], None]) -> None:
        self._limit_bytes = limit_bytes
        self._on_room = on_room
        # What came in one read goes on as one.
        self._reads: deque[_Read] = deque()
        self.is_full = False
        # Read by the thread that serves metrics, too.
        self.held_bytes = 0
        # Set by every message, and by whoever else has news for the one that empties it.
        self.stirred = asyncio.Event()

    def __len__(self) -> int:
        return sum(len(read.arrivals) for read in self._reads)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._reads

    @property
    def oldest_at(self) -> datetime | None:
        """When the message came that has waited longest; None when none does."""
        try:
            return self._reads[0].arrivals[0].received_at
        except IndexError:  # asked from another thread, so looking first would not help
            return None

    def put(self, arrivals: Sequence[Arrival], receipt: Receipt | None = None) -> None:
        """Take *arrivals*, full or not: they are here already. The *receipt* is of those to be acknowledged."""
        if not arrivals:
            return
        size_bytes = sum([len(arrival.payload) for arrival in arrivals]) + len(arrivals) * OVERHEAD_BYTES
        self._reads.append(_Read(arrivals, receipt, size_bytes))
        self.held_bytes += size_bytes
        if self.held_bytes >= self._limit_bytes:
            self.is_full = True
        self.stirred.set()

    def take(self, about_bytes: int) -> tuple[Sequence[Arrival], Sequence[Receipt]]:
        """The oldest messages and their receipts, read by read, until they are *about_bytes*; or none."""
        arrivals: list[Arrival] = []
        receipts: list[Receipt] = []
        taken_bytes = 0
        while self._reads and taken_bytes < about_bytes:
            read = self._reads.popleft()
            arrivals += read.arrivals
            if read.receipt is not None:
                receipts.append(read.receipt)
            taken_bytes += read.size_bytes
        self.held_bytes -= taken_bytes
        if self.is_full and self.held_bytes <= self._limit_bytes // 2:
            self.is_full = False
            self._on_room()
        return arrivals, receipts
