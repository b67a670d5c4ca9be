"""Bodies to lines and lines to messages: bounded, exact to the byte, and one line never costs another."""

import gzip
import json
import tracemalloc
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import ndjson
from api.problems import TOO_LARGE, UNREADABLE, Kind, ProblemError
from ingest.batch import Batch
from ingest.decode import MAX_BYTES
from ingest.refusal import REASONS, Refused
from ingest.registry import Device, Registry

NOW = datetime(2026, 11, 23, tzinfo=UTC)
HEAD = b'{"device_no":"D1","stream":"coldchain","message":'


def problem_of(call: object, *given: object, **named: object) -> Kind:
    """The kind of problem that a call raises."""
    with pytest.raises(ProblemError) as raised:
        call(*given, **named)  # type: ignore[operator]
    return raised.value.kind


def reason_of(line: bytes) -> str:
    """Why a line is refused."""
    with pytest.raises(Refused) as raised:
        ndjson.read(line)
    return raised.value.reason


def test_unpack_gives_what_was_packed() -> None:
    """In one piece or several, as gzip allows."""
    assert ndjson.unpack(gzip.compress(b"one\n")) == b"one\n"
    assert ndjson.unpack(gzip.compress(b"one\n") + gzip.compress(b"two\n")) == b"one\ntwo\n"
    assert ndjson.unpack(gzip.compress(b"")) == b""


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"plain",
        gzip.compress(b"cut off")[:-1],
        gzip.compress(b"a") + b"rubbish",
        gzip.compress(b"wrong sum")[:-8] + bytes(8),
        zlib.compress(b"not gzip"),
        gzip.compress(b"") * 1000,
    ],
    # Named, since the bytes of gzip hold the time at which they were made.
    ids=["empty", "plain", "cut off", "rubbish after", "wrong sum", "zlib", "a thousand parts"],
)
def test_unpack_refuses_what_is_broken(packed: bytes) -> None:
    """Whether from the start, at the end, or in the check sum."""
    assert problem_of(ndjson.unpack, packed) is UNREADABLE


def test_unpack_takes_the_limit_and_not_a_byte_more() -> None:
    """Over several pieces, too."""
    assert len(ndjson.unpack(gzip.compress(bytes(100)), limit=100)) == 100
    assert problem_of(ndjson.unpack, gzip.compress(bytes(101)), limit=100) is TOO_LARGE
    assert problem_of(ndjson.unpack, gzip.compress(bytes(60)) * 2, limit=100) is TOO_LARGE


