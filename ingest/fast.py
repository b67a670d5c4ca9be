"""The short way from bytes to records: a compiled decoder per stream, made from the models that explain refusals.

What it takes is right; what it refuses is read again by :mod:`ingest.decode`, which knows why.
"""

from dataclasses import dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from pydantic.fields import FieldInfo

from store.records import Stream

# Everything a decoder may raise on bytes that are not a message; the slow way finds out what it was.
STUMBLES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# The first field of every decoded record is none of its reading, which follows: ``at``, and the stream's fields in the
# order of its columns.
BEFORE_READING: Final = 1

# What pydantic's metadata and msgspec's call by the same names.
_BOUNDS: Final = ("ge", "gt", "le", "lt", "min_length", "max_length", "pattern")


@dataclass(frozen=True, slots=True)
class Decoders:
    """Of one stream.

    A message has ``boot``, ``seq``, ``sent_at``, ``records``; a record ``uptime_ms``, ``at`` and the stream's fields.
    """

    strict: "msgspec.json.Decoder[Any]"
    # Passes over fields that nobody knows.
    lenient: "msgspec.json.Decoder[Any]"
    # The envelope alone, its records left as bytes, and one such record.
    envelope: "msgspec.json.Decoder[Any]"
    record: "msgspec.json.Decoder[Any]"


def decoders_of(stream: Stream, envelope: dict[str, FieldInfo]) -> Decoders:
    """The decoders of *stream*, whose messages have the fields of *envelope*."""
    strict, lenient = (_record_of(stream, strangers=strangers) for strangers in (False, True))
    return Decoders(
        msgspec.json.Decoder(_message_of(stream, envelope, strict, strangers=False)),
        msgspec.json.Decoder(_message_of(stream, envelope, lenient, strangers=True)),
        msgspec.json.Decoder(_message_of(stream, envelope, msgspec.Raw, strangers=False)),
        msgspec.json.Decoder(strict),
    )


def _record_of(stream: Stream, *, strangers: bool) -> type[Any]:
    return msgspec.defstruct(
        stream.name.title(),
        [
            ("uptime_ms", Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None, None),
            ("at", Annotated[datetime, msgspec.Meta(tz=True)] | int | None, None),
            *(_field(name, field) for name, field in stream.model.model_fields.items()),
        ],
        kw_only=True,
        gc=False,
        forbid_unknown_fields=not strangers,
    )


def _message_of(stream: Stream, envelope: dict[str, FieldInfo], record: type[Any], *, strangers: bool) -> type[Any]:
    known = [_field(name, field) for name, field in envelope.items() if name != "records"]
    size = _bounds(envelope["records"].metadata)
    return msgspec.defstruct(
        f"{stream.name.title()}Message",
        [*known, ("records", Annotated[list[record], size]), ("sent_at", str | int | None, None)],  # type: ignore[valid-type]
        kw_only=True,
        gc=False,
        forbid_unknown_fields=not strangers,
    )


def _field(name: str, field: FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    kind = _bounded(_translated(field.annotation), field.metadata)
    return (name, kind) if field.is_required() else (name, kind, field.default)


def _translated(kind: Any) -> Any:  # noqa: ANN401 - any annotation
    """The annotation with pydantic's bounds turned into msgspec's, inside unions and lists too."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *metadata = get_args(kind)
        flat = [bound for one in metadata for bound in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return _bounded(_translated(inner), flat)
    if origin in (Union, UnionType):
        return Union[tuple(_translated(each) for each in get_args(kind))]  # noqa: UP007 - built from a tuple
    if origin is list:
        return list[_translated(get_args(kind)[0])]  # type: ignore[misc]
    if origin is Literal or kind in (str, int, float, bool, NoneType):
        return kind
    raise TypeError(f"no fast decoder for {kind!r}: teach ingest.fast about it")


def _bounded(kind: Any, metadata: list[Any]) -> Any:  # noqa: ANN401 - any annotation
    bounds = _bounds(metadata)
    return kind if bounds == msgspec.Meta() else Annotated[kind, bounds]


def _bounds(metadata: list[Any]) -> msgspec.Meta:
    given = {name: getattr(one, name) for one in metadata for name in _BOUNDS if getattr(one, name, None) is not None}
    # msgspec's own bounds are int64, which "below 2^63" is not.
    if isinstance(given.get("lt"), int):
        given["le"] = given.pop("lt") - 1
    return msgspec.Meta(**given)
