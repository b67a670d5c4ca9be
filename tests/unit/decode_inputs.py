"""Inputs for decode, drawn by hypothesis: bytes, JSON, messages of the contract, and such messages spoilt."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from hypothesis import strategies as st

from store.records import TELEMETRY

NOW: Final = datetime(2026, 11, 23, 8, tzinfo=UTC)
STREAMS: Final = sorted(TELEMETRY)
DrawnBytes = st.SearchStrategy[bytes]


def _text(low: int = 0, high: int = 128) -> st.SearchStrategy[str]:
    alphabet = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    # Long texts are rare, and what matters is their edge.
    return st.text(alphabet, min_size=low, max_size=8) | st.sampled_from(["启" * high, "\U0001f600" * high, "\\u0000"])


def _integer(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high) | st.sampled_from([low, high])


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


GRAMS: Final = _integer(-(2**31), 2**31 - 1)
FEN: Final = _integer(-(10**15), 10**15)
PERCENT: Final = st.floats(0, 100)
TEXTS: Final = (
    "trace_code",
    "stall_no",
    "merchant_code",
    "plu",
    "goods_code",
    "goods_name",
    "batch_no",
    "ref_trade_no",
)
# By stream: the fields a record must have, and those it may.
REQUIRED: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "weighing": {
        "trade_no": _text(1),
        "kind": st.sampled_from(["sale", "return", "void"]),
        "net_g": GRAMS,
        "unit_price_fen_per_kg": GRAMS,
        "amount_fen": FEN,
        "stable": st.booleans(),
    },
    "scan": {
        "code": _text(1, 512),
        "purpose": st.sampled_from(["inbound", "outbound", "sale", "lookup", "inspection"]),
        "result": st.sampled_from(["ok", "unknown", "error"]),
    },
    "coldchain": {"temperature_c": st.floats(-273.15, 1000) | st.integers(-273, 1000)},
    "status": {"uptime_s": _integer(0, 2**63 - 1)},
}
OPTIONAL: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "weighing": {"gross_g": _maybe(GRAMS), "tare_g": _maybe(GRAMS), "printed": _maybe(st.booleans())}
    | {name: _maybe(_text()) for name in TEXTS},
    "scan": {"symbology": _maybe(_text()), "elapsed_ms": _maybe(_integer(0, 2**31 - 1))},
    "coldchain": {
        "probe": _maybe(_text()),
        "humidity_pct": _maybe(PERCENT),
        "door_open": _maybe(st.booleans()),
        "battery_pct": _maybe(PERCENT),
        "lat": _maybe(st.floats(-90, 90)),
        "lon": _maybe(st.floats(-180, 180)),
        "external_power": _maybe(st.booleans()),
        "fault": _maybe(_text(1)),
    },
    "status": {
        "firmware": _maybe(_text()),
        "battery_pct": _maybe(PERCENT),
        "rssi_dbm": _maybe(st.floats(-200, 100)),
        "storage_free_pct": _maybe(PERCENT),
        "backlog": _maybe(_integer(0, 2**63 - 1)),
        "clock_offset_ms": _maybe(_integer(-(2**63), 2**63 - 1)),
        "errors": _maybe(st.lists(_text(), max_size=3)),
    },
}
OFFSETS: Final = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS: Final = st.timedeltas(timedelta(days=-365), timedelta(hours=24)).map(lambda age: NOW + age)


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the contract: the JSON text of each field, and what must be read from it."""

    pairs: tuple[tuple[str, str], ...]
    at: datetime | None
    uptime_ms: int | None
    fields: tuple[object, ...]

    @property
    def raw(self) -> bytes:
        """As JSON."""
        return _object(self.pairs)


def _object(pairs: Iterable[tuple[str, str]]) -> bytes:
    text = ",".join(f"{json.dumps(name)}:{value}" for name, value in pairs)
    return b"{" + text.encode("utf-8", "surrogatepass") + b"}"


@st.composite
def good_records(draw: st.DrawFn, stream: str) -> Record:
    """Any record that a device may send on *stream*, its fields in any order."""
    body = draw(st.fixed_dictionaries(REQUIRED[stream], optional=OPTIONAL[stream]))
    if body.get("fault") and draw(st.booleans()):
        body["temperature_c"] = None
    fields = tuple(body.get(name) for name in TELEMETRY[stream].columns)
    at, uptime_ms, clock = draw(_clocks())
    pairs = [(name, json.dumps(value, ensure_ascii=draw(st.booleans()))) for name, value in (body | clock).items()]
    return Record(tuple(draw(st.permutations(pairs))), at, uptime_ms, fields)


