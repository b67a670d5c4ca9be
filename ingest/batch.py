"""What is written in one transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ingest.arrival import Arrival, Receipt
from ingest.decode import Singles
from ingest.message import Presence, Reading, Times
from ingest.refusal import Refusal
from ingest.registry import Route
from ingest.run import Run, Told

DeviceBoot: TypeAlias = tuple[int, str]


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
    """Everything between two commits."""

    runs: dict[DeviceBoot, Run] = field(default_factory=dict)
    # Records whose number another has in its run, and which say something else, in order of receipt.
    overlapping: list[Told] = field(default_factory=list)
    # Records of the same bytes once more, by stream.
    repeated: Counter[str] = field(default_factory=Counter)
    births: list[Birth] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    # Every message that came, in order of receipt, and what acknowledges them.
    arrivals: list[Arrival] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    # Of known devices, by their telemetry stream.
    messages: Counter[str] = field(default_factory=Counter)
    records: int = 0
    size_bytes: int = 0

    def enter(self, arrivals: Sequence[Arrival]) -> None:
        """*arrivals* belong to it, whatever becomes of them."""
        self.arrivals += arrivals
        self.size_bytes += sum([len(arrival.payload) for arrival in arrivals])

    def tell(
        self,
        route: Route,
        boot: str,
        seq: int,
        readings: Sequence[Reading],
        arrival: Arrival,
        times: Times | None = None,
    ) -> None:
        """Records of a message that follow one another, numbered from *seq*; their *times*, where they are known."""
        run = self.run_of(route, boot)
        if run.take(route, seq, readings, arrival, times):
            return
        if run.repeats(seq, len(readings), arrival):
            self.repeated[route.stream] += len(readings)
            return
        for number, reading in enumerate(readings, start=seq):
            if not run.take(route, number, (reading,), arrival):
                self.overlapping.append(Told(route, boot, number, reading, arrival))

    def tell_singles(self, routes: Sequence[Route], singles: Singles, arrivals: Sequence[Arrival]) -> None:
        """The same for messages of one record each, as most of a fleet sends: by far the shorter way."""
        streams = [route.stream for route in routes]
        if streams.count(streams[0]) == len(streams):  # nearly always: to count each costs several times as much
            self.messages[streams[0]] += len(streams)
        else:
            self.messages.update(streams)
        runs = self.runs
        for route, boot, seq, reading, at, arrival in zip(  # noqa: B905 - the check would cost as much as a column
            routes, singles.boots, singles.seqs, singles.readings, singles.ats, arrivals
        ):
            key = (route.device_id, boot)
            run = runs.get(key)
            if run is None:
                run = runs[key] = Run(route, boot)
            elif seq < run.end or route is not run.route:
                self.tell(route, boot, seq, (reading,), arrival)
                continue
            run.seqs.append(seq)
            run.readings.append(reading)
            run.arrivals.append(arrival)
            run.received_ats.append(arrival.received_at)
            run.newest_ats.append(at)
            run.end = seq + 1
            if run.newest_at is None or at > run.newest_at:
                run.newest_at = at
            if run.oldest_at is None or at < run.oldest_at:
                run.oldest_at = at

    def run_of(self, route: Route, boot: str) -> Run:
        """That of the device and its *boot*."""
        key = (route.device_id, boot)
        run = self.runs.get(key)
        if run is None:
            run = self.runs[key] = Run(route, boot)
        return run

    def add(self, other: "Batch") -> None:
        """Take over what is to be written of *other*, which came later; for a replay, which acknowledges nobody."""
        for key, run in other.runs.items():
            for place in range(len(run.seqs)):
                told = run.told(place)
                self.tell(told.route, told.boot, told.seq, (told.reading,), told.arrival)
            if run.spans:
                self.run_of(run.route, key[1]).spans += run.spans
            if run.booted_at is not None:
                self.run_of(run.route, key[1]).anchor(run.booted_at)
        self.overlapping += other.overlapping
        self.births += other.births
        self.dead_letters += other.dead_letters
        self.messages += other.messages
