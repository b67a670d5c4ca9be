"""Rows of the telemetry tables, and which of them a message brings. Pure.

A row is a plain tuple in the order of the table's columns: a batch makes tens of thousands, and nothing else happens to
most of them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, TypeAlias

import msgspec

from ingest.arrival import Arrival
from ingest.batch import DeadLetter
from ingest.boots import Boot
from ingest.clock import TOLERANCE, after, check_window
from ingest.decode import decode
from ingest.message import Message, Reading
from ingest.refusal import Reason, Refusal, Refused
from ingest.run import Run, Told
from store.records import IDENTITY_COLUMNS, TELEMETRY

Row: TypeAlias = tuple[Any, ...]

# Where things stand in a row.
DEVICE_ID, BOOT_ID, SEQ, RECEIVED_AT, CLOCK_AHEAD, AT = range(len(IDENTITY_COLUMNS))
FIELDS: Final = len(IDENTITY_COLUMNS)
# Before any time that is believed.
OLDEST_AT: Final = datetime.min.replace(tzinfo=UTC)


def body_of(stream: str, fields: Sequence[object]) -> dict[str, object]:
    """A record as it is shown: its *fields*, in the order of the stream's columns, that have a value."""
    columns = TELEMETRY[stream].columns
    return {name: value for name, value in zip(columns, fields, strict=True) if value is not None}


class Portion(msgspec.Struct, gc=False):
    """What one boot brings to one stream: the rows that are to be stored, in the order of their sequence numbers.

    Rows are made while the server stores those before them.
    """

    device_id: int
    boot: Boot
    stream: str
    # Whether the broker had only remembered them.
    retained: bool
    # All of its records have a time.
    run: Run
    # Between these all were made, and all arrived.
    oldest_at: datetime
    newest_at: datetime
    first_received_at: datetime
    last_received_at: datetime
    # How many rows there are, and whether none was taken out.
    count: int
    is_whole: bool = True
    _rows: list[Row] | None = None

    @property
    def rows(self) -> list[Row]:
        """Of the table; kept from the first look on, which few portions get."""
        if self._rows is None:
            self._rows = self._made()
        return self._rows

    def stream_rows(self) -> Iterable[Row]:
        """The same, made when it is the portion's turn, and gone after it."""
        return self._made() if self._rows is None else self._rows

    def keep(self, rows: list[Row]) -> None:
        """Have only *rows*, which are some of its own."""
        self._rows, self.count, self.is_whole = rows, len(rows), False

    def take_known(self) -> list[Row]:
        """Those of its rows that may have been here before, which it then has no more; asked while it is whole."""
        seqs, rows = self.run.seqs, self.rows
        known: list[Row] = []
        others: list[Row] = []
        place = 0
        for first, end in zip(self.boot.known_firsts, self.boot.known_ends, strict=True):
            start = bisect_left(seqs, first, lo=place)
            stop = bisect_left(seqs, end, lo=start)
            others += rows[place:start]
            known += rows[start:stop]
            place = stop
        if known:
            self.keep(others + rows[place:])
        return known

    def drop(self, rows: Iterable[Row]) -> None:
        """Have *rows* no more."""
        gone = set(map(id, rows))
        self.keep([row for row in self.rows if id(row) not in gone])

    def give_back(self, row: Row) -> None:
        """Have *row* again, which was taken out."""
        self.rows.append(row)
        self.count += 1

    def told(self, row: Row) -> Told:
        """What brought *row*."""
        return self.run.told(bisect_left(self.run.seqs, row[SEQ]))

    def newest_row(self) -> Row:
        """The last made; the last sent of those made at once."""
        if self.is_whole and self.run.readings[-1][0] == self.newest_at:  # nearly always
            return self._row(len(self.run.seqs) - 1)
        return max(self.rows, key=age)

    def newest_ats(self) -> list[datetime]:
        """When the newest row of each message that brings any was made."""
        if self.is_whole:
            return self.run.newest_ats
        newest: dict[int, datetime] = {}
        arrivals = dict(zip(self.run.seqs, self.run.arrivals, strict=True))
        for row in self.rows:
            message, at = id(arrivals[row[SEQ]]), row[AT]
            if at > newest.get(message, OLDEST_AT):
                newest[message] = at
        return list(newest.values())

    def _row(self, place: int) -> Row:
        run = self.run
        seq, received_at, reading = run.seqs[place], run.received_ats[place], run.readings[place]
        return (self.device_id, self.boot.boot_id, seq, received_at, reading[0] - received_at > TOLERANCE, *reading)

    def _made(self) -> list[Row]:
        device_id, boot_id, run = self.device_id, self.boot.boot_id, self.run
        columns = zip(run.seqs, run.received_ats, run.readings)  # noqa: B905 - the check would cost each row something
        # Nearly no clock is ahead, so one look spares one at each of the rows.
        if self.newest_at - self.first_received_at > TOLERANCE:
            return [
                (device_id, boot_id, seq, received_at, reading[0] - received_at > TOLERANCE, *reading)
                for seq, received_at, reading in columns
            ]
        return [(device_id, boot_id, seq, received_at, False) + reading for seq, received_at, reading in columns]  # noqa: RUF005 - a fifth faster