def test_unpack_never_expands_a_bomb() -> None:
    """Half a gigabyte of zeros costs little more than the limit."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()
    tracemalloc.start()
    try:
        assert problem_of(ndjson.unpack, bomb, limit=1 << 20) is TOO_LARGE
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 << 20


def test_lines_keep_their_numbers_past_empty_ones() -> None:
    """Either line end; white space alone is nothing; the last line needs no end."""
    assert ndjson.lines_of(b"a\r\n\n \t\r\nb\n\nc") == [(1, b"a"), (4, b"b"), (6, b"c")]


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\t"])
def test_lines_are_refused_when_there_are_none(body: bytes) -> None:
    """Whoever sends nothing wants to know."""
    assert problem_of(ndjson.lines_of, body) is UNREADABLE


def test_lines_are_refused_beyond_their_number() -> None:
    """The last line end begins no line."""
    assert len(ndjson.lines_of(b"a\n" * ndjson.LINES_MAX)) == ndjson.LINES_MAX
    assert problem_of(ndjson.lines_of, b"a\n" * ndjson.LINES_MAX + b"a") is TOO_LARGE
    assert problem_of(ndjson.lines_of, b"\n" * (ndjson.LINES_MAX + 1)) is TOO_LARGE


@pytest.mark.parametrize(
    "message",
    [
        b'{"v": 1,  "records":[ ] }',
        b'{"t": NaN}',
        b'{"t": [-Infinity, 1e400, 1' + b"0" * 5000 + b"]}",
        b'{"t": "\xff\xfe"}',
        b'{"t": "\\ud83d"}',
        '{"名": "肉"}'.encode(),
        b"null",
        b'" { , : } "',
        b"[" * 400 + b"]" * 400,
    ],
)
@pytest.mark.parametrize("place", ["last", "first", "twice"])
def test_message_is_the_bytes_that_came(message: bytes, place: str) -> None:
    """Whatever is wrong within it is for ingest to judge, as over MQTT; of members with one name the last counts."""
    names = b'"device_no": "D1" , "stream":"coldchain"'
    line = {
        "last": b"{" + names + b', "message" : ' + message + b" } ",
        "first": b' { "message":' + message + b', "other": [NaN, "}"], ' + names + b"}",
        "twice": b'{"message":"old",' + names + b',"message":\t' + message + b"}",
    }[place]
    assert ndjson.read(line) == ("tracefleet/v1/D1/coldchain", message)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"rubbish", "bad_json"),
        (HEAD + b'{"v":1', "bad_json"),
        (b"\xef\xbb\xbf" + HEAD + b"{}}", "bad_json"),
        (b"\xff\xfe", "bad_utf8"),
        (b"[1]", "bad_message"),
        (b"null", "bad_message"),
        (b'{"device_no":"D1","stream":"coldchain"}', "bad_message"),
        (b'{"stream":"coldchain","message":{}}', "bad_topic"),
        (b'{"device_no":7,"stream":"coldchain","message":{}}', "bad_topic"),
        (b'{"device_no":"D1","stream":null,"message":{}}', "bad_topic"),
        (b'{"device_no":"D1","stream":"command","message":{}}', "bad_topic"),
        (b'{"device_no":"' + b"x" * 65 + b'","stream":"scan","message":{}}', "bad_topic"),
        (b'{"device_no":"D1","stream":"scan","message":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
        (b"x" * (2 * MAX_BYTES + 1), "too_large"),
    ],
)
def test_line_is_refused_when_nobody_could_have_sent_it(line: bytes, reason: str) -> None:
    """With a reason of the closed set."""
    assert reason_of(line) == reason


@given(st.one_of(st.binary(max_size=200), st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps)))
def test_every_line_is_read_or_refused(line: bytes | str) -> None:
    """With a reason and never by a crash; a message that stands in a line comes out as it stands."""
    given_bytes = line if isinstance(line, bytes) else line.encode()
    batch = Batch()
    ndjson.take_in(given_bytes, NOW, Registry(), batch)
    [letter] = batch.dead_letters
    assert letter.refusal.reason in set(REASONS) - {"crashed"}
    if isinstance(line, str):
        assert ndjson.read(HEAD + given_bytes + b"}")[1] == given_bytes


@given(st.text(max_size=70), st.text(max_size=70))
def test_line_with_any_names_is_one_message(device_no: str, stream: str) -> None:
    """It is counted and has its place in the batch, whoever it claims to be from: nothing is dropped in silence."""
    registry = Registry()
    registry.replace({"D1": Device(1, frozenset({"coldchain"}), retired=False)})
    batch = Batch()
    line = json.dumps({"device_no": device_no, "stream": stream, "message": {}}).encode()
    arrival, _ = ndjson.take_in(line, NOW, registry, batch)
    assert (len(batch.arrivals), [letter.arrival for letter in batch.dead_letters]) == (1, [arrival])
    assert arrival.topic == ndjson.NO_TOPIC or len(arrival.topic) < 200


def test_bad_line_is_a_dead_letter_with_its_bytes() -> None:
    """Filed where no device speaks."""
    batch = Batch()
    ndjson.take_in(b'{"device_no":"D1"', NOW, Registry(), batch)
    [letter] = batch.dead_letters
    assert (letter.arrival.topic, letter.arrival.payload) == ("http/telemetry", b'{"device_no":"D1"')
    assert (letter.refusal.reason, len(batch.arrivals), batch.records) == ("bad_json", 1, 1)
