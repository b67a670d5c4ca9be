"""What is written in one transaction, and when it is time to write it. Pure: the caller passes the time."""

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from ingest.arrival import Arrival, Receipt
from ingest.message import Message, Presence
from ingest.refusal import Refusal

DeviceBoot: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Telling:
    """A message of a known device on a telemetry stream."""

    device_id: int
    device_no: str
    stream: str
    message: Message
    arrival: Arrival

    @property
    def boot(self) -> str:
        """Of the device, as it names it."""
        return self.message.boot


@dataclass(frozen=True, slots=True)
class Birth:
    """A presence message of a known device: a birth or a death."""

    device_id: int
    device_no: str
    presence: Presence
    arrival: Arrival

    @property
    def boot(self) -> str:
        """Of the device, as it names it."""
        return self.presence.boot


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record or a whole message that cannot be stored, with all that is known of where it came from."""

    arrival: Arrival
    refusal: Refusal
    device_no: str | None
    stream: str | None


@dataclass(slots=True)
class Batch:
    """Everything between two commits, in order of receipt."""

    opened_seconds: float
    tellings: list[Telling] = field(default_factory=list)
    births: list[Birth] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    messages: int = 0
    records: int = 0
    size_bytes: int = 0


class Batcher:
    """Batches in order of receipt: closed ones that are full, and the open one, which waits a moment for more."""

    def __init__(self, *, max_records: int, max_bytes: int, max_wait_seconds: float) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._max_wait_seconds = max_wait_seconds
        self._batches: deque[Batch] = deque()

    def open(self, now_seconds: float) -> Batch:
        """The batch that a message which comes now belongs to."""
        if not self._batches or self._is_full(self._batches[-1]):
            self._batches.append(Batch(now_seconds))
        return self._batches[-1]

    def wait_seconds(self, now_seconds: float) -> float | None:
        """How long the oldest batch may still wait; zero or less: write it now; None: there is none."""
        if not self._batches:
            return None
        oldest = self._batches[0]
        if self._is_full(oldest):
            return 0.0
        return oldest.opened_seconds + self._max_wait_seconds - now_seconds

    def age_seconds(self, now_seconds: float) -> float:
        """How long the oldest message has waited; 0 when there is none."""
        return now_seconds - self._batches[0].opened_seconds if self._batches else 0.0

    def take(self) -> Batch | None:
        """The oldest batch, which is nobody else's from now on."""
        return self._batches.popleft() if self._batches else None

    def _is_full(self, batch: Batch) -> bool:
        return batch.records >= self._max_records or batch.size_bytes >= self._max_bytes
