"""Outages found in the slots of a day, whether fleet ran or not."""

from datetime import datetime, timedelta

import pytest

from fleet.presence.outages import detect_day
from tests.integration.days.conftest import DAY, LATER, World, at, slot
from tests.integration.presence.test_outages_live import stalls

NEXT = DAY + timedelta(days=1)


def heard(world: World, site_no: str, *spans: tuple[int, int], count: int = 10) -> None:
    """The first *count* devices of a site were heard in these hours of the day."""
    for number in range(count):
        for first, end in spans:
            for day in range(first // 24, (end - 1) // 24 + 1):
                begins, ends = max(first - 24 * day, 0), min(end - 24 * day, 24)
                world.heard(f"{site_no}-{number}", slot(begins), slot(ends), DAY + timedelta(days=day))


def outages(world: World) -> list[tuple[object, ...]]:
    """Whom they concern, from when until when."""
    query = (
        "SELECT coalesce(site_no, scope), began_at, ended_at FROM outages LEFT JOIN sites USING (site_id)"
        " WHERE dismissed_at IS NULL ORDER BY began_at, site_no"
    )
    return world.connection.execute(query.encode()).fetchall()


@pytest.fixture
def city(world: World) -> World:
    """Four markets that are open from six to six; B, C and D are well all day."""
    for site_no in ("A", "B", "C", "D"):
        stalls(world, site_no)
    for site_no in ("B", "C", "D"):
        heard(world, site_no, (6, 18))
    return world


def test_site_that_fell_silent_is_one_outage(city: World) -> None:
    """From the first slot without a word to the one in which half are back; once, however often the day is rolled."""
    heard(city, "A", (6, 10), (13, 18))
    city.roll()
    city.roll()
    assert outages(city) == [("A", at(10), at(13))]
    assert city.day("A-0", "expected_slots", "online_slots") == (9 * 12, 9 * 12)
    assert city.day("B-0", "expected_slots") == 12 * 12


def test_some_devices_that_fell_silent_are_none(city: World) -> None:
    """Seven of ten are too few; so are all of two."""
    heard(city, "A", (6, 10))
    heard(city, "A", (10, 18), count=3)
    stalls(city, "E", 2)
    heard(city, "E", (6, 10), count=2)
    city.roll()
    assert outages(city) == []
    assert city.day("A-9", "expected_slots", "online_slots") == (12 * 12, 4 * 12)


def test_closing_is_no_outage_afterwards(world: World) -> None:
    """All sites are heard while they are open, and not on the days of the festival."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
        heard(world, site_no, (6, 18), (30, 32))
        site_id = world.value("SELECT site_id FROM sites WHERE site_no = %s", site_no)
        days = {"begins_on": NEXT, "ends_on": NEXT + timedelta(days=6)}
        world.add("site_closures", site_id=site_id, kind="holiday", reason="春节", **days)
    for days_after in range(3):
        world.roll(DAY + timedelta(days=days_after))
    assert outages(world) == []
    assert world.day("A-0", "expected_slots", "online_slots") == (144, 144)
    assert world.day("A-0", "expected_slots", "heard_slots", day=NEXT) == (0, 24)


def test_nobody_heard_is_an_outage_of_ours(world: World) -> None:
    """One, and none of the sites."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
        heard(world, site_no, (6, 10), (12, 18))
    world.roll()
    world.roll()
    assert outages(world) == [("platform", at(10), at(12))]
    assert world.day("A-0", "expected_slots", "online_slots") == (120, 120)


def test_outage_that_began_in_the_night_is_found_by_the_day_before(world: World) -> None:
    """All were closed when we went, and open for two hours when we came back: nobody is blamed for them."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
        heard(world, site_no, (6, 18), (32, 42))
    for _ in range(2):
        world.roll(DAY)
        world.roll(NEXT, now=LATER + timedelta(days=9))
    assert outages(world) == [("platform", at(24), at(32))]
    assert world.day("A-0", "expected_slots", "online_slots", day=NEXT) == (120, 120)


def test_late_risers_are_no_outage(world: World) -> None:
    """Devices that are switched on two hours after their site opens are so every day."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
        heard(world, site_no, (8, 18), (32, 42))
    world.roll(DAY)
    world.roll(NEXT, now=LATER + timedelta(days=9))
    assert outages(world) == []
    assert world.day("A-0", "expected_slots", "online_slots", day=NEXT) == (144, 120)


def test_nearly_everybody_silent_is_an_outage_of_ours(world: World) -> None:
    """Nine of ten sites, so that somebody was heard all the time."""
    for number in range(10):
        stalls(world, f"X{number}", 3)
        heard(world, f"X{number}", (6, 18) if number == 0 else (6, 10), count=3)
        heard(world, f"X{number}", (12, 18), count=3)
    world.roll()
    assert outages(world) == [("platform", at(10), at(12))]


def test_what_was_known_is_not_found_again(city: World) -> None:
    """It is drawn out to what the slots show; a declared one that covers it and a dismissed one stay as they are."""
    for site_no in ("A", "E", "F"):
        if site_no != "A":
            stalls(city, site_no)
        heard(city, site_no, (6, 10), (13, 18))
        site_id = city.value("SELECT site_id FROM sites WHERE site_no = %s", site_no)
        more = {
            "A": {"source": "detected", "began_at": at(10, 5), "ended_at": at(12)},
            "E": {"source": "declared", "began_at": at(9, 50), "ended_at": at(14)},
            "F": {"source": "detected", "began_at": at(10), "ended_at": at(13), "dismissed_at": at(14)},
        }
        city.add("outages", scope="site", site_id=site_id, reason="x", **more[site_no])
    city.roll()
    assert outages(city) == [("E", at(9, 50), at(14)), ("A", at(10), at(13))]
    assert city.value("SELECT count(*) FROM outages") == 3


@pytest.mark.parametrize("ends", [26, 48 + 8])
def test_outage_over_midnight_is_one(city: World, ends: int) -> None:
    """It is drawn out day by day, also over one on which nothing was heard."""
    city.connection.execute("UPDATE sites SET opening_hours = NULL WHERE site_no = 'A'")
    heard(city, "A", (0, 20), (ends, 72))
    for site_no in ("B", "C", "D"):
        heard(city, site_no, (30, 42), (54, 66))
    for days in range(3):
        city.roll(DAY + timedelta(days=days), now=LATER + timedelta(days=9))
    assert outages(city) == [("A", at(20), at(ends))]


def test_outage_of_ours_over_midnight_is_one(world: World) -> None:
    """It goes on until somebody is heard, over nights in which all are closed and a day on which nobody was heard."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
        heard(world, site_no, (6, 16), (56, 66))
    for days in range(3):
        world.roll(DAY + timedelta(days=days), now=LATER + timedelta(days=9))
    assert outages(world) == [("platform", at(16), at(56))]
    assert [world.day("A-0", "expected_slots", day=DAY + timedelta(days=days)) for days in range(3)] == [120, 0, 120]


def test_running_day_has_outages_that_last(city: World) -> None:
    """As far as the day is over."""
    heard(city, "A", (6, 10))
    now: datetime = at(12)
    assert [each.site_no for each in detect_day(city.connection, DAY, now=now)] == ["A"]
    assert detect_day(city.connection, DAY, now=now) == []
    assert outages(city) == [("A", at(10), None)]


@pytest.mark.parametrize(("until", "began"), [(10, 10), (18, 24)])
def test_platform_that_was_away_for_days_is_one_outage(world: World, until: int, began: int) -> None:
    """By day or in a night in which all is closed, with fleet away as well: until the first word on the third day."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
        heard(world, site_no, (6, until), (48 + 9, 48 + 18))
    for days in (0, 1, 2, 1):
        world.roll(DAY + timedelta(days=days), now=LATER + timedelta(days=9))
    assert outages(world) == [("platform", at(began), at(48 + 9))]
    assert world.day("A-0", "expected_slots", day=NEXT) == 0
    assert world.day("A-0", "expected_slots", "online_slots", day=NEXT + timedelta(days=1)) == (9 * 12, 9 * 12)


def test_days_without_a_word_are_no_outage_of_ours_where_all_is_closed(world: World) -> None:
    """Nobody would have been heard."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
        heard(world, site_no, (6, 18))
        site_id = world.value("SELECT site_id FROM sites WHERE site_no = %s", site_no)
        world.add("site_closures", site_id=site_id, begins_on=NEXT, ends_on=NEXT, kind="holiday", reason="春节")
    for day in (DAY, NEXT):
        world.roll(day)
    assert outages(world) == []


def test_sites_that_go_out_hours_apart_are_no_outage_of_ours(world: World) -> None:
    """The one that was out since the morning does not make the other's an outage of everybody since then."""
    for site_no, ends in (("A", 8), ("B", 14)):
        stalls(world, site_no)
        heard(world, site_no, (6, ends), (17, 18))
    world.roll()
    assert outages(world) == [("A", at(8), at(17)), ("B", at(14), at(17))]
