"""How far a programme is at the end of a day: its figures, the cases under way, what holds it up, the burn-down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.audit.history import end_of
from fleet.business_day import SHANGHAI
from fleet.errors import RefusedError
from fleet.programmes.blockers import Blocker, blockers_of
from fleet.programmes.forecast import LATELY_DAYS, Forecast, forecast
from fleet.programmes.programme import Programme
from fleet.programmes.standing import FIGURES, STEPS, groups, parameters

Step = Literal["day", "week"]
WEEK_DAYS: Final = 7
LONGEST_SERIES: Final = 1100


@dataclass(frozen=True, slots=True)
class Figures:
    """*devices* came into scope by *day*, *retired* of them are gone; *rate* is 淘汰完成率, None without a target.

    *target* is the programme's, or all of scope. *rate* may be more than 1.
    """

    day: date
    devices: int
    target: int
    retired: int
    remaining: int
    rate: float | None
    forecast: Forecast | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A programme at the end of a day. *cases*: devices not retired, by the state of their newest case."""

    figures: Figures
    cases: dict[str, int]
    blockers: list[Blocker]


@dataclass(frozen=True, slots=True)
class Point:
    """The burn-down at the end of *day*. *even*: what would be left if the same number went each day."""

    day: date
    devices: int
    target: int
    retired: int
    remaining: int
    even: float


def progress(connection: Connection[Any], programme: Programme, day: date) -> Progress:
    """How far it is at the end of *day*; after its end, as it was then."""
    standing = groups(connection, programme, day)
    [figures] = figures_of(connection, [programme], day)
    cases: dict[str, int] = {}
    for group in standing:
        if group["case_state"] is not None and not group["is_done"]:
            cases[group["case_state"]] = cases.get(group["case_state"], 0) + group["devices"]
    return Progress(figures, dict(sorted(cases.items())), blockers_of(standing))


def figures_of(connection: Connection[Any], programmes: Sequence[Programme], day: date) -> list[Figures]:
    """The figures of each of *programmes* at the end of *day*, in their order."""
    days = [programme.judged_on(day) for programme in programmes]
    asked = {
        "programme_ids": [programme.programme_id for programme in programmes],
        "ends": [end_of(judged) for judged in days],
        "sinces": [datetime.combine(judged - timedelta(days=LATELY_DAYS - 1), time.min, SHANGHAI) for judged in days],
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        found = {row["programme_id"]: row for row in cursor.execute(FIGURES, asked)}
    return [_figures(one, judged, found.get(one.programme_id)) for one, judged in zip(programmes, days, strict=True)]


def _figures(programme: Programme, day: date, row: Mapping[str, Any] | None) -> Figures:
    devices, retired, lately = (row["devices"], row["retired"], row["lately"]) if row else (0, 0, 0)
    target = devices if programme.target is None else programme.target
    remaining = max(target - retired, 0)
    ahead = forecast(
        begins_on=programme.begins_on,
        due_on=programme.due_on,
        day=day,
        remaining=remaining,
        retired=retired,
        retired_lately=lately,
    )
    return Figures(day, devices, target, retired, remaining, retired / target if target else None, ahead)


def series(
    connection: Connection[Any], programme: Programme, first: date, last: date, *, step: Step = "day"
) -> list[Point]:
    """The burn-down from *first* to *last*, within the programme's own days; weeks end on Sundays, and with *last*.

    Raises RefusedError for a span that is upside down or longer than three years.
    """
    if not 0 <= (last - first).days < LONGEST_SERIES:
        raise RefusedError(f"a series goes from a day to a later one, over at most {LONGEST_SERIES} days.")
    first, last = max(first, programme.begins_on), programme.judged_on(last)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(STEPS, parameters(programme, last)).fetchall()
    points = burn_down(programme, rows, first, last)
    return (
        points
        if step == "day"
        else [point for point in points if point.day.isoweekday() == WEEK_DAYS or point.day == last]
    )


def burn_down(programme: Programme, steps: Sequence[Mapping[str, Any]], first: date, last: date) -> list[Point]:
    """A point for each day from *first* to *last*. *steps* are rows of STEPS, in the order of their days. Pure."""
    points, devices, retired, place = [], 0, 0, 0
    for day in (first + timedelta(days=days) for days in range((last - first).days + 1)):
        while place < len(steps) and steps[place]["day"] <= day:
            devices, retired = devices + steps[place]["entered"], retired + steps[place]["retired"]
            place += 1
        target = devices if programme.target is None else programme.target
        points.append(Point(day, devices, target, retired, max(target - retired, 0), _even(programme, day, target)))
    return points


def _even(programme: Programme, day: date, target: int) -> float:
    whole = (programme.due_on - programme.begins_on).days + 1
    gone = (day - programme.begins_on).days + 1
    return round(target * max(1 - gone / whole, 0), 1)
