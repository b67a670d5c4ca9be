"""Every kind of bad input, decoded: each ends in one reason, and its neighbours are read."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode import MAX_BYTES, decode, decode_presence
from ingest.message import Message
from ingest.refusal import REASONS, Refused
from store.records import TELEMETRY

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
COLDCHAIN = TELEMETRY["coldchain"]
GOOD = {"at": "2026-11-23T08:00:00Z", "temperature_c": 2.1}
WEIGHED = {
    "at": "2026-11-23T08:00:00Z",
    "trade_no": "T1",
    "kind": "sale",
    "net_g": 500,
    "unit_price_fen_per_kg": 2000,
    "amount_fen": 1000,
    "stable": True,
}


def read(payload: bytes, stream: str = "coldchain") -> Message:
    """Decoded as if it came at NOW."""
    return decode(payload, TELEMETRY[stream], NOW)


def message(*records: object, **envelope: object) -> bytes:
    """A payload of the contract; values that JSON has no word for are written as Python's json does."""
    return json.dumps({"v": 1, "boot": "b", "seq": 0, "records": list(records)} | envelope).encode()


def around(raw: str) -> bytes:
    """Three records, the middle one given as text."""
    good = json.dumps(GOOD)
    return f'{{"v":1,"boot":"b","seq":0,"records":[{good},{raw},{good}]}}'.encode()


def numbers(got: Message) -> list[int]:
    """The sequence numbers of the records that can be stored."""
    return [got.seq + index for index in got.indexes]


def reason_of(payload: bytes, stream: str = "coldchain") -> str:
    """Why nothing of the message could be read."""
    with pytest.raises(Refused) as refused:
        read(payload, stream)
    return refused.value.reason


def test_good_message_is_read() -> None:
    """Fields come in the order of the table's columns, sequence numbers count on from the envelope's."""
    got = decode(message(GOOD, {**GOOD, "probe": "p2"}, seq=41), COLDCHAIN, NOW)
    assert (numbers(got), [at for at, *_ in got.readings]) == ([41, 42], [NOW, NOW])
    assert got.readings[1][1:] == (2.1, "p2", None, None, None, None, None, None, None)
    assert ([*got.refusals], got.unknown_fields) == ([], 0)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "bad_json"),
        (b"\xef\xbb\xbf" + message(GOOD), "bad_json"),
        (b"null", "bad_message"),
        (b"[]", "bad_message"),
        (b"17", "bad_message"),
        (b'"text"', "bad_message"),
        (b"{", "bad_json"),
        (b"{}", "bad_version"),
        (b"\xff\xfe{}", "bad_utf8"),
        (message(GOOD, v=2), "bad_version"),
        (message(GOOD, v=True), "bad_version"),
        (message(GOOD, v="1"), "bad_version"),
        (message(GOOD, boot="b" * 33), "bad_message"),
        (message(GOOD, boot=""), "bad_message"),
        (message(GOOD, boot="b-1"), "bad_message"),
        (message(GOOD, boot="b1\n"), "bad_message"),
        (message(GOOD, boot="b\u0000"), "nul_character"),
        (message(GOOD, boot="b\ud83d"), "bad_utf8"),
        (message(GOOD, seq=-1), "out_of_range"),
        (message(GOOD, seq=2**63), "out_of_range"),
        (message(GOOD, seq=2**64), "out_of_range"),
        (message(GOOD, seq=1.5), "bad_message"),
        (message(GOOD, seq=float("nan")), "non_finite"),
        (message(GOOD, seq="1"), "bad_message"),
        (message(), "bad_message"),
        (message(GOOD, records={}), "bad_message"),
        (message(*[GOOD] * 501), "too_large"),
        (b" " * (MAX_BYTES + 1), "too_large"),
        (b"[" * 1_100 + b"]" * 1_100, "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "too_deep"),
        (message(GOOD, note=json.loads("[" * 20 + "]" * 20)), "too_deep"),
    ],
)
def test_message_that_cannot_be_read(payload: bytes, reason: str) -> None:
    """Nothing of it is stored, and the reason is the contract's."""
    assert reason_of(payload) == reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":NaN}', "non_finite"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":-Infinity}', "non_finite"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":1e400}', "non_finite"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":1001}', "out_of_range"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":18446744073709551616}', "out_of_range"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":' + "9" * 5000 + "}", "out_of_range"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":"2.1"}', "bad_record"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":true}', "bad_record"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":null}', "bad_record"),
        ('{"at":"2026-11-23T08:00:00Z"}', "bad_record"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":1,"probe":"a\\u0000b"}', "nul_character"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":1,"probe":"\\ud83d"}', "bad_utf8"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":1,"probe":"' + "x" * 129 + '"}', "out_of_range"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":1,"humidity_pct":101}', "out_of_range"),
        ("[]", "bad_record"),
        ("null", "bad_record"),
        ("7", "bad_record"),
        ('{"temperature_c":1}', "no_time"),
        ('{"at":null,"temperature_c":1}', "no_time"),
        ('{"at":"yesterday","temperature_c":1}', "bad_record"),
        ('{"at":"2026-11-23T08:00:00","temperature_c":1}', "bad_record"),
        ('{"at":1.5,"temperature_c":1}', "bad_record"),
        ('{"at":true,"temperature_c":1}', "bad_record"),
        ('{"at":"1970-01-01T00:00:00Z","temperature_c":1}', "clock_out_of_range"),
        ('{"at":"9999-12-31T23:59:59Z","temperature_c":1}', "clock_out_of_range"),
        ('{"at":"0001-01-01T00:00:00+14:00","temperature_c":1}', "clock_out_of_range"),
        ('{"at":"10000-01-01T00:00:00Z","temperature_c":1}', "clock_out_of_range"),
        ('{"at":"infinity","temperature_c":1}', "clock_out_of_range"),
        ('{"at":1795420800,"temperature_c":1}', "clock_out_of_range"),
        ('{"at":1795420800000000000,"temperature_c":1}', "clock_out_of_range"),
        ('{"at":9223372036854775808,"temperature_c":1}', "clock_out_of_range"),
        ('{"at":18446744073709551616,"temperature_c":1}', "clock_out_of_range"),
        ('{"at":18446744073709551616,"temperature_c":NaN}', "non_finite"),
        ('{"uptime_ms":18446744073709551616,"temperature_c":1}', "out_of_range"),
        ('{"at":"2026-11-24T08:00:01Z","temperature_c":1}', "clock_out_of_range"),
        ('{"at":"2025-11-22T07:59:59Z","temperature_c":1}', "clock_out_of_range"),
        ('{"uptime_ms":-1,"temperature_c":1}', "out_of_range"),
        ('{"uptime_ms":1.5,"temperature_c":1}', "bad_record"),
        ('{"uptime_ms":"1","temperature_c":1}', "bad_record"),
        ('{"at":"2026-11-23T08:00:00Z","temperature_c":1,"x":' + "[" * 14 + "]" * 14 + "}", "too_deep"),
    ],
)
def test_bad_record_among_good_ones(raw: str, reason: str) -> None:
    """The reason is the record's own; its neighbours are read."""
    got = read(around(raw))
    assert [(refusal.reason, refusal.record_index) for refusal in got.refusals] == [(reason, 1)]
    assert numbers(got) == [0, 2]


