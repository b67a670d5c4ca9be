"""Rows of the telemetry tables, and which of them a message brings. Pure.

A row is a plain tuple in the order of the table's columns: a batch makes tens of thousands, and nothing else happens to
most of them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

from ingest.batch import DeadLetter, Telling
from ingest.boots import Boot
from ingest.clock import TOLERANCE, after, check_window
from ingest.message import Message, Reading
from ingest.refusal import Refusal, Refused
from ingest.rounds import Run, seq_of
from store.records import IDENTITY_COLUMNS, TELEMETRY

Row: TypeAlias = tuple[Any, ...]

# Where things stand in a row.
DEVICE_ID, BOOT_ID, SEQ, RECEIVED_AT, CLOCK_AHEAD, AT = range(len(IDENTITY_COLUMNS))
FIELDS: Final = len(IDENTITY_COLUMNS)


def body_of(stream: str, fields: Sequence[object]) -> dict[str, object]:
    """A record as it is shown: its *fields*, in the order of the stream's columns, that have a value."""
    columns = TELEMETRY[stream].columns
    return {name: value for name, value in zip(columns, fields, strict=True) if value is not None}


class Portion(msgspec.Struct, gc=False):
    """What messages of one boot bring to one stream: the rows that are to be stored, in the order of the messages.

    Rows are made when they are asked for first: nearly always that is while the server stores those before them.
    """

    device_id: int
    boot: Boot
    stream: str
    # Whether the broker had only remembered them.
    retained: bool
    # Its messages have a time for each of the records that can be stored.
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
        """Of the table."""
        if self._rows is None:
            self._rows = self._made()
        return self._rows

    def keep(self, rows: list[Row]) -> None:
        """Have only *rows*, which are some of its own."""
        self._rows, self.count, self.is_whole = rows, len(rows), False

    def drop(self, rows: Iterable[Row]) -> None:
        """Have *rows* no more."""
        gone = set(map(id, rows))
        self.keep([row for row in self.rows if id(row) not in gone])

    def give_back(self, row: Row) -> None:
        """Have *row* again, which was taken out."""
        self.rows.append(row)
        self.count += 1

    def telling_of(self, row: Row) -> Telling:
        """The message that brought *row*."""
        return self.run.tellings[self._place_of(row)]

    def newest_ats(self) -> list[datetime]:
        """When the newest row of each message that brings any was made."""
        if self.is_whole:
            return self.run.newest_ats
        newest: dict[int, datetime] = {}
        for row in self.rows:
            place = self._place_of(row)
            newest[place] = max(row[AT], newest.get(place, row[AT]))
        return list(newest.values())

    def _place_of(self, row: Row) -> int:
        return bisect_right(self.run.tellings, row[SEQ], key=seq_of) - 1

    def _made(self) -> list[Row]:
        device_id, boot_id = self.device_id, self.boot.boot_id
        messages, received_ats = self.run.messages, self.run.received_ats
        # Nearly no clock is ahead, so one look spares one at each of the rows.
        if self.newest_at - self.first_received_at > TOLERANCE:
            return [
                (device_id, boot_id, message.seq + index, received_at, reading[0] - received_at > TOLERANCE, *reading)
                for message, received_at in zip(messages, received_ats, strict=True)
                for index, reading in zip(message.indexes, message.readings, strict=True)
            ]
        if self.count == len(messages) and {message.is_plain for message in messages} == {True}:
            # One record each, as most of a fleet sends: half the cost.
            return [
                (device_id, boot_id, message.seq, received_at, False) + message.readings[0]
                for message, received_at in zip(messages, received_ats)  # noqa: B905 - the check would eat half of it
            ]
        return [
            (device_id, boot_id, message.seq + index, received_at, False, *reading)
            for message, received_at in zip(messages, received_ats, strict=True)
            for index, reading in zip(message.indexes, message.readings, strict=True)
        ]


def portions_of(run: Run, boot: Boot, letters: list[DeadLetter]) -> list[Portion]:
    """What *run* brings, nearly always to one stream; a record that turns out impossible goes into *letters*."""
    if boot.retired:
        for telling in run.tellings:
            if records := len(telling.message.indexes):
                detail = f"{telling.device_no} was retired before this was written"
                refusal = Refusal("retired_device", detail, records=records)
                letters.append(DeadLetter(telling.arrival, refusal, telling.device_no, telling.stream))
        return []
    portions = (_portion_of(part, boot, letters) for part in _by_way(run))
    return [portion for portion in portions if portion is not None]


def _by_way(run: Run) -> list[Run]:
    """The messages of *run* by their stream, those apart that the broker remembered: nearly always all together."""
    streams = {telling.stream for telling in run.tellings}
    if len(streams) == 1 and len({telling.arrival.retained for telling in run.tellings}) == 1:
        return [run]
    ways: dict[tuple[str, bool], Run] = {}
    for telling in run.tellings:
        way = (telling.stream, telling.arrival.retained)
        ways.setdefault(way, Run(run.device_id, run.boot)).take(telling)
    for part in ways.values():
        part.measure()
    return list(ways.values())


def _portion_of(run: Run, boot: Boot, letters: list[DeadLetter]) -> Portion | None:
    if run.is_clockless:
        run = _with_all_times(run, boot, letters)
    if run.oldest_at is None or run.newest_at is None:
        return None
    return Portion(
        run.device_id,
        boot,
        run.tellings[0].stream,
        run.tellings[0].arrival.retained,
        run,
        run.oldest_at,
        run.newest_at,
        min(run.received_ats),
        max(run.received_ats),
        sum([len(message.readings) for message in run.messages]),
    )


def _with_all_times(run: Run, boot: Boot, letters: list[DeadLetter]) -> Run:
    timed = Run(run.device_id, run.boot)
    for telling in run.tellings:
        if telling.message.is_clockless:
            telling = msgspec.structs.replace(telling, message=_with_times(telling, boot, letters))  # noqa: PLW2901 - the same
        timed.take(telling)
    timed.measure()
    return timed


def _with_times(telling: Telling, boot: Boot, letters: list[DeadLetter]) -> Message:
    """The message of a device without a clock, with times in place of what it counted since its boot."""
    message, received_at = telling.message, telling.arrival.received_at
    readings: dict[int, Reading] = {}
    for index, (moment, *fields) in zip(message.indexes, message.readings, strict=True):
        try:
            at = _time_after(boot, moment, received_at) if isinstance(moment, int) else moment
        except Refused as refused:
            refusal = Refusal(refused.reason, refused.detail, index)
            letters.append(DeadLetter(telling.arrival, refusal, telling.device_no, telling.stream))
        else:
            readings[index] = (at, *fields)
    told = msgspec.structs.replace(message, indexes=list(readings), readings=list(readings.values()), refusals=())
    told.measure()
    return told


def _time_after(boot: Boot, uptime_ms: int, received_at: datetime) -> datetime:
    if boot.booted_at is None:
        raise Refused("clock_out_of_range", "uptime_ms reaches back before any calendar")
    at = after(boot.booted_at, uptime_ms)
    check_window(at, received_at)
    return at
