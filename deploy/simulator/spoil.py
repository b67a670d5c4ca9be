"""Records that should be refused, and second bodies for an identity that is taken: what real fleets send, too. Pure."""

import random
from collections.abc import Callable, Mapping
from typing import Final

import orjson

Fields = dict[str, object]

# A number of each stream that every good record has, and another that it may be changed in.
_NUMBER: Final = {"weighing": "net_g", "scan": "elapsed_ms", "coldchain": "humidity_pct", "status": "uptime_s"}
_NEEDED: Final = {"weighing": "trade_no", "scan": "code", "coldchain": "temperature_c", "status": "uptime_s"}


def spoil(rng: random.Random, stream: str, record: Mapping[str, object]) -> bytes:
    """The bytes of *record* with something in them that no store should take."""
    return rng.choice(_WAYS)(stream, dict(record))


def altered(stream: str, record: bytes) -> bytes:
    """The same identity and time with another value in one field."""
    fields = orjson.loads(record)
    fields[_NUMBER[stream]] = fields[_NUMBER[stream]] + 1 if fields[_NUMBER[stream]] < 99 else 1  # noqa: PLR2004 - stays a percentage
    return orjson.dumps(fields)


def _without_a_needed_field(stream: str, fields: Fields) -> bytes:
    del fields[_NEEDED[stream]]
    return orjson.dumps(fields)


def _with_text_for_a_number(stream: str, fields: Fields) -> bytes:
    return orjson.dumps(fields | {_NUMBER[stream]: "ERR"})


def _not_a_number(stream: str, fields: Fields) -> bytes:
    # JSON has no such value, but printf has.
    return orjson.dumps(fields | {_NUMBER[stream]: "?"}).replace(b'"?"', b"NaN")


def _too_large(stream: str, fields: Fields) -> bytes:
    return orjson.dumps(fields | {_NUMBER[stream]: "?"}).replace(b'"?"', b"9223372036854775808")


def _of_1970(_stream: str, fields: Fields) -> bytes:
    fields.pop("uptime_ms", None)
    return orjson.dumps(fields | {"at": 1_000})


def _without_a_time(_stream: str, fields: Fields) -> bytes:
    fields.pop("at", None)
    fields.pop("uptime_ms", None)
    return orjson.dumps(fields)


_WAYS: Final[tuple[Callable[[str, Fields], bytes], ...]] = (
    _without_a_needed_field,
    _with_text_for_a_number,
    _not_a_number,
    _too_large,
    _of_1970,
    _without_a_time,
)