def test_record_too_deep_beside_one_that_is_no_number() -> None:
    """On the slow way, too, each costs itself only."""
    payload = around('{"at":"2026-11-23T08:00:00Z","temperature_c":1,"x":' + "[" * 14 + "]" * 14 + "}")
    got = read(payload.replace(b"2.1", b"NaN", 1))
    assert [(refusal.reason, refusal.record_index) for refusal in got.refusals] == [("non_finite", 0), ("too_deep", 1)]


def test_bytes_that_are_no_utf8_inside_one_record() -> None:
    """They cost that record only."""
    payload = around('{"at":"2026-11-23T08:00:00Z","temperature_c":1,"probe":"PROBE"}').replace(b"PROBE", b"\xff\xfe")
    got = read(payload)
    assert [(refusal.reason, refusal.record_index) for refusal in got.refusals] == [("bad_utf8", 1)]


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**63, 2**64])
def test_integer_beyond_its_column_is_never_rounded(value: int) -> None:
    """A weight that no int4 holds is out of range."""
    got = read(message({**WEIGHED, "net_g": value}), "weighing")
    assert [refusal.reason for refusal in got.refusals] == ["out_of_range"]


def test_unknown_fields_are_ignored_and_counted() -> None:
    """In the envelope and in the records; NUL in one of them harms nobody."""
    got = read(message({**GOOD, "colour": "red", "note": "\u0000"}, GOOD, extra=1, sent_at="2026-11-23T08:00:00Z"))
    assert (got.unknown_fields, len(got.indexes)) == (3, 2)


def test_duplicate_keys_the_last_one_wins() -> None:
    """As in every parser; documented in the contract's bad inputs."""
    got = read(around('{"at":"2026-11-23T08:00:00Z","temperature_c":1,"temperature_c":5}'))
    assert got.readings[1][1] == 5.0


def test_time_as_milliseconds_and_with_any_offset() -> None:
    """Integer milliseconds and text with an offset mean the same instant."""
    stamp = int(NOW.timestamp() * 1000)
    got = read(message({**GOOD, "at": stamp}, {**GOOD, "at": "2026-11-23T16:00:00.000+08:00"}))
    assert [at for at, *_ in got.readings] == [NOW, NOW]


