"""From a message and its boot to the rows that are to be stored. Pure."""

from datetime import datetime

from ingest.batch import DeadLetter, Telling
from ingest.boots import Boot
from ingest.clock import TOLERANCE, after, check_window
from ingest.message import Message
from ingest.refusal import Refusal, Refused
from ingest.rows import Portion, Row


def portion_of(telling: Telling, boot: Boot, letters: list[DeadLetter]) -> Portion:
    """The rows of a message; a record that turns out impossible goes into *letters* instead."""
    message = telling.message
    if boot.retired:
        if message.indexes:
            detail = f"{telling.device_no} was disposed of before this was written"
            refusal = Refusal("retired_device", detail, records=len(message.indexes))
            letters.append(DeadLetter(telling.arrival, refusal, telling.device_no, telling.stream))
        return Portion(telling, boot, [])
    if message.is_clockless:
        message = _with_times(telling, boot, letters)
    device_id, boot_id, seq, received_at = telling.device_id, boot.boot_id, message.seq, telling.arrival.received_at
    ahead = received_at + TOLERANCE
    rows: list[Row] = [
        (device_id, at, boot_id, seq + index, received_at, at > ahead, *fields)  # type: ignore[operator]  # all are times
        for index, at, fields in zip(message.indexes, message.moments, message.fields, strict=True)
    ]
    return Portion(telling, boot, rows)


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
    return told


def _time_after(boot: Boot, uptime_ms: int, received_at: datetime) -> datetime:
    if boot.booted_at is None:
        raise Refused("clock_out_of_range", "uptime_ms reaches back before any calendar")
    at = after(boot.booted_at, uptime_ms)
    check_window(at, received_at)
    return at
