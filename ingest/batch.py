"""What is written in one transaction."""

from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from ingest.arrival import Arrival
from ingest.message import Message, Presence
from ingest.refusal import Refusal

DeviceBoot: TypeAlias = tuple[int, str]


class Telling(msgspec.Struct, frozen=True, gc=False):
    """A message of a known device on a telemetry stream."""

    device_id: int
    device_no: str
    stream: str
    message: Message
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Birth:
    """A presence message of a known device: a birth or a death."""

    device_id: int
    device_no: str
    presence: Presence
    arrival: Arrival


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

    tellings: list[Telling] = field(default_factory=list)
    births: list[Birth] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    # Every message that came, in order: what the commit acknowledges.
    arrivals: list[Arrival] = field(default_factory=list)
    records: int = 0
    size_bytes: int = 0
