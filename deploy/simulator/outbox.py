"""What a device has made and not yet sent: oldest first, and when it is full the oldest are overwritten."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from deploy.simulator.message import Outgoing

# What a device's own memory holds, and what all of them together may hold here.
DEVICE_RECORDS: Final = 10_000
FLEET_RECORDS: Final = 1_000_000
FEWEST_RECORDS: Final = 20


def capacity(devices: int) -> int:
    """Records that each of so many devices may hold: 10,000, or its share of a million in a large fleet."""
    return max(FEWEST_RECORDS, min(DEVICE_RECORDS, FLEET_RECORDS // devices))


class Outbox:
    """A ring of messages, bounded by the records in it. What was sent before and comes back is never overwritten."""

    __slots__ = ("_capacity", "_messages", "_returned", "records")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._messages: deque[Outgoing] = deque()
        self._returned: list[Outgoing] = []
        self.records = 0

    def __len__(self) -> int:
        return len(self._messages) + len(self._returned)

    @property
    def returned(self) -> tuple[Outgoing, ...]:
        """What was sent without an acknowledgement and will be sent again, the next last."""
        return tuple(self._returned)

    def put(self, message: Outgoing) -> int:
        """Add the newest message; return how many old records it overwrote."""
        self._messages.append(message)
        self.records += len(message.records)
        before = self.records
        while self.records > self._capacity and len(self._messages) > 1:
            self.records -= len(self._messages.popleft().records)
        return before - self.records

    def take(self) -> Outgoing:
        """Remove and return the oldest message. Raises IndexError when there is none."""
        message = self._returned.pop() if self._returned else self._messages.popleft()
        self.records -= len(message.records)
        return message

    def put_back(self, messages: Sequence[Outgoing]) -> None:
        """Return messages that were taken, oldest first; they are taken again before all others."""
        self._returned.extend(reversed(messages))
        self.records += sum(len(message.records) for message in messages)
