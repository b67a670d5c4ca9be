"""What holds of decode whatever comes.

A few hundred inputs by default; ``HYPOTHESIS_PROFILE=nightly python -m pytest tests/unit/test_decode_properties.py``
draws 100,000 of every origin, and 10,000 for each of the other properties.
"""

import os
from datetime import datetime
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.decode import decode, decode_presence
from ingest.message import Message
from ingest.refusal import REASONS, Refused
from store.records import TELEMETRY
from tests.unit.decode_inputs import (
    ANY_JSON,
    BAD_VALUES,
    NOW,
    STREAMS,
    Record,
    anything,
    bad_records,
    good_records,
    message,
)

IS_NIGHTLY: Final = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
pytestmark = pytest.mark.timeout(7200 if IS_NIGHTLY else 120)
# Drawing a record of eleven optional fields is slow at first, and says nothing about decode.
QUIET: Final = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def inputs(by_day: int, nightly: int) -> settings:
    """How many are drawn."""
    return settings(max_examples=nightly if IS_NIGHTLY else by_day, deadline=None, suppress_health_check=QUIET)


def read(payload: bytes, stream: str) -> Message:
    """Decoded as if it came at NOW."""
    return decode(payload, TELEMETRY[stream], NOW)


def outcomes(got: Message) -> list[object]:
    """For each record what was read of it, or why it was refused."""
    read_: dict[int, object] = {
        index: (got.seq + index, *_clocks(moment), tuple(fields))
        for index, (moment, *fields) in zip(got.indexes, got.readings, strict=True)
    }
    return [(read_ | {one.record_index: one.reason for one in got.refusals})[index] for index in range(got.records)]


def _clocks(moment: datetime | int) -> tuple[datetime | None, int | None]:
    """A time, or what the device counted since its boot."""
    return (None, moment) if isinstance(moment, int) else (moment, None)


def outcome(payload: bytes, stream: str) -> object:
    """What becomes of a message: the outcomes of its records, or the reason for refusing it whole."""
    try:
        return outcomes(read(payload, stream))
    except Refused as refused:
        return refused.reason


@inputs(300, 100_000)
@given(drawn=st.sampled_from(STREAMS).flatmap(lambda stream: st.tuples(st.just(stream), anything(stream))))
def test_whatever_comes_ends_in_one_class(drawn: tuple[str, bytes]) -> None:
    """The message is refused with a reason of the closed set, or each of its records is read or refused, once."""
    stream, payload = drawn
    try:
        got = read(payload, stream)
    except Refused as refused:
        assert refused.reason in REASONS  # noqa: PT017 - both ways out are right
        assert refused.detail  # noqa: PT017 - the same
        return
    indexes = [*got.indexes] + [refusal.record_index for refusal in got.refusals]
    assert sorted(indexes) == list(range(got.records))
    assert all(refusal.reason in REASONS and refusal.detail for refusal in got.refusals)
    assert len(got.indexes) == len(got.readings)
    assert all(got.seq + index < 2**63 for index in got.indexes)
    assert all(len(reading) == 1 + len(TELEMETRY[stream].columns) for reading in got.readings)


@inputs(100, 10_000)
@given(
    drawn=st.sampled_from(STREAMS).flatmap(
        lambda stream: st.tuples(st.just(stream), st.lists(good_records(stream), min_size=1, max_size=3))
    ),
    seq=st.integers(0, 2**63 - 4),
    blank=st.sampled_from([b"", b" ", b"\r\n\t "]),
)
def test_good_message_is_read_as_it_was_sent(drawn: tuple[str, list[Record]], seq: int, blank: bytes) -> None:
    """Every field of every record, exactly, whatever the order of the fields and the white space between them."""
    stream, records = drawn
    got = read(message([record.raw for record in records], seq=seq, blank=blank), stream)
    expected = [(seq + n, one.at, one.uptime_ms, one.fields) for n, one in enumerate(records)]
    assert outcomes(got) == expected
    assert [(got.boot, got.seq, got.unknown_fields)] == [("b1", seq, 0)]
    for (_, *fields), record in zip(got.readings, records, strict=True):
        # 1 == 1.0 == True, which is not enough: an integer's column takes no double.
        assert [_kind(value) for value in fields] == [_kind(value) for value in _as_columns(stream, record)]


def _as_columns(stream: str, record: Record) -> list[object]:
    """The fields as the columns hold them: a whole number is a double where a double is asked for."""
    return [
        float(value) if kind == "float8" and isinstance(value, int) else value
        for kind, value in zip(TELEMETRY[stream].types, record.fields, strict=True)
    ]


def _kind(value: object) -> type[object]:
    return datetime if isinstance(value, datetime) else type(value)


@inputs(100, 10_000)
@given(
    drawn=st.sampled_from(STREAMS).flatmap(
        lambda stream: st.tuples(
            st.just(stream), st.lists(good_records(stream), min_size=1, max_size=3), bad_records(stream)
        )
    ),
    place=st.integers(0, 3),
    broken_text=st.booleans(),
)
def test_bad_record_changes_nothing_for_its_siblings(
    drawn: tuple[str, list[Record], bytes], place: int, broken_text: bool
) -> None:
    """They are read as they are without it."""
    stream, records, bad = drawn
    if broken_text:
        bad = bad.replace(b'"x"', b'"\xff"')
    raws = [record.raw for record in records]
    place = min(place, len(raws))
    got = outcomes(read(message([*raws[:place], bad, *raws[place:]]), stream))
    del got[place]
    expected = outcomes(read(message(raws), stream))
    assert [_without_seq(one) for one in got] == [_without_seq(one) for one in expected]


def _without_seq(one: object) -> object:
    return one[1:] if isinstance(one, tuple) else one


@inputs(100, 10_000)
@given(
    drawn=st.sampled_from(STREAMS).flatmap(
        lambda stream: st.tuples(
            st.just(stream),
            st.lists(bad_records(stream) | good_records(stream).map(lambda record: record.raw), min_size=1, max_size=3),
        )
    ),
    stranger=st.sampled_from(
        [b',"x":"\\u0000"', b',"x":1', b',"x":NaN', b',"x":"\\ud83d"', b',"x":1e400', b',"x":[[]]']
    ),
)
def test_field_nobody_knows_changes_nothing(drawn: tuple[str, list[bytes]], stranger: bytes) -> None:
    """The message is read another way on its account, and must be read the same."""
    stream, raws = drawn
    assert outcome(message(raws, more=stranger), stream) == outcome(message(raws), stream)


@inputs(100, 10_000)
@given(
    payload=st.binary(max_size=64)
    | ANY_JSON.map(str).map(str.encode)
    | st.tuples(*[st.sampled_from([*BAD_VALUES, "1", '"b1"', '"online"', '"offline"'])] * 3).map(
        lambda values: '{{"v":{},"boot":{},"state":{}}}'.format(*values).encode()
    )
)
def test_presence_is_told_or_refused(payload: bytes) -> None:
    """A birth or a death of a nameable boot, or a reason of the closed set."""
    try:
        told = decode_presence(payload)
    except Refused as refused:
        assert refused.reason in REASONS  # noqa: PT017 - both ways out are right
        return
    assert told.state in ("online", "offline")
    assert told.boot.isalnum()
    assert told.boot.isascii()
