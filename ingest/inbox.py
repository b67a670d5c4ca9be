"""What has been read and not been looked at: the one place where messages may pile up, so it has a bound."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ingest.arrival import Arrival

# What a message costs here beside its payload.
OVERHEAD_BYTES: Final = 300


class Inbox:
    """Messages in order of receipt. Full at *limit_bytes*; a session that sees it full stops reading.

    *on_room* is called when a full one has been emptied by half.
    """

    def __init__(self, *, limit_bytes: int, on_room: Callable[[], None]) -> None:
        self._limit_bytes = limit_bytes
        self._on_room = on_room
        self._arrivals: deque[Arrival] = deque()
        self.is_full = False
        # Read by the thread that serves metrics, too.
        self.held_bytes = 0
        # Set by every message, and by whoever else has news for the one that empties it.
        self.stirred = asyncio.Event()

    def __len__(self) -> int:
        return len(self._arrivals)

    @property
    def oldest_at(self) -> datetime | None:
        """When the message came that has waited longest; None when none does."""
        try:
            return self._arrivals[0].received_at
        except IndexError:  # asked from another thread, so looking first would not help
            return None

    def put(self, arrival: Arrival) -> None:
        """Take *arrival*, full or not: it is here already."""
        self._arrivals.append(arrival)
        self.held_bytes += len(arrival.payload) + OVERHEAD_BYTES
        if self.held_bytes >= self._limit_bytes:
            self.is_full = True
        self.stirred.set()

    def take(self, about_bytes: int) -> list[Arrival]:
        """The oldest messages up to *about_bytes*, at least one when there is any."""
        taken: list[Arrival] = []
        left_bytes = about_bytes
        while self._arrivals and left_bytes > 0:
            arrival = self._arrivals.popleft()
            left_bytes -= len(arrival.payload) + OVERHEAD_BYTES
            taken.append(arrival)
        self.held_bytes -= about_bytes - left_bytes
        if self.is_full and self.held_bytes <= self._limit_bytes // 2:
            self.is_full = False
            self._on_room()
        return taken
