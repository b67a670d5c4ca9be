"""Which messages of a batch are written together: within a round no sequence number of a boot comes twice. Pure.

Nearly always one round. A device that tells different things under one number needs three, however often it does so.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace

from ingest.account import Account
from ingest.batch import DeviceBoot, Telling
from ingest.message import Sample


def rounds_of(tellings: Iterable[Telling], entered: Account) -> list[list[Telling]]:
    """The rounds, in the order in which they are to be written: the first telling of a number is in an earlier one.

    The same bytes again are counted as duplicates in *entered* and are in no round. Only the last round may hold a
    number more than once: by then all of its numbers are stored, and nothing of it will be.
    """
    taken: dict[DeviceBoot, _Taken] = {}
    first: list[Telling] = []
    overlapping: list[Telling] = []
    for telling in tellings:
        key = (telling.device_id, telling.message.boot)
        if (known := taken.get(key)) is None:
            known = taken[key] = _Taken()
        if (twin := known.twin_of(telling)) is None:
            known.take(telling)
            first.append(telling)
        elif twin.stream == telling.stream and twin.arrival.payload == telling.arrival.payload:
            counts = entered.of(telling.stream)
            counts.received += len(telling.message.samples)
            counts.duplicate += len(telling.message.samples)
        else:
            overlapping.append(telling)
    return [round_ for round_ in (first, *_parted(overlapping)) if round_]


def _parted(tellings: Iterable[Telling]) -> tuple[list[Telling], list[Telling]]:
    """*tellings* as the first telling of each number, and all others."""
    seen: set[tuple[int, str, int]] = set()
    firsts: list[Telling] = []
    others: list[Telling] = []
    for telling in tellings:
        new: list[Sample] = []
        old: list[Sample] = []
        for sample in telling.message.samples:
            key = (telling.device_id, telling.message.boot, sample.seq)
            (old if key in seen else new).append(sample)
            seen.add(key)
        for samples, part in ((new, firsts), (old, others)):
            if samples:
                part.append(replace(telling, message=replace(telling.message, samples=samples)))
    return firsts, others


class _Taken:
    """The messages of one boot in the first round: disjoint, so each has one neighbour on either side."""

    __slots__ = ("_firsts", "_tellings")

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._tellings: list[Telling] = []

    def twin_of(self, telling: Telling) -> Telling | None:
        """A message that shares sequence numbers with *telling*."""
        own = telling.message
        place = bisect_left(self._firsts, own.seq)
        if place < len(self._firsts) and self._firsts[place] < own.seq + own.records:
            return self._tellings[place]
        if place > 0:
            before = self._tellings[place - 1]
            if own.seq < before.message.seq + before.message.records:
                return before
        return None

    def take(self, telling: Telling) -> None:
        """Count *telling* in."""
        place = bisect_left(self._firsts, telling.message.seq)
        self._firsts.insert(place, telling.message.seq)
        self._tellings.insert(place, telling)
