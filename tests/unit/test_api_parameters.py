"""Instants as parameters: RFC 3339 with an offset, and nothing else."""

from datetime import UTC, datetime

import pytest

from api.parameters import parse_instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T08:00:00Z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23t08:00:00z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T16:00:00+08:00", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-23T08:00:00.5Z", datetime(2026, 11, 23, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-23T08:00:00.123456789Z", datetime(2026, 11, 23, 8, 0, 0, 123_456, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_instant_is_understood(text: str, expected: datetime) -> None:
    """In UTC, to the microsecond."""
    found = parse_instant(text)
    assert (found, found.tzinfo) == (expected, UTC)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("2026-11-23T08:00:00", "offset"),
        ("2026-11-23", "offset"),
        ("20261123T080000Z", "offset"),
        ("2026-W48-1T08:00:00Z", "offset"),
        ("1763884800", "offset"),
        ("now", "offset"),
        ("infinity", "offset"),
        ("٢٠٢٦-11-23T08:00:00Z", "offset"),
        ("12026-11-23T08:00:00Z", "offset"),
        ("2026-11-23T08:00:00Z\n", "offset"),
        ("2026-11-23T08:00:00 08:00", "%2B"),
        ("2026-02-29T08:00:00Z", "calendar"),
        ("2026-11-23T08:00:60Z", "calendar"),
        ("0000-11-23T08:00:00Z", "calendar"),
        ("0001-01-01T00:00:00+00:01", "calendar"),
        ("9999-12-31T23:59:59-00:01", "calendar"),
        (1763884800, "RFC 3339"),
    ],
)
def test_instant_is_refused(value: object, why: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=why):
        parse_instant(value)
