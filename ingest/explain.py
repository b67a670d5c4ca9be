"""Why bytes or a record cannot be stored. Slow and exact: only what stumbled on the short way comes here.

The standard library's parser lets through what orjson refuses with one word for all: numbers without a finite or an
exact value, and text that is no UTF-8. They are kept as marks and found where they stand, so their neighbours can be
stored.
"""

import difflib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from ingest.refusal import Reason, Refused
from store.records import Record

MAX_DEPTH: Final = 16
# Beyond this the parser itself is at risk, so the whole message goes; below, a field too deep costs its record only.
PARSER_DEPTH: Final = 500
MAX_DIGITS: Final = 19
_INT64: Final = range(-(2**63), 2**63)
# A text that is not closed is taken whole, too: beginning again at each of its quotes would take for ever.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")

RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands where a number was that no column can hold exactly."""

    reason: Reason
    text: str


def parse(payload: bytes) -> dict[str, Any]:
    """The JSON object of *payload*, with :class:`Unusable` marks and lone surrogates where something is wrong inside.

    Raises Refused: too_deep, bad_utf8, bad_json, or bad_message when it is JSON but no object.
    """
    body = parse_value(payload)
    if not isinstance(body, dict):
        raise Refused("bad_message", f"expected a JSON object, not {_json_type(body)}")
    return body


def parse_value(payload: bytes, *, around: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    """The same for a value of any type that stands *around* levels down in what came."""
    if _nesting(payload) > PARSER_DEPTH - around:
        raise Refused("too_deep", f"nested deeper than {MAX_DEPTH}")
    # Bytes that are no UTF-8 become lone surrogates and are refused where they stand.
    text = payload.decode("utf-8", "surrogateescape")
    try:
        return json.loads(text, parse_int=_integer, parse_float=_number, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        if _SURROGATE.search(text):
            raise Refused("bad_utf8", "the payload is not UTF-8") from None
        raise Refused("bad_json", f"no JSON: {error}") from None


def check_depth(value: object, level: int) -> None:
    """Return unless *value*, which nobody reads and which stands *level* levels down, is nested too deeply."""
    here: list[object] = [value]
    for _ in range(MAX_DEPTH - level + 1):
        here = [inner for outer in here for inner in _inside(outer)]
        if not here:
            return
    raise Refused("too_deep", f"nested deeper than {MAX_DEPTH}")


def refused_message(body: dict[str, Any], error: ValidationError) -> Refused:
    """The reason that fits an envelope *error* best, with where it stands."""
    for name in ("v", "boot", "seq", "state"):
        if (mark := _mark(body.get(name))) is not None:
            return Refused(mark[0], f"{name}: {mark[1]}")
    if body.get("v") != 1 or isinstance(body.get("v"), bool):
        return Refused("bad_version", f"v is {body.get('v')!r}; this reads version 1"[:200])
    first = error.errors(include_url=False)[0]
    reason = {"too_long": "too_large", "less_than_equal": "out_of_range", "greater_than_equal": "out_of_range"}
    return Refused(reason.get(first["type"], "bad_message"), _where(first))  # type: ignore[arg-type]


def read_record(raw: object, model: type[RecordT]) -> RecordT:
    """*raw* as a record of *model*; Refused with the first reason why not."""
    if not isinstance(raw, dict):
        raise Refused("bad_record", f"expected a JSON object, not {_json_type(raw)}")
    for name in (*model.model_fields, "at", "uptime_ms"):
        if (mark := _mark(raw.get(name))) is not None:
            beyond_calendars = name == "at" and mark[0] == "out_of_range"
            raise Refused("clock_out_of_range" if beyond_calendars else mark[0], f"{name}: {mark[1]}")
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        beyond = first["type"] in _BEYOND
        raise Refused(
            "out_of_range" if beyond else "bad_record", _where(first) + _misspelt(first, raw, model)
        ) from None


_BEYOND: Final = frozenset(
    {
        "greater_than",
        "greater_than_equal",
        "less_than",
        "less_than_equal",
        "string_too_long",
        "too_long",
    }
)


def _mark(value: object) -> tuple[Reason, str] | None:
    """What is wrong with a value before anybody asks for its type."""
    if isinstance(value, Unusable):
        return value.reason, value.text
    if isinstance(value, str):
        if _SURROGATE.search(value):
            return "bad_utf8", "the text is not UTF-8"
        if "\0" in value:
            return "nul_character", "the text holds a NUL character, which PostgreSQL cannot store"
    if isinstance(value, list):
        return next((mark for item in value if (mark := _mark(item)) is not None), None)
    return None


def _misspelt(error: Any, raw: dict[str, Any], model: type[Record]) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, read by key
    """For a field that is missing: the one that may be meant for it."""
    if error["type"] != "missing":
        return ""
    strangers = [name for name in raw if name not in model.model_fields]
    nearest = difflib.get_close_matches(str(error["loc"][-1]), strangers, n=1)
    return f"; nobody knows the field {nearest[0]!r}: is it meant?" if nearest else ""


def _where(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, read by key
    place = ".".join(map(str, error["loc"]))
    words = error["msg"].removeprefix("Value error, ")
    return f"{place}: {words}"[:300] if place else words[:300]


def _nesting(payload: bytes) -> int:
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(payload):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
    return deepest


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _integer(text: str) -> int | Unusable:
    if len(text.lstrip("-")) > MAX_DIGITS or (value := int(text)) not in _INT64:
        return Unusable("out_of_range", f"{text[:24]} is beyond 64 bits")
    return value


def _number(text: str) -> float | Unusable:
    value = float(text)
    return value if math.isfinite(value) else Unusable("non_finite", f"{text[:24]} is beyond a double")


def _constant(text: str) -> Unusable:
    return Unusable("non_finite", f"{text} is no number")


def _json_type(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "an array", dict: "an object"}
    return "null" if value is None else names.get(type(value), "a number")
