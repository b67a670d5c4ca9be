"""Bytes to records, or to the reason why not. Pure: no clock, no database.

The way of nearly every message is short: one call of a compiled decoder (:mod:`ingest.fast`), for messages of one
record that were read together as one. A message with fields that nobody knows takes a second look to count them. Where
a record stumbles, each is decoded by itself and only that one is explained (:mod:`ingest.explain`): one bad record
never costs its neighbours, nor their speed. What is left is explained as a whole.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import call
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import orjson
from msgspec.structs import astuple
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from ingest import explain
from ingest.clock import LONGEST_UPTIME_MS, NEWEST, OLDEST, check_window, is_beyond_int64, parse_at
from ingest.fast import BEFORE_READING, STUMBLES, decoders_of
from ingest.message import Message, Moment, Presence, Reading
from ingest.refusal import Refusal, Refused
from store.records import TELEMETRY, Stream

MAX_BYTES: Final = 256 * 1024
MAX_RECORDS: Final = 500
MAX_SEQ: Final = 2**63 - 1
_SEQ_END: Final = MAX_SEQ + 1

_BOOT: Final = "[0-9A-Za-z]{1,32}"
# A bounded integer, since a Literal takes true for 1.
Version = Annotated[int, Field(ge=1, le=1)]
Boot = Annotated[str, Field(pattern=f"^{_BOOT}$")]


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
# The decoder sees to the boot's length alone: its own look at a pattern costs half of what decoding does. The rest is
# asked once of each boot, and as those are short, many may be remembered.
_SHORT: Final = FieldInfo(annotation=str, min_length=1, max_length=32)
_DECODERS: Final = {
    name: decoders_of(stream, Envelope.model_fields | {"boot": _SHORT}) for name, stream in TELEMETRY.items()
}
_STRICTLY: Final[Mapping[str, Callable[[bytes], Any]]] = {
    name: decoders.strict.decode for name, decoders in _DECODERS.items()
}
_RULES: Final[Mapping[str, Callable[[Any], bool] | None]] = {name: stream.rule for name, stream in TELEMETRY.items()}
_RECORD_FIELDS: Final = {
    stream.model: frozenset(stream.model.model_fields) | {"at", "uptime_ms"} for stream in TELEMETRY.values()
}
# How deep the value of a field stands: the message is level 1, its fields' values 2, a record 3, its fields' values 4.
_ENVELOPE_VALUE: Final = 2
_RECORD_VALUE: Final = 4
_AROUND_A_RECORD: Final = 2
# What stands in the places of a message's records, made once.
_PLACES: Final = tuple(map(range, range(MAX_RECORDS + 1)))
# JSON can write NUL only like this; few messages have any escape, and a single byte is found several times as fast.
_NUL: Final = b"\\u0000"
_ESCAPE: Final = b"\\"


class Singles(NamedTuple):
    """Messages of one record each, by columns: where each stands among those read with it, and what it says."""

    # Of those it leaves out, what the decoder made of them where it did.
    left_out: Mapping[int, Any]
    places: Sequence[int]
    boots: Sequence[str]
    seqs: Sequence[int]
    # The one record of each, and when it was made.
    readings: Sequence[Reading]
    ats: Sequence[datetime]

    def between(self, start: int, end: int) -> "Singles":
        """Some of them that follow one another."""
        part = slice(start, end)
        return Singles(
            self.left_out, self.places[part], self.boots[part], self.seqs[part], self.readings[part], self.ats[part]
        )


NO_SINGLES: Final = Singles({}, (), (), (), (), ())


def decode_singles(payloads: Sequence[bytes], streams: Sequence[str], received_ats: Collection[datetime]) -> Singles:
    """Those messages of one record, with a time, that nothing is amiss with: what :func:`decode` says of each.

    All others are left out, and those of no telemetry stream. For what most of a fleet sends, half the cost.
    """
    together = b"".join(payloads)
    if max(map(len, payloads)) > MAX_BYTES or (_ESCAPE in together and _NUL in together):
        return NO_SINGLES
    # What one of them came too early or too late for is looked at by itself.
    first, last = max(received_ats) - OLDEST, min(received_ats) + NEWEST
    envelopes = _decoded(payloads, streams)
    places = [
        place
        for place, (envelope, rule) in enumerate(zip(envelopes, map(_RULES.get, streams), strict=True))
        if len(envelope.records) == 1
        and type(at := (record := envelope.records[0]).at) is datetime
        and first <= at <= last
        and (rule is None or rule(record))
        and _is_boot(envelope.boot)
    ]
    left_out: Mapping[int, Any] = {}
    if len(places) < len(envelopes):
        others = {*range(len(envelopes))}.difference(places)
        left_out = {place: one for place in others if (one := envelopes[place]) is not _NONE}
        envelopes = [envelopes[place] for place in places]
    readings = [astuple(envelope.records[0])[BEFORE_READING:] for envelope in envelopes]
    return Singles(
        left_out,
        places,
        [envelope.boot for envelope in envelopes],
        [envelope.seq for envelope in envelopes],
        readings,
        [reading[0] for reading in readings],
    )


def _decoded(payloads: Sequence[bytes], streams: Iterable[str]) -> list[Any]:
    """The envelope of each payload, one without records for those at which its decoder stumbles."""
    envelopes: list[Any] = []
    decoding = map(call, [_STRICTLY.get(stream, _unread) for stream in streams], payloads)
    while len(envelopes) < len(payloads):
        try:
            # What came before one that stumbles stays in the list, and the map goes on after it.
            envelopes.extend(decoding)
        except STUMBLES:
            envelopes.append(_NONE)
    return envelopes


@dataclass(frozen=True, slots=True)
class _Nothing:
    records: tuple[()] = ()


_NONE: Final = _Nothing()


def _unread(_payload: bytes) -> _Nothing:
    """What no decoder is for."""
    return _NONE


def decode(payload: bytes, stream: Stream, received_at: datetime, decoded: Any = None) -> Message:  # noqa: ANN401 - the decoder's own struct
    """The records of a telemetry message, and a refusal for each that cannot be stored.

    *decoded* is what :func:`decode_singles` made of it already, if it did. Raises Refused when nothing of the message
    can be read.
    """
    if decoded is not None and (message := _read(decoded, stream, received_at)) is not None:
        return message
    if len(payload) > MAX_BYTES:
        raise Refused("too_large", f"{len(payload)} bytes; at most {MAX_BYTES} are accepted")
    message = None
    if _ESCAPE not in payload or _NUL not in payload:
        try:
            envelope = _STRICTLY[stream.name](payload)
        except STUMBLES:
            message = _with_strangers(payload, stream, received_at)
        else:
            message = _read(envelope, stream, received_at)
    if message is None:
        message = _record_by_record(payload, stream, received_at)
    return message if message is not None else _explained(payload, stream, received_at)


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


def _with_strangers(payload: bytes, stream: Stream, received_at: datetime) -> Message | None:
    """The message, when fields that nobody knows are all that is amiss; None when somebody has to look closer."""
    try:
        envelope = _DECODERS[stream.name].lenient.decode(payload)
        body = orjson.loads(payload)
        message = _read(envelope, stream, received_at)
        if message is not None:
            message.unknown_fields = _count_strangers(body, stream)
    except (*STUMBLES, orjson.JSONDecodeError, Refused):  # Refused is one that is nested too deeply
        return None
    return message


def _read(envelope: Any, stream: Stream, received_at: datetime) -> Message | None:  # noqa: ANN401 - the decoder's own struct
    """The message, when all its fields are as they should be; None when somebody has to look closer."""
    if not _is_boot(envelope.boot):
        return None
    records, rule = envelope.records, stream.rule
    if rule is not None:
        for record in records:
            if not rule(record):
                return None
    count = len(records)
    readings = [astuple(record)[BEFORE_READING:] for record in records]
    ats = [reading[0] for reading in readings]
    try:
        times = min(ats), max(ats)
        is_believed = received_at - OLDEST <= times[0] and times[1] <= received_at + NEWEST
    except TypeError:  # some are no times
        is_believed = False
    seq = envelope.seq
    if not is_believed or seq + count > _SEQ_END:
        return _sifted(envelope, readings, received_at)
    return Message(envelope.boot, seq, count, _PLACES[count], readings, envelope.sent_at, times)


@lru_cache(maxsize=1 << 16)
def _is_boot(boot: str) -> bool:
    return re.fullmatch(_BOOT, boot) is not None


def _sifted(envelope: Any, readings: Iterable[Reading], received_at: datetime) -> Message:  # noqa: ANN401 - the decoder's own struct
    """The message with a look at the time of each of its records."""
    message = _begun(envelope)
    for index, (record, (at, *fields)) in enumerate(zip(envelope.records, readings, strict=True)):
        try:
            _add(message, index, _moment(message.seq + index, at, record.uptime_ms, received_at), fields)
        except Refused as refused:
            _refuse(message, index, refused)
    message.sent_at = envelope.sent_at
    return message


def _begun(envelope: Any) -> Message:  # noqa: ANN401 - whatever has a boot, a seq and records
    return Message(envelope.boot, envelope.seq, len(envelope.records), [], [], refusals=[])


def _add(message: Message, index: int, moment: Moment, fields: Iterable[object]) -> None:
    message.indexes.append(index)  # type: ignore[attr-defined]  # a list where it was begun
    message.readings.append((moment, *fields))  # type: ignore[attr-defined]  # likewise


def _refuse(message: Message, index: int, refused: Refused) -> None:
    message.refusals.append(Refusal(refused.reason, refused.detail, index))  # type: ignore[attr-defined]  # likewise


def _moment(seq: int, at: object, uptime_ms: object, received_at: datetime) -> Moment:
    if seq > MAX_SEQ:
        raise Refused("out_of_range", f"seq {seq} is above 2^63 - 1")
    if at is not None:
        made_at = at if isinstance(at, datetime) else parse_at(at)
        check_window(made_at, received_at)
        return made_at
    if uptime_ms is None:
        raise Refused("no_time", "neither at nor uptime_ms; the server's time would make every redelivery a new row")
    if is_beyond_int64(uptime_ms):
        raise Refused("out_of_range", "uptime_ms is beyond 64 bits")
    if not isinstance(uptime_ms, int) or isinstance(uptime_ms, bool):
        raise Refused("bad_record", f"uptime_ms: expected integer milliseconds, not {type(uptime_ms).__name__}")
    if not 0 <= uptime_ms <= LONGEST_UPTIME_MS:
        raise Refused("out_of_range", f"uptime_ms {uptime_ms} is not in 0 … {LONGEST_UPTIME_MS}, which is ten years")
    return uptime_ms


def _count_strangers(body: Mapping[str, Any], stream: Stream) -> int:
    return _count_unknown(body, _ENVELOPE_FIELDS, _ENVELOPE_VALUE) + sum(
        _count_unknown(raw, _RECORD_FIELDS[stream.model], _RECORD_VALUE) for raw in body["records"]
    )


def _count_unknown(fields: Mapping[str, Any], known: frozenset[str], level: int) -> int:
    unknown = [value for name, value in fields.items() if name not in known]
    for value in unknown:
        explain.check_depth(value, level)
    return len(unknown)


def _record_by_record(payload: bytes, stream: Stream, received_at: datetime) -> Message | None:
    """The message with each record decoded by itself; None when its envelope has to be explained."""
    decoders = _DECODERS[stream.name]
    try:
        envelope = decoders.envelope.decode(payload)
    except STUMBLES:
        return None
    if not _is_boot(envelope.boot):
        return None
    message = _begun(envelope)
    for index, raw in enumerate(map(bytes, envelope.records)):
        try:
            record = decoders.record.decode(raw)
            if _NUL in raw or (stream.rule is not None and not stream.rule(record)):
                raise msgspec.DecodeError
        except STUMBLES:
            try:
                value = explain.parse_value(raw, around=_AROUND_A_RECORD)
            except Refused:  # the parsers disagree: the strict one has the word
                return None
            _explain_record(message, index, value, stream, received_at)
            continue
        at, *fields = astuple(record)[BEFORE_READING:]
        try:
            _add(message, index, _moment(message.seq + index, at, record.uptime_ms, received_at), fields)
        except Refused as refused:
            _refuse(message, index, refused)
    message.sent_at = envelope.sent_at
    return message


def _explained(payload: bytes, stream: Stream, received_at: datetime) -> Message:
    """The same message by the slow and exact parser, each refusal with its reason."""
    body = explain.parse(payload)
    try:
        envelope = Envelope.model_validate(body)
    except ValidationError as error:
        raise explain.refused_message(body, error) from None
    message = _begun(envelope)
    message.unknown_fields = _count_unknown(body, _ENVELOPE_FIELDS, _ENVELOPE_VALUE)
    sent_at = body.get("sent_at")
    explain.check_depth(sent_at, _ENVELOPE_VALUE)
    message.sent_at = sent_at if isinstance(sent_at, str | int) else None
    for index, raw in enumerate(envelope.records):
        _explain_record(message, index, raw, stream, received_at)
    return message


def _explain_record(message: Message, index: int, raw: Any, stream: Stream, received_at: datetime) -> None:  # noqa: ANN401 - any JSON value
    try:
        record = explain.read_record(raw, stream.model)
        message.unknown_fields += _count_unknown(raw, _RECORD_FIELDS[stream.model], _RECORD_VALUE)
        moment = _moment(message.seq + index, raw.get("at"), raw.get("uptime_ms"), received_at)
        _add(message, index, moment, record.__dict__.values())
    except Refused as refused:
        _refuse(message, index, refused)
