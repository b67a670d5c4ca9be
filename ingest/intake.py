"""From an arrival to its place in a batch: the topic's grammar, the registry's word, the decoder's reading."""

import structlog

from ingest import topic
from ingest.arrival import Arrival
from ingest.batch import Batch, Birth, DeadLetter, Telling
from ingest.decode import decode, decode_presence
from ingest.message import Message
from ingest.refusal import Refusal, Refused
from ingest.registry import Device, Registry
from ingest.topic import Topic
from store.records import PRESENCE, TELEMETRY

log = structlog.get_logger()


def take_in(arrival: Arrival, registry: Registry, batch: Batch) -> int:
    """Put *arrival* into *batch*, as telemetry, as a birth or as dead letters; the number of fields nobody knows.

    Never raises: whatever comes ends in exactly one of them, its receipt with it.
    """
    batch.messages += 1
    if arrival.receipt is not None:
        batch.receipts.append(arrival.receipt)
    if topic.is_downward(arrival.topic):
        return 0
    spoken: Topic | None = None
    try:
        spoken = topic.parse(arrival.topic)
        batch.size_bytes += len(arrival.payload)
        return _admit(arrival, spoken, registry, batch)
    except Refused as refused:
        _bury(batch, arrival, spoken, Refusal(refused.reason, refused.detail))
    except Exception as error:  # the rim: a fault of ours must not come back with every redelivery
        log.exception("a message crashed the decoder; kept as a dead letter", topic=arrival.topic)
        _bury(batch, arrival, spoken, Refusal("crashed", f"{type(error).__name__}: {error}"[:300]))
    return 0


def _admit(arrival: Arrival, spoken: Topic, registry: Registry, batch: Batch) -> int:
    try:
        device = registry.admit(spoken.device_no, spoken.stream)
    except Refused as refused:
        _bury(batch, arrival, spoken, Refusal(refused.reason, refused.detail, records=_count(arrival, spoken)))
        return 0
    return _read(arrival, spoken, device, batch)


def _read(arrival: Arrival, spoken: Topic, device: Device, batch: Batch) -> int:
    if spoken.stream == PRESENCE:
        batch.births.append(Birth(device.device_id, spoken.device_no, decode_presence(arrival.payload), arrival))
        batch.records += 1
        return 0
    message = decode(arrival.payload, TELEMETRY[spoken.stream], arrival.received_at)
    batch.tellings.append(Telling(device.device_id, spoken.device_no, spoken.stream, message, arrival))
    batch.records += message.records
    for refusal in message.refusals:
        batch.dead_letters.append(DeadLetter(arrival, refusal, spoken.device_no, spoken.stream))
    return message.unknown_fields


def _bury(batch: Batch, arrival: Arrival, spoken: Topic | None, refusal: Refusal) -> None:
    batch.records += refusal.records
    device_no, stream = (spoken.device_no, spoken.stream) if spoken is not None else (None, None)
    batch.dead_letters.append(DeadLetter(arrival, refusal, device_no, stream))


def _count(arrival: Arrival, spoken: Topic) -> int:
    """How many records a quarantined message stands for, so that the account holds to the record; 1 if unreadable."""
    if spoken.stream == PRESENCE:
        return 1
    try:
        message: Message = decode(arrival.payload, TELEMETRY[spoken.stream], arrival.received_at)
    except Refused:
        return 1
    return message.records
