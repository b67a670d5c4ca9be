"""The axes of a device that are reckoned: metrology, freshness, and what it is worth in the books."""

from datetime import UTC, date, datetime, timedelta

import pytest

from fleet.business_day import day_of
from fleet.ledger.net_value import net_value_fen
from fleet.lifecycle import freshness, metrology
from fleet.lifecycle.metrology import Metrology, Verification

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)

VERIFIED: list[tuple[str, Verification, Metrology]] = [
    ("logger", Verification(None, None), "not_applicable"),
    ("trace_scale", Verification(None, None), "unknown"),
    ("trace_scale", Verification(None, "passed"), "unknown"),
    ("logger", Verification(None, "passed"), "unknown"),
    ("trace_scale", Verification(TODAY + timedelta(days=31), "passed"), "valid"),
    ("trace_scale", Verification(TODAY + timedelta(days=30), "passed"), "due_soon"),
    ("trace_scale", Verification(TODAY, None), "due_soon"),
    ("trace_scale", Verification(TODAY - timedelta(days=1), "passed"), "overdue"),
    ("trace_scale", Verification(TODAY + timedelta(days=300), "failed"), "failed"),
    ("trace_scale", Verification(None, "withdrawn"), "withdrawn"),
    ("logger", Verification(TODAY - timedelta(days=1), "failed"), "failed"),
]


@pytest.mark.parametrize(("kind", "verification", "expected"), VERIFIED)
def test_verification_holds_through_its_last_day(kind: str, verification: Verification, expected: Metrology) -> None:
    """Due soon from the 30th day before, overdue the day after; a result that is not passed outweighs every day."""
    assert metrology.judge(kind, verification, today=TODAY) == expected


def test_today_is_that_of_shanghai() -> None:
    """The day begins there at 16:00 UTC."""
    assert day_of(datetime(2026, 11, 22, 15, 59, tzinfo=UTC)) == date(2026, 11, 22)
    assert day_of(datetime(2026, 11, 22, 16, 0, tzinfo=UTC)) == TODAY


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, None), (0, "fresh"), (1200, "fresh"), (1201, "late"), (86_400, "late"), (86_401, "silent")],
)
def test_freshness_is_judged_by_thresholds(seconds: float | None, expected: str | None) -> None:
    """Late and silent after their seconds; nothing is said of who never spoke."""
    assert freshness.judge(seconds, late_seconds=1200, silent_seconds=86_400) == expected


def test_seconds_since_heard_are_never_negative() -> None:
    """A clock that runs ahead makes nobody heard in the future."""
    assert freshness.since_heard(None, now=NOW) is None
    assert freshness.since_heard(NOW - timedelta(seconds=90), now=NOW) == 90
    assert freshness.since_heard(NOW + timedelta(seconds=90), now=NOW) == 0


@pytest.mark.parametrize(
    ("original", "months", "acquired", "expected"),
    [
        (600_000, 60, date(2026, 11, 1), 600_000),
        (600_000, 60, date(2026, 10, 31), 590_000),
        (600_000, 60, date(2021, 12, 5), 10_000),
        (600_000, 60, date(2021, 11, 30), 0),
        (600_000, 60, date(2000, 1, 1), 0),
        (600_000, 60, date(2027, 3, 1), 600_000),
        (100, 3, date(2026, 10, 1), 67),
        (1, 2, date(2026, 10, 1), 1),
        (0, 60, date(2020, 1, 1), 0),
        (None, 60, date(2020, 1, 1), None),
        (600_000, None, date(2020, 1, 1), None),
        (600_000, 60, None, None),
    ],
)
def test_net_value_falls_by_whole_months(
    original: int | None, months: int | None, acquired: date | None, expected: int | None
) -> None:
    """From the month after acquisition, never above the original value nor below nothing, to the nearest fen."""
    assert net_value_fen(original, months, acquired, today=TODAY) == expected
