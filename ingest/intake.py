"""From an arrival to its place in a batch: the topic's grammar, the registry's word, the decoder's reading."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from ingest import topic
from ingest.arrival import Arrival
from ingest.batch import Batch, Birth, DeadLetter
from ingest.clock import after
from ingest.decode import NO_SINGLES, Singles, decode, decode_presence, decode_singles
from ingest.message import Message
from ingest.refusal import Refusal, Refused
from ingest.registry import Registry, Route
from ingest.run import Run, Span
from store.records import PRESENCE, TELEMETRY

# What the registry says of whole messages: they are kept for a replay, each for as many records as it holds.
QUARANTINED: Final = frozenset({"unknown_device", "retired_device", "wrong_stream"})

# Leads to no decoder: who speaks there is asked by itself.
NO_ROUTE: Final = Route(0, "", "")

log = structlog.get_logger()

TakeIn: TypeAlias = Callable[[Sequence[Arrival], Registry, Batch], int]


def take_in(arrivals: Sequence[Arrival], registry: Registry, batch: Batch) -> int:
    """Put *arrivals* into *batch*, as telemetry, as births or as dead letters; the number of fields nobody knows.

    Never raises: whatever comes ends in exactly one of them.
    """
    batch.enter(arrivals)
    return take(arrivals, registry, batch)


def take(arrivals: Sequence[Arrival], registry: Registry, batch: Batch) -> int:
    """The same for *arrivals* that the batch has in its account already."""
    known = registry.routes
    routes = [known.get(arrival.topic, NO_ROUTE) for arrival in arrivals]
    singles, others = _parted(arrivals, routes)
    taken = unknown_fields = 0
    for passed, place in enumerate(others):
        _tell_singles(singles, taken, place - passed, arrivals, routes, batch)
        taken = place - passed
        unknown_fields += _take_one(arrivals[place], registry, batch, singles.left_out.get(place))
    _tell_singles(singles, taken, len(singles.places), arrivals, routes, batch)
    return unknown_fields


def _parted(arrivals: Sequence[Arrival], routes: Sequence[Route]) -> tuple[Singles, Sequence[int]]:
    """The messages of one record with nothing unusual about them, read together; and the places of all others."""
    every = range(len(arrivals))
    if len(arrivals) <= 1 or True in [arrival.retained for arrival in arrivals]:
        return NO_SINGLES, every
    payloads = [arrival.payload for arrival in arrivals]
    received_ats = {arrival.received_at for arrival in arrivals}
    try:
        singles = decode_singles(payloads, [route.stream for route in routes], received_ats)
    except Exception:
        log.exception("messages crashed the decoder together; each is read by itself")
        return NO_SINGLES, every
    if len(singles.places) == len(arrivals):
        return singles, ()
    return singles, sorted({*every}.difference(singles.places))


def _tell_singles(
    singles: Singles, start: int, end: int, arrivals: Sequence[Arrival], routes: Sequence[Route], batch: Batch
) -> None:
    """Put those between *start* and *end* into *batch*."""
    if start == end:
        return
    if end - start < len(arrivals):
        singles = singles.between(start, end)
        arrivals = [arrivals[place] for place in singles.places]
        routes = [routes[place] for place in singles.places]
    batch.records += len(routes)
    batch.tell_singles(routes, singles, arrivals)


def _take_one(arrival: Arrival, registry: Registry, batch: Batch, decoded: Any) -> int:  # noqa: ANN401 - the decoder's own struct
    try:
        route = registry.routes.get(arrival.topic) or registry.route(arrival.topic)
        stream = TELEMETRY.get(route.stream)
        if stream is None:  # presence, then
            presence = decode_presence(arrival.payload)
            batch.births.append(Birth(route.device_id, route.device_no, presence, arrival))
            batch.records += 1
            return 0
        if arrival.retained:
            route = msgspec.structs.replace(route, is_retained=True)
        message = decode(arrival.payload, stream, arrival.received_at, decoded)
    except Refused as refused:
        _refuse(arrival, refused, batch)
    except Exception as error:  # the rim: a fault of ours must not come back with every redelivery
        log.exception("a message crashed the decoder; kept as a dead letter", topic=arrival.topic)
        _bury(arrival, Refusal("crashed", f"{type(error).__name__}: {error}"[:300]), batch)
    else:
        _tell(message, route, arrival, batch)
        return message.unknown_fields
    return 0


def _tell(message: Message, route: Route, arrival: Arrival, batch: Batch) -> None:
    batch.messages[route.stream] += 1
    batch.records += message.records
    for seq, readings in message.stretches():
        batch.tell(route, message.boot, seq, readings, arrival, message.times)
    if message.refusals:
        span = Span(message.seq, message.seq + message.records, arrival)
        batch.run_of(route, message.boot).spans.append(span)
    if message.times is None:
        _anchor(message, batch.run_of(route, message.boot), arrival)
    for refusal in message.refusals:
        batch.dead_letters.append(DeadLetter(arrival, refusal, route.device_no, route.stream))


def _anchor(message: Message, run: Run, arrival: Arrival) -> None:
    """When the device must have powered up, if the last record without a time of *message* was made just now.

    The last, because a backlog begins with old records.
    """
    uptime_ms = next((moment for moment, *_ in reversed(message.readings) if isinstance(moment, int)), None)
    if uptime_ms is not None:
        with suppress(Refused):
            run.anchor(after(arrival.received_at, -uptime_ms))


def condemn(arrival: Arrival, batch: Batch) -> None:
    """Put *arrival* into *batch* as a dead letter unread: reading it has ended the process, more than once."""
    batch.enter([arrival])
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
