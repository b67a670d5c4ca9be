"""What a telemetry message says once its bytes are understood."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from ingest.refusal import Refusal

# When a record was made: a time, or for a device without a clock the milliseconds since its boot.
Moment: TypeAlias = datetime | int
Fields: TypeAlias = tuple[object, ...]


class Message(msgspec.Struct, gc=False):
    """An envelope with the records that can be stored, in columns, and the refusals of those that cannot.

    Record *indexes[i]* of the message was made at *moments[i]* and holds *fields[i]*, in the order of the stream's
    columns; its sequence number is ``seq`` plus its index. Columns, because hundreds of thousands come a second.
    """

    boot: str
    seq: int
    # How many the message holds, the refused ones included.
    records: int
    indexes: Sequence[int]
    moments: list[Moment]
    fields: list[Fields]
    refusals: list[Refusal]
    # The oldest and the newest of its times; None when it has none.
    span: tuple[datetime, datetime] | None = None
    # Whether some records have a time only once their boot is known.
    is_clockless: bool = False
    unknown_fields: int = 0
    # As the device wrote it; nobody has read it yet.
    sent_at: str | int | None = None

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
            moments=[self.moments[place] for place in kept],
            fields=[self.fields[place] for place in kept],
            refusals=[],
        )
        part.measure()
        return part

    def measure(self) -> None:
        """Find out about the times, once all records are in."""
        times = [moment for moment in self.moments if not isinstance(moment, int)]
        self.span = (min(times), max(times)) if times else None
        self.is_clockless = len(times) < len(self.moments)


@dataclass(frozen=True, slots=True)
class Presence:
    """A birth, or the death that the broker tells in the device's name."""

    boot: str
    state: Literal["online", "offline"]
