"""Bytes to records, or to the reason why not. Pure: no clock, no database.

The way of nearly every message is short: one call of a compiled decoder (:mod:`ingest.fast`). A message with fields
that nobody knows takes a second look to count them. Whatever else stumbles is read by :mod:`ingest.explain`, slowly and
record by record: one bad record never costs its neighbours.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest import explain
from ingest.clock import NEWEST, OLDEST, check_window, is_beyond_int64, parse_at
from ingest.fast import CLOCK_FIELDS, STUMBLES, decoder_of
from ingest.message import Message, Presence, Sample
from ingest.refusal import Refusal, Refused
from store.records import TELEMETRY, Stream

MAX_BYTES: Final = 256 * 1024
MAX_RECORDS: Final = 500
MAX_SEQ: Final = 2**63 - 1

# A bounded integer, since a Literal takes true for 1.
Version = Annotated[int, Field(ge=1, le=1)]
Boot = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,32}$")]


class Envelope(BaseModel):
    """What surrounds the records of a telemetry message."""

    model_config = ConfigDict(strict=True, extra="ignore")

    v: Version
    boot: Boot
    seq: Annotated[int, Field(ge=0, le=MAX_SEQ)]
    records: Annotated[list[Any], Field(min_length=1, max_length=MAX_RECORDS)]


class PresenceBody(BaseModel):
    """A birth or a death."""

    model_config = ConfigDict(strict=True, extra="ignore")

    v: Version
    boot: Boot
    state: Literal["online", "offline"]


# Fields of the envelope that are known but not read here.
_ENVELOPE_FIELDS: Final = frozenset(Envelope.model_fields) | {"sent_at"}
_STRICT: Final = {
    name: decoder_of(stream, Envelope.model_fields, strangers=False) for name, stream in TELEMETRY.items()
}
_LENIENT: Final = {
    name: decoder_of(stream, Envelope.model_fields, strangers=True) for name, stream in TELEMETRY.items()
}
_RECORD_FIELDS: Final = {
    stream.model: frozenset(stream.model.model_fields) | {"at", "uptime_ms"} for stream in TELEMETRY.values()
}
# How deep the value of a field stands: the message is level 1, its fields' values 2, a record's 4.
_ENVELOPE_VALUE: Final = 2
_RECORD_VALUE: Final = 4
# JSON can write NUL only like this, so looking for it costs one search of the bytes.
_NUL: Final = b"\\u0000"


def decode(payload: bytes, stream: Stream, received_at: datetime) -> Message:
    """The records of a telemetry message, and a refusal for each that cannot be stored.

    Raises Refused when nothing of the message can be read.
    """
    if len(payload) > MAX_BYTES:
        raise Refused("too_large", f"{len(payload)} bytes; at most {MAX_BYTES} are accepted")
    if _NUL not in payload and (message := _short_way(payload, stream, received_at)) is not None:
        return message
    return _explained(payload, stream, received_at)


def decode_presence(payload: bytes) -> Presence:
    """The birth or death that a presence message tells. Raises Refused when it tells none."""
    if len(payload) > MAX_BYTES:
        raise Refused("too_large", f"{len(payload)} bytes; at most {MAX_BYTES} are accepted")
    body = explain.parse(payload)
    try:
        told = PresenceBody.model_validate(body)
    except ValidationError as error:
        raise explain.refused_message(body, error) from None
    return Presence(told.boot, told.state)


def _short_way(payload: bytes, stream: Stream, received_at: datetime) -> Message | None:
    """The message, when all its fields are as they should be; None when somebody has to look closer."""
    try:
        envelope = _STRICT[stream.name].decode(payload)
    except STUMBLES:
        try:
            envelope = _LENIENT[stream.name].decode(payload)
            body = orjson.loads(payload)
        except (*STUMBLES, orjson.JSONDecodeError):
            return None
    else:
        body = None
    if stream.rule is not None and not all(map(stream.rule, envelope.records)):
        return None
    if envelope.boot[-1] == "\n":  # which the decoder's $ lets pass, and the other engine's does not
        return None
    message = _assemble(envelope, received_at)
    if body is not None:
        try:
            message.unknown_fields = _count_strangers(body, stream)
        except Refused:  # one of them is nested too deeply: its record has to be found
            return None
    return message


def _assemble(envelope: Any, received_at: datetime) -> Message:  # noqa: ANN401 - the decoder's own struct
    seq = envelope.seq
    samples: list[Sample] = []
    message = Message(envelope.boot, seq, len(envelope.records), samples)
    oldest, newest = received_at - OLDEST, received_at + NEWEST
    for index, record in enumerate(envelope.records):
        at = record.at
        fields = msgspec.structs.astuple(record)
        # Nearly every record: a number that is one, and a time within the window.
        if isinstance(at, datetime) and oldest <= at <= newest and seq + index <= MAX_SEQ:
            samples.append(Sample(index, seq + index, at, None, fields[CLOCK_FIELDS:]))
            continue
        try:
            samples.append(_sample(index, seq + index, at, record.uptime_ms, fields[CLOCK_FIELDS:], received_at))
        except Refused as refused:
            message.refusals.append(Refusal(refused.reason, refused.detail, index))
    return message


def _sample(
    index: int, seq: int, at: object, uptime_ms: object, fields: tuple[object, ...], received_at: datetime
) -> Sample:
    if seq > MAX_SEQ:
        raise Refused("out_of_range", f"seq {seq} is above 2^63 - 1")
    if at is not None:
        made_at = at if isinstance(at, datetime) else parse_at(at)
        check_window(made_at, received_at)
        return Sample(index, seq, made_at, None, fields)
    if uptime_ms is None:
        raise Refused("no_time", "neither at nor uptime_ms; the server's time would make every redelivery a new row")
    if is_beyond_int64(uptime_ms):
        raise Refused("out_of_range", "uptime_ms is beyond 64 bits")
    if not isinstance(uptime_ms, int) or isinstance(uptime_ms, bool):
        raise Refused("bad_record", f"uptime_ms: expected integer milliseconds, not {type(uptime_ms).__name__}")
    if not 0 <= uptime_ms <= MAX_SEQ:
        raise Refused("out_of_range", f"uptime_ms {uptime_ms} is not in 0 … 2^63 - 1")
    return Sample(index, seq, None, uptime_ms, fields)


def _count_strangers(body: Mapping[str, Any], stream: Stream) -> int:
    return _count_unknown(body, _ENVELOPE_FIELDS, _ENVELOPE_VALUE) + sum(
        _count_unknown(raw, _RECORD_FIELDS[stream.model], _RECORD_VALUE) for raw in body["records"]
    )


def _count_unknown(fields: Mapping[str, Any], known: frozenset[str], level: int) -> int:
    unknown = [value for name, value in fields.items() if name not in known]
    for value in unknown:
        explain.check_depth(value, level)
    return len(unknown)


def _explained(payload: bytes, stream: Stream, received_at: datetime) -> Message:
    """The same message read record by record, each refusal with its reason."""
    body = explain.parse(payload)
    try:
        envelope = Envelope.model_validate(body)
    except ValidationError as error:
        raise explain.refused_message(body, error) from None
    message = Message(envelope.boot, envelope.seq, len(envelope.records), [])
    message.unknown_fields = _count_unknown(body, _ENVELOPE_FIELDS, _ENVELOPE_VALUE)
    for index, raw in enumerate(envelope.records):
        try:
            record = explain.read_record(raw, stream.model)
            message.unknown_fields += _count_unknown(raw, _RECORD_FIELDS[stream.model], _RECORD_VALUE)
            fields = tuple(record.__dict__.values())
            at, uptime_ms = raw.get("at"), raw.get("uptime_ms")
            message.samples.append(_sample(index, envelope.seq + index, at, uptime_ms, fields, received_at))
        except Refused as refused:
            message.refusals.append(Refusal(refused.reason, refused.detail, index))
    return message