def test_edges_of_the_window_are_accepted() -> None:
    """365 days back and 24 h ahead are inside."""
    edges = [(NOW - timedelta(days=365)).isoformat(), (NOW + timedelta(hours=24)).isoformat()]
    assert len(read(message(*[{**GOOD, "at": at} for at in edges])).indexes) == 2


def test_highest_sequence_number() -> None:
    """2^63 - 1 is a sequence number; the record after it has none."""
    got = read(message(GOOD, GOOD, seq=2**63 - 1))
    assert numbers(got) == [2**63 - 1]
    assert [refusal.reason for refusal in got.refusals] == ["out_of_range"]


@pytest.mark.parametrize("payload", [b'{"v":1,"boot":"b","state":"asleep"}', b'{"v":1,"state":"online"}', b"x"])
def test_presence_that_tells_nothing(payload: bytes) -> None:
    """Neither a birth nor a death."""
    with pytest.raises(Refused):
        decode_presence(payload)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(["at", "uptime_ms", *COLDCHAIN.columns, *TELEMETRY["weighing"].columns, "other"])
records = st.dictionaries(fields, json_values, max_size=8) | json_values | st.just(GOOD)
messages = st.fixed_dictionaries(
    {
        "v": st.just(1) | json_values,
        "boot": st.just("b1") | json_values,
        "seq": st.integers(0, 2**63 - 1) | json_values,
        "records": st.lists(records, max_size=6) | json_values,
    }
).map(lambda body: json.dumps(body).encode("utf-8", "surrogatepass"))


@settings(max_examples=400, deadline=None)
@given(payload=st.binary(max_size=200) | messages, stream=st.sampled_from(sorted(TELEMETRY)))
def test_whatever_comes_ends_in_one_class(payload: bytes, stream: str) -> None:
    """A message is refused with a reason of the closed set, or each of its records is a sample or a refusal, once."""
    try:
        got = decode(payload, TELEMETRY[stream], NOW)
    except Refused as refused:
        assert refused.reason in REASONS  # noqa: PT017 - both ways out are right
        return
    indexes = sorted([*got.indexes] + [refusal.record_index for refusal in got.refusals])
    assert indexes == list(range(got.records))
    assert all(refusal.reason in REASONS for refusal in got.refusals)


@settings(max_examples=200, deadline=None)
@given(record=st.tuples(st.floats(-200, 200), st.floats(0, 100)))
def test_accepted_values_are_exactly_those_sent(record: tuple[float, float]) -> None:
    """No number is rounded on its way."""
    body = {"at": "2026-11-23T08:00:00Z", "temperature_c": record[0], "humidity_pct": record[1]}
    got = read(orjson.dumps({"v": 1, "boot": "b", "seq": 0, "records": [body]}))
    assert (got.readings[0][1], got.readings[0][3]) == record


@pytest.mark.timeout(30)
def test_unclosed_text_of_quotes_is_refused_at_once() -> None:
    """Looking for its depth takes one pass; beginning again at every quote would take minutes, and a worker's life."""
    assert reason_of(b'"' + b'\\"' * 130_000) == "bad_json"


@pytest.mark.parametrize("fraction", ["1234567", "123456789", "9999999"])
def test_time_is_the_same_whatever_stands_beside_it(fraction: str) -> None:
    """A record that comes again beside a bad one must not look like another record."""
    record = {**GOOD, "at": f"2026-11-23T07:59:00.{fraction}Z"}
    assert read(message(record)).readings[0] == read(message(record, 7)).readings[0]


@pytest.mark.parametrize(
    "at",
    [
        "2026-W48-1T08:00:00Z",
        "20261123T080000Z",
        "2026-11-23T08Z",
        "2026-11-23X08:00:00Z",
        "2026-11-23T08:00:00,5Z",
        "2026-11-23T08:00:00+08:00:30",
        "2026-11-23T08:00:00.Z",
        "2026-11-23T08:00:00+08",
    ],
)
def test_what_is_no_rfc_3339_is_refused(at: str) -> None:
    """One grammar, whichever way a record is read."""
    assert [refusal.reason for refusal in read(message({**GOOD, "at": at})).refusals] == ["bad_record"]


def test_depth_of_what_is_not_read_is_bounded_too() -> None:
    """``sent_at`` is a time; brackets in its place are not gone into."""
    payload = message(GOOD).replace(b'"seq"', b'"sent_at":' + b"[" * 300 + b"]" * 300 + b',"seq"')
    assert reason_of(payload) == "too_deep"


def test_uptime_of_centuries_costs_its_record_only() -> None:
    """A broken counter must not decide when its boot was."""
    got = read(message({"uptime_ms": 5000, "temperature_c": 1.0}, {"uptime_ms": 10**13, "temperature_c": 1.0}))
    assert (numbers(got), [refusal.reason for refusal in got.refusals]) == ([0], ["out_of_range"])
