"""Which messages of a batch are written together: within a round no sequence number of a boot comes twice. Pure.

Nearly always one round. A device that tells different things under one number needs three, however often it does so.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

import msgspec

from ingest.account import Account
from ingest.batch import DeviceBoot, Telling


class Run:
    """The messages of one boot in a round, in the order of their sequence numbers."""

    __slots__ = ("_end", "_firsts", "boot", "device_id", "tellings")

    def __init__(self, device_id: int, boot: str) -> None:
        self.device_id = device_id
        self.boot = boot
        self.tellings: list[Telling] = []
        self._firsts: list[int] = []
        self._end = 0

    def twin_of(self, telling: Telling) -> Telling | None:
        """A message that shares sequence numbers with *telling*, as long as none of ours share any."""
        message = telling.message
        if message.seq >= self._end:  # nearly always: devices count upwards
            return None
        place = bisect_left(self._firsts, message.seq)
        if place < len(self._firsts) and self._firsts[place] < message.end:
            return self.tellings[place]
        if place > 0 and message.seq < (before := self.tellings[place - 1]).message.end:
            return before
        return None

    def take(self, telling: Telling) -> None:
        """Count *telling* in."""
        message = telling.message
        place = len(self._firsts) if message.seq >= self._end else bisect_left(self._firsts, message.seq)
        self._firsts.insert(place, message.seq)
        self.tellings.insert(place, telling)
        self._end = max(self._end, message.end)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The sequence numbers of its messages, refused records included, as ranges with a gap between each two."""
        first, end = self.tellings[0].message.seq, self.tellings[0].message.end
        for telling in self.tellings:
            if telling.message.seq > end:
                yield first, end
                first = telling.message.seq
            end = max(end, telling.message.end)
        yield first, end


def rounds_of(tellings: Iterable[Telling], entered: Account) -> list[list[Run]]:
    """The rounds, in the order in which they are to be written: the first telling of a number is in an earlier one.

    The same bytes again are counted as duplicates in *entered* and are in no round. Only the last round may hold a
    number more than once: all of its numbers have been told by then, so each of its records is looked up.
    """
    runs: dict[DeviceBoot, Run] = {}
    overlapping: list[Telling] = []
    for telling in tellings:
        run = _run_of(runs, telling)
        if (twin := run.twin_of(telling)) is None:
            run.take(telling)
        elif _is_same(twin, telling):
            counts = entered.of(telling.stream)
            counts.received += len(telling.message.indexes)
            counts.duplicate += len(telling.message.indexes)
        else:
            overlapping.append(telling)
    return [round_ for round_ in (list(runs.values()), *map(_together, _parted(overlapping))) if round_]


def _is_same(one: Telling, other: Telling) -> bool:
    """Whether both say the same: the same bytes, of which a replay may want different records."""
    return (
        one.stream == other.stream
        and one.arrival.payload == other.arrival.payload
        and [*one.message.indexes] == [*other.message.indexes]
    )


def _run_of(runs: dict[DeviceBoot, Run], telling: Telling) -> Run:
    key = (telling.device_id, telling.message.boot)
    run = runs.get(key)
    if run is None:
        run = runs[key] = Run(*key)
    return run


def _together(tellings: Iterable[Telling]) -> list[Run]:
    runs: dict[DeviceBoot, Run] = {}
    for telling in tellings:
        _run_of(runs, telling).take(telling)
    return list(runs.values())


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
