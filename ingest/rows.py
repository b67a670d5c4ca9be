"""Rows of the telemetry tables, and which of them a message brings. Pure.

A row is a plain tuple in the order of the table's columns: a batch makes tens of thousands, and nothing else happens to
most of them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

from ingest.batch import DeadLetter, Telling
from ingest.boots import Boot
from ingest.clock import TOLERANCE, after, check_window
from ingest.message import Message
from ingest.refusal import Refusal, Refused
from store.records import IDENTITY_COLUMNS, TELEMETRY

Row: TypeAlias = tuple[Any, ...]

# Where things stand in a row.
DEVICE_ID, AT, BOOT_ID, SEQ, RECEIVED_AT, CLOCK_AHEAD = range(len(IDENTITY_COLUMNS))
FIELDS: Final = len(IDENTITY_COLUMNS)


def body_of(stream: str, fields: Sequence[object]) -> dict[str, object]:
    """A record as it is shown: its *fields*, in the order of the stream's columns, that have a value."""
    columns = TELEMETRY[stream].columns
    return {name: value for name, value in zip(columns, fields, strict=True) if value is not None}


class Portion(msgspec.Struct, gc=False):
    """What one message brings: the boot it belongs to, and the rows of it that are to be stored.

    The rows are made when they are asked for first: nearly always that is while the server stores those before them.
    """

    telling: Telling
    boot: Boot
    # The telling's, with a time for each of the records that can be stored.
    message: Message
    _rows: list[Row] | None = None

    @property
    def rows(self) -> list[Row]:
        """Of the table."""
        if self._rows is None:
            self._rows = self._made()
        return self._rows

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.message.indexes) if self._rows is None else len(self._rows)

    def keep(self, rows: list[Row]) -> None:
        """Have only *rows*, which are some of its own, in their order."""
        self._rows = rows

    def first_key(self) -> tuple[int, object]:
        """The head of the unique index for its first record."""
        return self.telling.device_id, self.message.moments[0]

    def span(self) -> tuple[datetime, datetime]:
        """The oldest and the newest time of its rows, of which there is at least one."""
        if self.message.span is not None and self.count == len(self.message.indexes):
            return self.message.span
        ats = [row[AT] for row in self.rows]
        return min(ats), max(ats)

    def _made(self) -> list[Row]:
        message, received_at = self.message, self.telling.arrival.received_at
        device_id, boot_id, seq = self.telling.device_id, self.boot.boot_id, message.seq
        # Nearly no clock is ahead, so one look at a message spares one at each of its records.
        is_ahead = message.span is not None and message.span[1] - received_at > TOLERANCE
        return [
            (device_id, at, boot_id, seq + index, received_at, is_ahead and at - received_at > TOLERANCE, *fields)  # type: ignore[operator]  # all are times
            for index, at, fields in zip(message.indexes, message.moments, message.fields, strict=True)
        ]


def portion_of(telling: Telling, boot: Boot, letters: list[DeadLetter]) -> Portion:
    """What *telling* brings; a record that turns out impossible goes into *letters* instead."""
    message = telling.message
    if boot.retired:
        if message.indexes:
            detail = f"{telling.device_no} was retired before this was written"
            refusal = Refusal("retired_device", detail, records=len(message.indexes))
            letters.append(DeadLetter(telling.arrival, refusal, telling.device_no, telling.stream))
        return Portion(telling, boot, message, [])
    return Portion(telling, boot, _with_times(telling, boot, letters) if message.is_clockless else message)


def _with_times(telling: Telling, boot: Boot, letters: list[DeadLetter]) -> Message:
    """The message of a device without a clock, with times in place of what it counted since its boot."""
    message, received_at = telling.message, telling.arrival.received_at
    times: dict[int, datetime] = {}
    for index, moment in zip(message.indexes, message.moments, strict=True):
        try:
            times[index] = _time_after(boot, moment, received_at) if isinstance(moment, int) else moment
        except Refused as refused:
            refusal = Refusal(refused.reason, refused.detail, index)
            letters.append(DeadLetter(telling.arrival, refusal, telling.device_no, telling.stream))
    told = message.only(times.__contains__)
    told.moments = list(times.values())
    told.span = (min(times.values()), max(times.values())) if times else None
    return told


def _time_after(boot: Boot, uptime_ms: int, received_at: datetime) -> datetime:
    if boot.booted_at is None:
        raise Refused("clock_out_of_range", "uptime_ms reaches back before any calendar")
    at = after(boot.booted_at, uptime_ms)
    check_window(at, received_at)
    return at
