"""The records of one boot, by columns. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ingest import topic
from ingest.arrival import Arrival
from ingest.message import Reading, Times
from ingest.registry import Route


class Told(msgspec.Struct, frozen=True, gc=False):
    """A record by itself, with all that is known of it."""

    route: Route
    boot: str
    seq: int
    reading: Reading
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Span:
    """The sequence numbers of a message of which some records were refused: they have come all the same."""

    first: int
    end: int
    arrival: Arrival


class Run:
    """Records of one boot, in the order of their sequence numbers, none of which comes twice.

    Record *n* is ``readings[n]``, has the number ``seqs[n]`` and came with ``arrivals[n]`` at ``received_ats[n]``. By
    columns, since a batch is more than a processor's cache holds: an object for each record, looked at on the way to
    its row, would be brought from far away each time.
    """

    # Of all its records that have a time.
    oldest_at: datetime | None = None
    newest_at: datetime | None = None
    # When the boot must have been by what it brings: the earliest such time of a batch is kept for good.
    booted_at: datetime | None = None
    # The number after the highest.
    end = 0
    # Whether they came on more ways than one, and whether some have no time before their boot is known.
    is_mixed = False
    is_clockless = False

    def __init__(self, route: Route, boot: str) -> None:
        # Of the first; the device is that of all.
        self.route = route
        self.boot = boot
        self.seqs: list[int] = []
        self.readings: list[Reading] = []
        self.arrivals: list[Arrival] = []
        self.received_ats: list[datetime] = []
        # When the newest record was made of each message, or part of one told by itself, that has any with a time.
        self.newest_ats: list[datetime] = []
        self.spans: list[Span] = []

    def take(
        self, route: Route, seq: int, readings: Sequence[Reading], arrival: Arrival, times: Times | None = None
    ) -> bool:
        """Count in *readings*, numbered from *seq*. False, and nothing is taken, when it has such a number already.

        The *times* of the oldest and the newest are given where somebody has looked at them.
        """
        records, end, place = len(readings), seq + len(readings), len(self.seqs)
        if seq < self.end:
            place = bisect_left(self.seqs, seq)
            if place < len(self.seqs) and self.seqs[place] < end:
                return False
        self.seqs[place:place] = range(seq, end)
        self.readings[place:place] = readings
        self.arrivals[place:place] = [arrival] * records
        self.received_ats[place:place] = [arrival.received_at] * records
        self.end = max(self.end, end)
        if route is not self.route:
            self.is_mixed = True
        self._count(times or self._times_of(readings))
        return True

    def anchor(self, booted_at: datetime) -> None:
        """By a message the device must have powered up at *booted_at*."""
        self.booted_at = booted_at if self.booted_at is None else min(self.booted_at, booted_at)

    def repeats(self, seq: int, records: int, arrival: Arrival) -> bool:
        """Whether it has so many *records*, numbered from *seq*, of the very bytes of *arrival*."""
        own = self.arrivals[bisect_left(self.seqs, seq) : bisect_left(self.seqs, seq + records)]
        return len(own) == records and all(
            (one.topic, one.payload) == (arrival.topic, arrival.payload)
            for one in {id(one): one for one in own}.values()
        )

    def told(self, place: int) -> Told:
        """The record at *place*."""
        arrival = self.arrivals[place]
        return Told(self.route_of(arrival), self.boot, self.seqs[place], self.readings[place], arrival)

    def route_of(self, arrival: Arrival) -> Route:
        """The way that *arrival* came, one of its own."""
        if not self.is_mixed:
            return self.route
        device_no, stream = topic.parse(arrival.topic)
        return Route(self.route.device_id, device_no, stream, arrival.retained)

    def only(self, places: Sequence[int]) -> "Run":
        """Those of its records alone, none of its spans; :meth:`measure` it before its times are asked for."""
        part = Run(self.route, self.boot)
        part.seqs = [self.seqs[place] for place in places]
        part.readings = [self.readings[place] for place in places]
        part.arrivals = [self.arrivals[place] for place in places]
        part.received_ats = [self.received_ats[place] for place in places]
        part.end = part.seqs[-1] + 1 if places else 0
        part.is_mixed, part.booted_at = self.is_mixed, self.booted_at
        return part

    def measure(self) -> None:
        """Find out about the times of its records, once they are changed."""
        newest: dict[int, datetime] = {}
        ats: list[datetime] = []
        for arrival, (moment, *_) in zip(self.arrivals, self.readings, strict=True):
            if not isinstance(moment, int):
                ats.append(moment)
                newest[id(arrival)] = max(moment, newest.get(id(arrival), moment))
        self.newest_ats = list(newest.values())
        self.oldest_at, self.newest_at = min(ats, default=None), max(ats, default=None)
        self.is_clockless = len(ats) < len(self.readings)

    def arrived(self) -> set[datetime]:
        """When its messages and those of its spans came: what came in one read came at once."""
        return {*self.received_ats, *(span.arrival.received_at for span in self.spans)}

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The sequence numbers of its messages, refused records included, as ranges with a gap between each two."""
        seqs = self.seqs
        if not self.spans and len(seqs) == self.end - seqs[0]:  # nearly always: none is missing
            yield seqs[0], self.end
            return
        parts = sorted([(seq, seq + 1) for seq in seqs] + [(span.first, span.end) for span in self.spans])
        first, end = parts[0]
        for start, stop in parts:
            if start > end:
                yield first, end
                first = start
            end = max(end, stop)
        yield first, end

    def _times_of(self, readings: Sequence[Reading]) -> Times | None:
        ats = [moment for moment, *_ in readings if not isinstance(moment, int)]
        if len(ats) < len(readings):
            self.is_clockless = True
        return (min(ats), max(ats)) if ats else None

    def _count(self, times: Times | None) -> None:
        if times is not None:
            oldest_at, newest_at = times
            self.newest_ats.append(newest_at)
            self.oldest_at = oldest_at if self.oldest_at is None else min(self.oldest_at, oldest_at)
            self.newest_at = newest_at if self.newest_at is None else max(self.newest_at, newest_at)
