"""From an arrival to its place in a batch: the topic's grammar, the registry's word, the decoder's reading."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import structlog

from ingest import topic
from ingest.arrival import Arrival
from ingest.batch import Batch, Birth, DeadLetter, Telling
from ingest.decode import decode, decode_presence
from ingest.message import Message
from ingest.refusal import Refusal, Refused
from ingest.registry import Device, Registry
from store.records import PRESENCE, TELEMETRY

log = structlog.get_logger()

TakeIn: TypeAlias = Callable[[Arrival, Registry, Batch], int]


def take_in(arrival: Arrival, registry: Registry, batch: Batch) -> int:
    """Put *arrival* into *batch*, as telemetry, as a birth or as dead letters; the number of fields nobody knows.

    Never raises: whatever comes ends in exactly one of them.
    """
    batch.arrivals.append(arrival)
    device_no = stream = None
    try:
        batch.size_bytes += len(arrival.payload)
        device_no, stream = topic.parse(arrival.topic)
        return _admit(arrival, device_no, stream, registry, batch)
    except Refused as refused:
        if not topic.is_downward(arrival.topic):
            _bury(batch, arrival, device_no, stream, Refusal(refused.reason, refused.detail))
    except Exception as error:  # the rim: a fault of ours must not come back with every redelivery
        log.exception("a message crashed the decoder; kept as a dead letter", topic=arrival.topic)
        _bury(batch, arrival, device_no, stream, Refusal("crashed", f"{type(error).__name__}: {error}"[:300]))
    return 0


def condemn(arrival: Arrival, batch: Batch) -> None:
    """Put *arrival* into *batch* as a dead letter unread: reading it has ended the process, more than once."""
    batch.arrivals.append(arrival)
    device_no = stream = None
    with suppress(Refused):
        device_no, stream = topic.parse(arrival.topic)
    detail = "ingest died again and again while it read this message; kept unread. Replay it after an upgrade."
    _bury(batch, arrival, device_no, stream, Refusal("crashed", detail))


def _admit(arrival: Arrival, device_no: str, stream: str, registry: Registry, batch: Batch) -> int:
    try:
        device = registry.admit(device_no, stream)
    except Refused as refused:
        if refused.reason == "retired_device" and not arrival.payload:
            return 0  # ours, on its way to the broker: so fleet has it forget what it retained of the device
        refusal = Refusal(refused.reason, refused.detail, records=_count(arrival, stream))
        _bury(batch, arrival, device_no, stream, refusal)
        return 0
    return _read(arrival, device_no, stream, device, batch)


def _read(arrival: Arrival, device_no: str, stream: str, device: Device, batch: Batch) -> int:
    if stream == PRESENCE:
        batch.births.append(Birth(device.device_id, device_no, decode_presence(arrival.payload), arrival))
        batch.records += 1
        return 0
    message = decode(arrival.payload, TELEMETRY[stream], arrival.received_at)
    batch.tellings.append(Telling(device.device_id, device_no, stream, message, arrival))
    batch.records += message.records
    for refusal in message.refusals:
        batch.dead_letters.append(DeadLetter(arrival, refusal, device_no, stream))
    return message.unknown_fields


def _bury(batch: Batch, arrival: Arrival, device_no: str | None, stream: str | None, refusal: Refusal) -> None:
    batch.records += refusal.records
    batch.dead_letters.append(DeadLetter(arrival, refusal, device_no, stream))


def _count(arrival: Arrival, stream: str) -> int:
    """How many records a quarantined message stands for, so that the account holds to the record; 1 if unreadable."""
    if stream == PRESENCE:
        return 1
    try:
        message: Message = decode(arrival.payload, TELEMETRY[stream], arrival.received_at)
    except Refused:
        return 1
    return message.records
