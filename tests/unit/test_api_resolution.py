"""The choice of a resolution, and of the step of the ingest series."""

from datetime import timedelta

import pytest

from api.ingest_stats import POINTS_MAX, step_for
from api.problems import NO_ROLLUP, ProblemError
from api.resolution import ROLLUPS, STREAMS, Asked, Resolution, StreamName, choose
from api.shapes import BUCKETS
from api.span import LONGEST
from store.records import PRESENCE, TELEMETRY

INSTANT = timedelta(microseconds=1)
SIX_HOURS, THREE_DAYS = timedelta(hours=6), timedelta(days=3)


@pytest.mark.parametrize(
    ("stream", "length", "expected"),
    [
        ("coldchain", SIX_HOURS, "raw"),
        ("coldchain", SIX_HOURS + INSTANT, "5m"),
        ("coldchain", THREE_DAYS, "5m"),
        ("coldchain", THREE_DAYS + INSTANT, "1h"),
        ("weighing", SIX_HOURS, "raw"),
        ("weighing", SIX_HOURS + INSTANT, "1h"),
        ("scan", THREE_DAYS + INSTANT, "1h"),
        ("status", LONGEST, "raw"),
        ("presence", LONGEST, "raw"),
    ],
)
def test_resolution_is_chosen_by_length(stream: StreamName, length: timedelta, expected: Resolution) -> None:
    """On both sides of each limit."""
    assert choose(stream, "auto", length) == expected


@pytest.mark.parametrize("asked", ["raw", "5m", "1h"])
def test_resolution_is_what_was_asked_for(asked: Asked) -> None:
    """Whatever the length."""
    assert choose("coldchain", asked, LONGEST) == asked


def test_resolution_is_refused_when_the_stream_has_none() -> None:
    """The sentence names those it has."""
    with pytest.raises(ProblemError, match="weighing has no 5m roll-up; it has auto, raw, 1h") as refused:
        choose("weighing", "5m", SIX_HOURS)
    assert refused.value.kind is NO_ROLLUP


def test_streams_are_those_of_the_store() -> None:
    """No stream is forgotten here when one is added there; every roll-up has its shape."""
    assert set(STREAMS) == {*TELEMETRY, PRESENCE}
    assert set(BUCKETS) == set(ROLLUPS)


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        (timedelta(hours=1), 60),
        (timedelta(days=1), 60),
        (timedelta(days=1) + INSTANT, 300),
        (timedelta(days=5) + INSTANT, 3600),
        (timedelta(days=60) + INSTANT, 86400),
        (LONGEST, 86400),
    ],
)
def test_step_keeps_the_series_short(length: timedelta, seconds: int) -> None:
    """The finest within the bound."""
    step = step_for(length)
    assert step == timedelta(seconds=seconds)
    assert length <= POINTS_MAX * step
