"""What a telemetry message says once its bytes are understood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from ingest.refusal import Refusal

# When a record was made: a time, or for a device without a clock the milliseconds since its boot.
Moment: TypeAlias = datetime | int
# The moment, and after it the fields: the end of a row already, since hundreds of thousands come a second.
Reading: TypeAlias = tuple[Any, ...]
# When the oldest and the newest of some records were made.
Times: TypeAlias = tuple[datetime, datetime]


class Message(msgspec.Struct, gc=False):
    """An envelope with the records that can be stored, and the refusals of those that cannot.

    Record *indexes[i]* of the message is *readings[i]*: when it was made, and its fields in the order of the stream's
    columns; its sequence number is ``seq`` plus its index.
    """

    boot: str
    seq: int
    # How many the message holds, the refused ones included.
    records: int
    indexes: Sequence[int]
    readings: Sequence[Reading]
    # As the device wrote it; nobody has read it yet.
    sent_at: str | int | None = None
    # Where all of them have one and nothing is refused.
    times: Times | None = None
    refusals: Sequence[Refusal] = ()
    unknown_fields: int = 0

    def stretches(self) -> Iterator[tuple[int, Sequence[Reading]]]:
        """Its records as far as none between them is refused, each time with the sequence number of the first."""
        indexes, readings = self.indexes, self.readings
        if len(indexes) == self.records:  # nearly always
            yield self.seq, readings
            return
        start = 0
        for place, index in enumerate(indexes, start=1):
            if place == len(indexes) or indexes[place] != index + 1:
                yield self.seq + indexes[start], readings[start:place]
                start = place


@dataclass(frozen=True, slots=True)
class Presence:
    """A birth, or the death that the broker tells in the device's name."""

    boot: str
    state: Literal["online", "offline"]
