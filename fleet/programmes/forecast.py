"""When a programme will be done at the pace it has, and how many a week it would take to be in time. Pure."""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

LATELY_DAYS: Final = 28
# Farther ahead is never.
_FARTHEST_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class Outlook:
    """What comes of a pace: the day of completion, None where there will be none, and whether it is in time."""

    per_week: float
    done_on: date | None
    in_time: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """By the last 28 days, and by all since the beginning. *needed_per_week*: None once the due day has come."""

    lately: Outlook
    overall: Outlook
    needed_per_week: float | None


def forecast(
    *, begins_on: date, due_on: date, day: date, remaining: int, retired: int, retired_lately: int
) -> Forecast | None:
    """The forecast at the end of *day*, or None before the first day is over.

    *retired_lately* is what went in the 28 days that end with *day*; a younger programme is measured by its own days.
    """
    days = (day - begins_on).days + 1
    if days < 1:
        return None
    left = (due_on - day).days
    return Forecast(
        lately=_outlook(retired_lately / min(days, LATELY_DAYS), remaining, day, due_on),
        overall=_outlook(retired / days, remaining, day, due_on),
        needed_per_week=round(remaining * 7 / left, 1) if left > 0 else None,
    )


def _outlook(per_day: float, remaining: int, day: date, due_on: date) -> Outlook:
    if remaining == 0:
        done_on: date | None = day
    elif per_day == 0 or remaining / per_day > _FARTHEST_DAYS:
        done_on = None
    else:
        # Rounded first: 7 / (7 / 28) shall be 28 days and not one more.
        done_on = day + timedelta(days=math.ceil(round(remaining / per_day, 6)))
    return Outlook(round(per_day * 7, 1), done_on, done_on is not None and done_on <= due_on)
