"""When a site is open, slot by slot."""

from datetime import date, timedelta

import pytest

from fleet.days.rolling import roll
from tests.integration.days.conftest import DAY, LATER, World, at, slot


@pytest.mark.parametrize(
    ("hours", "runs"),
    [
        (None, [0, 288]),
        ("1-7 00:00-24:00", [0, 288]),
        ("1-5 06:00-18:00; 6,7 05:00-19:00", [72, 216]),
        # Tuesday's night reaches into Wednesday.
        ("2 22:00-03:00", [0, 36]),
        ("3 22:00-03:00", [264, 288]),
        # Whole slots alone.
        ("3 06:02-07:03", [73, 84]),
        ("3 06:00-09:00; 3 15:00-18:00", [72, 108, 180, 216]),
    ],
)
def test_hours_of_a_wednesday(world: World, hours: str | None, runs: list[int]) -> None:
    """As they are written, nights that pass midnight included."""
    world.site("M", hours)
    world.roll()
    assert world.open("M") == (runs, None)


def test_night_of_a_sunday_reaches_into_monday(world: World) -> None:
    """The week goes round."""
    world.site("M", "7 22:00-03:00")
    monday = date(2026, 6, 15)
    world.roll(monday, now=at(24 * 7))
    assert world.open("M", monday) == ([0, 36], None)


def test_day_without_open_slots_says_why(world: World) -> None:
    """Its hours, a closure on either of its days, or a site that is active no more."""
    world.site("HOURS", "1,2 06:00-18:00")
    world.site("STATUS", status="suspended")
    for name, first, last in (("FIRST", 0, 3), ("LAST", -3, 0), ("BEFORE", -3, -1), ("AFTER", 1, 3)):
        site_id = world.site(name)
        days = {"begins_on": DAY + timedelta(days=first), "ends_on": DAY + timedelta(days=last)}
        world.add("site_closures", site_id=site_id, kind="holiday", reason="春节", **days)
    world.roll()
    assert world.open("HOURS") == ([], "hours")
    assert world.open("STATUS") == ([], "status")
    assert world.open("FIRST") == world.open("LAST") == ([], "closure")
    assert world.open("BEFORE") == world.open("AFTER") == ([0, 288], None)


def test_summer_and_winter_days_are_alike(world: World) -> None:
    """Shanghai has no daylight saving: each day has 288 slots that begin at 16:00 UTC."""
    world.site("M", "1-7 00:00-12:00")
    for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 7, 1)):
        world.roll(day, now=at(24 * 300))
        assert world.open("M", day) == ([0, 144], None)


def test_slots_of_an_outage_are_excused(world: World) -> None:
    """Of the site it concerns, or of all; none where it was dismissed; an open one lasts until now."""
    one, other = world.site("ONE"), world.site("OTHER")
    world.device("D1", "ONE")
    world.device("D2", "OTHER")
    outage = {"source": "declared", "reason": "停电"}
    world.add("outages", scope="site", site_id=one, began_at=at(9, 2), ended_at=at(9, 28), **outage)
    world.add("outages", scope="platform", began_at=at(-5), ended_at=at(1), **outage)
    world.add("outages", scope="site", site_id=other, began_at=at(9), dismissed_at=at(10), **outage)
    world.add("outages", scope="site", site_id=one, began_at=at(22), **outage)
    world.roll(now=at(23))
    assert world.day("D1", "expected_slots") == slot(22) - 12 - 6
    assert world.day("D2", "expected_slots") == slot(23) - 12


def test_hours_and_status_of_today_do_not_change_what_is_past(world: World) -> None:
    """As they were when it was over; a closure filed since does, and whoever says that they were wrong."""
    world.site("M", "1-7 06:00-18:00")
    world.site("S", "1-7 06:00-18:00", status="suspended")
    world.roll(now=at(12))
    world.connection.execute("UPDATE sites SET opening_hours = '1-7 05:00-20:00' WHERE site_no = 'M'")
    world.roll(now=at(23, 59))
    world.connection.execute("UPDATE sites SET opening_hours = '1-7 00:00-24:00', status = 'active'")
    world.roll()
    assert (world.open("M"), world.open("S")) == (([60, 240], None), ([], "status"))
    site_id = world.value("SELECT site_id FROM sites WHERE site_no = 'M'")
    world.add("site_closures", site_id=site_id, begins_on=DAY, ends_on=DAY, kind="filed", reason="停业")
    world.roll()
    assert world.open("M") == ([], "closure")
    world.connection.execute("DELETE FROM site_closures")
    world.roll()
    with world.connection.transaction():
        roll(world.connection, DAY, now=LATER, present_hours=True)
    assert (world.open("M"), world.open("S")) == (([0, 288], None), ([0, 288], None))
