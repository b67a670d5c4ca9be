"""What a telemetry message says once its bytes are understood."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from ingest.refusal import Refusal


class Sample(msgspec.Struct, gc=False):
    """One record: its sequence number, when it was made, and its fields in the order of the stream's columns.

    ``at`` is None for a device without a clock; its time is ``uptime_ms`` after its boot. A Struct, because there are
    hundreds of thousands a second.
    """

    index: int
    seq: int
    at: datetime | None
    uptime_ms: int | None
    fields: tuple[object, ...]


@dataclass(slots=True)
class Message:
    """An envelope with the records that can be stored and the refusals of those that cannot."""

    boot: str
    seq: int
    records: int
    samples: list[Sample]
    refusals: list[Refusal] = field(default_factory=list)
    unknown_fields: int = 0


@dataclass(frozen=True, slots=True)
class Presence:
    """A birth, or the death that the broker tells in the device's name."""

    boot: str
    state: Literal["online", "offline"]
