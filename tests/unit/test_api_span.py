"""Spans: defaults, bounds, alignment, the rest after a page."""

from datetime import UTC, datetime, timedelta

import pytest

from api.problems import BAD_SPAN, ProblemError
from api.span import AHEAD, LONGEST, Span, resolve

NOW = datetime(2026, 11, 23, 8, 2, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def test_span_when_nothing_is_given() -> None:
    """The last hour, and 5 minutes for clocks that run ahead."""
    assert resolve(None, None, NOW) == Span(from_at=NOW - HOUR, to_at=NOW + AHEAD)


def test_span_when_one_bound_is_given() -> None:
    """Up to now from a start; an hour before an end."""
    assert resolve(NOW - 3 * HOUR, None, NOW) == Span(from_at=NOW - 3 * HOUR, to_at=NOW + AHEAD)
    assert resolve(None, NOW - 3 * HOUR, NOW) == Span(from_at=NOW - 4 * HOUR, to_at=NOW - 3 * HOUR)


def test_span_when_it_is_as_long_as_may_be() -> None:
    """400 days to the microsecond."""
    assert resolve(NOW - LONGEST, NOW, NOW).length == LONGEST


@pytest.mark.parametrize(
    ("from_at", "to_at"),
    [
        (NOW, NOW),
        (NOW, NOW - HOUR),
        (NOW - LONGEST - timedelta(microseconds=1), NOW),
        (NOW + HOUR, None),
        (FIRST, None),
        (None, FIRST),
        (LAST, None),
    ],
)
def test_span_is_refused(from_at: datetime | None, to_at: datetime | None) -> None:
    """Empty, upside down, too long, or nothing left of the calendar."""
    with pytest.raises(ProblemError) as refused:
        resolve(from_at, to_at, NOW)
    assert refused.value.kind is BAD_SPAN


def test_span_at_the_ends_of_the_calendar() -> None:
    """An hour before the beginning of time is the beginning of time."""
    assert resolve(None, FIRST + HOUR / 2, NOW).from_at == FIRST
    assert resolve(LAST - HOUR, LAST, NOW).aligned(HOUR).from_at.minute == 0


def test_aligned_moves_the_start_back_to_a_whole_step() -> None:
    """And leaves a whole one where it is."""
    span = Span(from_at=NOW, to_at=NOW + HOUR)
    assert span.aligned(timedelta(minutes=5)).from_at == NOW.replace(minute=0, second=0)
    assert span.aligned(timedelta(days=1)).from_at == NOW.replace(hour=0, minute=0, second=0)
    whole = Span(from_at=NOW.replace(minute=0, second=0), to_at=NOW)
    assert whole.aligned(HOUR) == whole


def test_beyond_keeps_the_instant_of_the_position() -> None:
    """Others may share it; the row comparison leaves out what was shown."""
    span = Span(from_at=NOW, to_at=NOW + HOUR)
    at = NOW + HOUR / 2
    assert (span.beyond(at, "asc").from_at, span.beyond(at, "asc").to_at) == (at, span.to_at)
    assert (span.beyond(at, "desc").from_at, span.beyond(at, "desc").to_at) == (NOW, at + timedelta(microseconds=1))
