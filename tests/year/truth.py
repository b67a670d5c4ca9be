"""When what is planted must be seen, reckoned from the plan alone and in another way than the product does it."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from typing import Final

from tests.year.calendar import BEGINS, DAYS, on_day, these
from tests.year.things import Habit, Site, Truth
from tests.year.world import open_time, sites

A_DAY: Final = timedelta(days=1)
DORMANT_DAYS: Final = 60
# Two thirds of them: a school is open five days a week.
DORMANT_OPEN_DAYS: Final = 40
AVAILABILITY_DAYS: Final = 30
AVAILABILITY: Final = 0.8
AVAILABILITY_OPEN_DAYS: Final = 15


def dormant(site: Site, stops: date, resumes: date | None = None, *, slots: tuple[int, ...] = ()) -> Truth:
    """It is used in *slots* until *stops*. Sixty days without use, of which the site was open on forty."""
    uses = these(slots)
    last_use = max((day for day in _days(BEGINS, stops) if _open(site)[day] & uses), default=stops - A_DAY)
    for day in _days(last_use + DORMANT_DAYS * A_DAY, on_day(DAYS)):
        window = _days(day - (DORMANT_DAYS - 1) * A_DAY, day + A_DAY)
        if sum(bool(_open(site)[past]) for past in window) >= DORMANT_OPEN_DAYS:
            return Truth("dormant", day, resumes)
    raise AssertionError(site.site_no, stops)


def unavailable(site: Site, habit_on: Callable[[date], Habit]) -> Truth:
    """Less than four fifths of thirty days heard, with at least fifteen of them open."""
    since: date | None = None
    for number in range(AVAILABILITY_OPEN_DAYS - 1, DAYS):
        day = on_day(number)
        expected, heard, open_days = 0, 0.0, 0
        for past in _days(max(BEGINS, day - (AVAILABILITY_DAYS - 1) * A_DAY), day + A_DAY):
            slots = _open(site)[past].bit_count()
            habit = habit_on(past)
            expected += slots
            open_days += slots > 0
            heard += slots * (1 - habit.loss) * habit.is_linked
        if open_days < AVAILABILITY_OPEN_DAYS:
            continue
        if since is None and heard < AVAILABILITY * expected:
            since = day
        elif since is not None and heard > AVAILABILITY * expected:
            return Truth("unavailable", since, day, grace=4, early=2)
    assert since is not None
    return Truth("unavailable", since, grace=4, early=2)


def _days(first: date, end: date) -> list[date]:
    return [first + n * A_DAY for n in range((end - first).days)]


def _open(site: Site) -> dict[date, int]:
    return _openings()[site.site_no]


@cache
def _openings() -> dict[str, dict[date, int]]:
    year = _days(BEGINS - DORMANT_DAYS * A_DAY, on_day(DAYS))
    return {site.site_no: {day: open_time(site, day) if day >= BEGINS else 0 for day in year} for site in sites()}