@st.composite
def _clocks(draw: st.DrawFn) -> tuple[datetime | None, int | None, dict[str, object]]:
    """A time, the uptime that stands for one, and the fields that tell them."""
    way = draw(st.sampled_from(["text", "milliseconds", "uptime"]))
    if way == "uptime":
        uptime_ms = draw(_integer(0, 10 * 365 * 86_400_000))
        return None, uptime_ms, {"uptime_ms": uptime_ms}
    at = draw(INSTANTS)
    if way == "milliseconds":
        # Rounded up, so that the oldest instant stays inside the window.
        milliseconds = -((NOW - at) // timedelta(milliseconds=1)) + int(NOW.timestamp()) * 1000
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds), None, {"at": milliseconds}
    words = at.astimezone(draw(OFFSETS)).isoformat()
    if words.endswith("+00:00") and draw(st.booleans()):
        words = words.replace("+00:00", "Z")
    return at, None, {"at": draw(st.sampled_from([words, words.lower(), words.replace("T", " ")]))}


# Values that are wrong nearly everywhere, and leave the JSON around them whole.
BAD_VALUES: Final = [
    *("NaN", "-Infinity", "1e400", "-1e400", "1e308", "5e-324", "-0", "-0.0", "1.0", "5e2", "1E5", "1.5"),
    *map(str, (2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**18)),
    *("9" * 20, "9" * 5000, "0." + "1" * 400, "true", "false", "null", '""', '"x"', "[]", "{}", "[null]", '["a",1]'),
    *(
        '"\\u0000"',
        '"a\\u0000b"',
        '["\\u0000"]',
        '"\\ud83d"',
        '"\\ude00\\ud83d"',
        '"\\ud83d\\ude00"',
        '"' + "x" * 513 + '"',
    ),
    *("[" * depth + "]" * depth for depth in (11, 12, 13, 14, 15, 60)),
    *('{"a":' * depth + "1" + "}" * depth for depth in (11, 12, 13, 14, 60)),
    *('"infinity"', '"10000-01-01T00:00:00Z"', '"9999-12-31T23:59:59-23:59"', '"0001-01-01T00:00:00+23:59"'),
    *(
        '"2026-11-23T08:00:00"',
        '"2026-02-30T00:00:00Z"',
        '"2026-11-23T24:00:00Z"',
        '"2026-11-23T08:00:60Z"',
        '"0000-01-01T00:00:00Z"',
    ),
]
# Bytes that break a text, or the whole message.
BAD_BYTES: Final = [b"\xff", b"\xc0\x80", b"\xed\xa0\xbd", b"\0", b"\n", b'"', b"\\", b"]", b"{", b"\xef\xbb\xbf"]


@st.composite
def bad_records(draw: st.DrawFn, stream: str) -> bytes:
    """A record with something done to it: it may be refused, or still be good; the JSON around it stays whole."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(BAD_VALUES)).encode()
    pairs = list(draw(good_records(stream)).pairs)
    names = [*TELEMETRY[stream].columns, "at", "uptime_ms", "x", "\0", "seq", ""]
    for _ in range(draw(st.integers(1, 3))):
        name, value = draw(st.sampled_from(names)), draw(st.sampled_from(BAD_VALUES))
        match draw(st.sampled_from(["replace", "twice", "drop"])):
            case "replace":
                pairs = [pair for pair in pairs if pair[0] != name] + [(name, value)]
            case "twice":
                pairs.insert(draw(st.integers(0, len(pairs))), (name, value))
            case "drop":
                pairs = [pair for pair in pairs if pair[0] != name]
    return _object(pairs)


def message(records: Iterable[bytes], *, seq: int = 0, blank: bytes = b"", more: bytes = b"") -> bytes:
    """An envelope around *records*; *blank* stands wherever JSON allows white space, *more* behind the last field."""
    listed = (blank + b"," + blank).join(records)
    parts = [b'{"v":', b'1,"boot":', b'"b1","seq":', b'%d,"records":' % seq, b"[", listed, b"]", more, b"}"]
    return blank + blank.join(parts) + blank


@st.composite
def bad_messages(draw: st.DrawFn, stream: str) -> bytes:
    """A message with bad records, bad fields, or bytes cut out or put in anywhere."""
    records = draw(st.lists(bad_records(stream) | good_records(stream).map(lambda record: record.raw), max_size=3))
    payload = message(records, blank=draw(st.sampled_from([b"", b" ", b"\r\n\t"])))
    for _ in range(draw(st.integers(0, 2))):
        name, value = (
            draw(st.sampled_from(["v", "boot", "seq", "records", "sent_at", "x"])),
            draw(st.sampled_from(BAD_VALUES)),
        )
        payload = payload.rstrip(b" \r\n\t}") + f',"{name}":{value}}}'.encode()
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(payload)))
        payload = payload[:place] + draw(st.sampled_from(BAD_BYTES)) + payload[place + draw(st.integers(0, 2)) :]
    return payload


ANY_JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["v", "boot", "seq", "records", "at"]) | st.text(max_size=4), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def anything(stream: str) -> DrawnBytes:
    """Bytes of every origin."""
    return (
        st.binary(max_size=64)
        | ANY_JSON.map(lambda body: json.dumps(body).encode())
        | bad_messages(stream)
        | st.lists(good_records(stream).map(lambda record: record.raw), min_size=1, max_size=3).map(message)
    )
