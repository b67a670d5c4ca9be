"""Which messages of a batch are written together: within a round no sequence number of a boot comes twice. Pure.

Nearly always one round. A device that tells different things under one number needs three, however often it does so.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from ingest.account import Account
from ingest.batch import DeviceBoot, Telling
from ingest.message import Message


def seq_of(telling: Telling) -> int:
    """The sequence number of its first record."""
    return telling.message.seq


class Run:
    """Messages of one boot in a round, in the order of their sequence numbers, of which they share none."""

    def __init__(self, device_id: int, boot: str) -> None:
        self.device_id = device_id
        self.boot = boot
        self.tellings: list[Telling] = []
        # The number after the highest, and how many there are.
        self.end = 0
        self.records = 0
        self.messages: list[Message] = []
        self.received_ats: list[datetime] = []
        # When the newest record of each message that has any with a time was made, and the oldest of all.
        self.newest_ats: list[datetime] = []
        self.oldest_at: datetime | None = None
        self.newest_at: datetime | None = None
        self.is_clockless = False

    def measure(self) -> None:
        """Find out about the times, once all messages are in."""
        self.messages = [telling.message for telling in self.tellings]
        self.received_ats = [telling.arrival.received_at for telling in self.tellings]
        self.newest_ats = [at for message in self.messages if (at := message.newest_at) is not None]
        self.newest_at = max(self.newest_ats, default=None)
        self.is_clockless = True in {message.is_clockless for message in self.messages}
        self.oldest_at = min([at for message in self.messages if (at := message.oldest_at) is not None], default=None)

    @classmethod
    def of(cls, telling: Telling) -> "Run":
        """One message by itself."""
        run = cls(telling.device_id, telling.message.boot)
        run.take(telling)
        return run

    def twin_of(self, telling: Telling) -> Telling | None:
        """A message that shares sequence numbers with *telling*."""
        message = telling.message
        place = bisect_left(self.tellings, message.seq, key=seq_of)
        if place < len(self.tellings) and self.tellings[place].message.seq < message.end:
            return self.tellings[place]
        if place > 0 and message.seq < (before := self.tellings[place - 1]).message.end:
            return before
        return None

    def take(self, telling: Telling) -> None:
        """Count *telling* in, which has no twin."""
        message = telling.message
        self.tellings.insert(bisect_right(self.tellings, message.seq, key=seq_of), telling)
        self.end = max(self.end, message.end)
        self.records += message.records

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The sequence numbers of its messages, refused records included, as ranges with a gap between each two."""
        first = self.tellings[0].message.seq
        if self.records == self.end - first:  # nearly always: none is missing
            yield first, self.end
            return
        end = first
        for telling in self.tellings:
            message = telling.message
            if message.seq > end:
                yield first, end
                first = message.seq
            end = message.end
        yield first, end


def rounds_of(tellings: Iterable[Telling], entered: Account) -> list[list[Run]]:
    """The rounds, in the order in which they are to be written: the first telling of a number is in an earlier one.

    The same bytes again are counted as duplicates in *entered* and are in no round. Only the last round may hold a
    number more than once: all of its numbers have been told by then, so each of its records is looked up.
    """
    runs: dict[DeviceBoot, Run] = {}
    overlapping: list[Telling] = []
    for telling in tellings:
        message = telling.message
        key = (telling.device_id, message.boot)
        run = runs.get(key)
        if run is None:
            run = runs[key] = Run(*key)
        if message.seq >= run.end:  # nearly always: devices count upwards
            run.tellings.append(telling)
            run.end = message.seq + message.records
            run.records += message.records
        elif (twin := run.twin_of(telling)) is None:
            run.take(telling)
        elif _is_same(twin, telling):
            counts = entered.of(telling.stream)
            counts.received += len(message.indexes)
            counts.duplicate += len(message.indexes)
        else:
            overlapping.append(telling)
    # Those that overlap stay by themselves: whose record it is would else be in doubt.
    later = (list(map(Run.of, part)) for part in _parted(overlapping))
    rounds = [round_ for round_ in (list(runs.values()), *later) if round_]
    for round_ in rounds:
        for run in round_:
            run.measure()
    return rounds


def _is_same(one: Telling, other: Telling) -> bool:
    """Whether both say the same: the same bytes, of which a replay may want different records."""
    return (
        one.stream == other.stream
        and one.arrival.payload == other.arrival.payload
        and [*one.message.indexes] == [*other.message.indexes]
    )


def _parted(tellings: Iterable[Telling]) -> tuple[list[Telling], list[Telling]]:
    """*tellings* as the first telling of each number, and all others."""
    seen: dict[DeviceBoot, set[int]] = {}
    firsts: list[Telling] = []
    others: list[Telling] = []
    for telling in tellings:
        message = telling.message
        numbers = seen.setdefault((telling.device_id, message.boot), set())
        new = {index for index in message.indexes if message.seq + index not in numbers}
        numbers.update(message.seq + index for index in new)
        for wanted, part in ((new.__contains__, firsts), (lambda index, new=new: index not in new, others)):
            told = message.only(wanted)
            if told.indexes:
                part.append(msgspec.structs.replace(telling, message=told))
    return firsts, others