# How rows are told apart by their age.
age: Final = itemgetter(AT, SEQ)


def portions_of(run: Run, boot: Boot, letters: list[DeadLetter]) -> list[Portion]:
    """What *run* brings, nearly always to one stream; a record that turns out impossible goes into *letters*."""
    portions = (_portion_of(part, boot, letters) for part in _by_way(run))
    return [portion for portion in portions if portion is not None]


def _by_way(run: Run) -> list[Run]:
    """*run* by stream, what the broker remembered apart: nearly always all together."""
    if not run.is_mixed:
        return [run]
    ways: dict[tuple[str, bool], list[int]] = {}
    for place, arrival in enumerate(run.arrivals):
        ways.setdefault((arrival.topic, arrival.retained), []).append(place)
    parts = [run.only(places) for places in ways.values()]
    for part in parts:
        part.route, part.is_mixed = run.route_of(part.arrivals[0]), False
        part.measure()
    return parts


def _portion_of(run: Run, boot: Boot, letters: list[DeadLetter]) -> Portion | None:
    if run.is_clockless:
        run = _with_all_times(run, boot, letters)
    if run.oldest_at is None or run.newest_at is None:
        return None
    received_ats = set(run.received_ats)
    return Portion(
        run.route.device_id,
        boot,
        run.route.stream,
        run.route.is_retained,
        run,
        run.oldest_at,
        run.newest_at,
        min(received_ats),
        max(received_ats),
        len(run.seqs),
    )


def _with_all_times(run: Run, boot: Boot, letters: list[DeadLetter]) -> Run:
    """The records of a device without a clock, with times in place of what it counted since its boot."""
    places: list[int] = []
    readings: list[Reading] = []
    for place, (moment, *fields) in enumerate(run.readings):
        try:
            at = _time_after(boot, moment, run.received_ats[place]) if isinstance(moment, int) else moment
        except Refused as refused:
            letters.append(letter_of(run.told(place), refused.reason, refused.detail))
        else:
            places.append(place)
            readings.append((at, *fields))
    timed = run.only(places)
    timed.readings = readings
    timed.measure()
    return timed


def letter_of(told: Told, reason: Reason, detail: str) -> DeadLetter:
    """The dead letter of a record that is rejected after all."""
    route, arrival = told.route, told.arrival
    index = told.seq - message_of(arrival, route.stream).seq
    return DeadLetter(arrival, Refusal(reason, detail, index), route.device_no, route.stream)


# Those who ask, ask of several records of one message, one after the other.
@lru_cache(maxsize=4)
def message_of(arrival: Arrival, stream: str) -> Message:
    """The message that was decoded of *arrival*, once more: what few ask of it is kept of none."""
    return decode(arrival.payload, TELEMETRY[stream], arrival.received_at)


def _time_after(boot: Boot, uptime_ms: int, received_at: datetime) -> datetime:
    if boot.booted_at is None:
        raise Refused("clock_out_of_range", "uptime_ms reaches back before any calendar")
    at = after(boot.booted_at, uptime_ms)
    check_window(at, received_at)
    return at
