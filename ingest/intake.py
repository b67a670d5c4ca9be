"""From an arrival to its place in a batch: the topic's grammar, the registry's word, the decoder's reading."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

import structlog

from ingest import topic
from ingest.arrival import Arrival
from ingest.batch import Batch, Birth, DeadLetter, Telling
from ingest.decode import decode, decode_presence
from ingest.refusal import Refusal, Refused
from ingest.registry import Registry
from store.records import PRESENCE, TELEMETRY

# What the registry says of whole messages: they are kept for a replay, each for as many records as it holds.
QUARANTINED: Final = frozenset({"unknown_device", "retired_device", "wrong_stream"})

log = structlog.get_logger()

TakeIn: TypeAlias = Callable[[Sequence[Arrival], Registry, Batch], int]


def take_in(arrivals: Sequence[Arrival], registry: Registry, batch: Batch) -> int:
    """Put *arrivals* into *batch*, as telemetry, as births or as dead letters; the number of fields nobody knows.

    Never raises: whatever comes ends in exactly one of them.
    """
    batch.arrivals += arrivals
    known, tellings = registry.routes, batch.tellings
    unknown_fields = records = size_bytes = 0
    for arrival in arrivals:
        try:
            size_bytes += len(arrival.payload)
            route = known.get(arrival.topic) or registry.route(arrival.topic)
            stream = TELEMETRY.get(route.stream)
            if stream is None:  # presence, then
                presence = decode_presence(arrival.payload)
                batch.births.append(Birth(route.device_id, route.device_no, presence, arrival))
                records += 1
                continue
            message = decode(arrival.payload, stream, arrival.received_at)
            tellings.append(Telling(route.device_id, route.device_no, route.stream, message, arrival))
            records += message.records
            if message.is_plain:
                continue
            unknown_fields += message.unknown_fields
            for refusal in message.refusals:
                batch.dead_letters.append(DeadLetter(arrival, refusal, route.device_no, route.stream))
        except Refused as refused:
            _refuse(arrival, refused, batch)
        except Exception as error:  # the rim: a fault of ours must not come back with every redelivery
            log.exception("a message crashed the decoder; kept as a dead letter", topic=arrival.topic)
            _bury(arrival, Refusal("crashed", f"{type(error).__name__}: {error}"[:300]), batch)
    batch.records += records
    batch.size_bytes += size_bytes
    return unknown_fields


def condemn(arrival: Arrival, batch: Batch) -> None:
    """Put *arrival* into *batch* as a dead letter unread: reading it has ended the process, more than once."""
    batch.arrivals.append(arrival)
    detail = "ingest died again and again while it read this message; kept unread. Replay it after an upgrade."
    _bury(arrival, Refusal("crashed", detail), batch)


def _refuse(arrival: Arrival, refused: Refused, batch: Batch) -> None:
    if topic.is_downward(arrival.topic):
        return
    if refused.reason not in QUARANTINED:
        _bury(arrival, Refusal(refused.reason, refused.detail), batch)
    # An empty one is ours, on its way to the broker: so fleet has it forget what it retained of a retired device.
    elif refused.reason != "retired_device" or arrival.payload:
        _bury(arrival, Refusal(refused.reason, refused.detail, records=_count(arrival)), batch)


def _bury(arrival: Arrival, refusal: Refusal, batch: Batch) -> None:
    device_no = stream = None
    with suppress(Refused):
        device_no, stream = topic.parse(arrival.topic)
    batch.records += refusal.records
    batch.dead_letters.append(DeadLetter(arrival, refusal, device_no, stream))


def _count(arrival: Arrival) -> int:
    """How many records a quarantined message stands for, so that the account holds to the record; 1 if unreadable."""
    _, stream = topic.parse(arrival.topic)
    if stream == PRESENCE:
        return 1
    try:
        return decode(arrival.payload, TELEMETRY[stream], arrival.received_at).records
    except Refused:
        return 1
