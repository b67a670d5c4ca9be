"""What a telemetry message says once its bytes are understood."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from ingest.refusal import Refusal

# When a record was made: a time, or for a device without a clock the milliseconds since its boot.
Moment: TypeAlias = datetime | int
# The moment, and after it the fields: the end of a row already, since hundreds of thousands come a second.
Reading: TypeAlias = tuple[Any, ...]


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
    # The oldest and the newest of its times; None when it has none.
    oldest_at: datetime | None = None
    newest_at: datetime | None = None
    # As the device wrote it; nobody has read it yet.
    sent_at: str | int | None = None
    # Whether every record can be stored and has its own time, so that there is nothing more to ask.
    is_plain: bool = False
    # Whether some records have a time only once their boot is known.
    is_clockless: bool = False
    refusals: Sequence[Refusal] = ()
    unknown_fields: int = 0

    @property
    def end(self) -> int:
        """The sequence number after its last."""
        return self.seq + self.records

    def only(self, wanted: Callable[[int], bool]) -> "Message":
        """The same message with only those of its records whose index is *wanted*, and no refusals."""
        kept = [place for place, index in enumerate(self.indexes) if wanted(index)]
        part = msgspec.structs.replace(
            self,
            indexes=[self.indexes[place] for place in kept],
            readings=[self.readings[place] for place in kept],
            is_plain=False,
            refusals=(),
        )
        part.measure()
        return part

    def measure(self) -> None:
        """Find out about the times, once all records are in."""
        times = [moment for moment, *_ in self.readings if not isinstance(moment, int)]
        self.oldest_at, self.newest_at = min(times, default=None), max(times, default=None)
        self.is_clockless = len(times) < len(self.readings)


@dataclass(frozen=True, slots=True)
class Presence:
    """A birth, or the death that the broker tells in the device's name."""

    boot: str
    state: Literal["online", "offline"]
