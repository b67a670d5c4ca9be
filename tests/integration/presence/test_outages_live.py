"""Outages as they begin and end: one of a site, not one of each device; one of ours, not one of each site."""

from datetime import datetime, timedelta

import pytest

from fleet.errors import RefusedError, UnknownEntryError
from fleet.presence.outages import declare, detect, dismiss, end, open_outages, overdue
from tests.integration.days.conftest import DAY, LONG_AGO, World, at

HOURS = "1-7 06:00-18:00"


def speak(world: World, now: datetime, *prefixes: str) -> None:
    """All devices whose numbers begin so are heard, one after the other within five minutes before *now*."""
    for prefix in prefixes:
        world.connection.execute(
            "INSERT INTO device_presence (device_id, boot_id, boot_at, state, state_at, told_at, last_heard_at)"
            " SELECT device_id, 1, %(ago)s, 'online', %(ago)s, %(now)s, %(now)s - device_id %% 5 * INTERVAL '1 minute'"
            " FROM devices WHERE starts_with(device_no, %(prefix)s)"
            " ON CONFLICT (device_id) DO UPDATE SET last_heard_at = excluded.last_heard_at",
            {"now": now, "ago": LONG_AGO, "prefix": prefix},
        )


def stalls(world: World, site_no: str, count: int = 10, hours: str | None = HOURS) -> None:
    """A site with so many scales, whose numbers begin with the site's."""
    world.site(site_no, hours)
    for number in range(count):
        world.device(f"{site_no}-{number}", site_no)


def standing(world: World) -> list[tuple[str, datetime]]:
    """Whom the outages that last concern, and since when."""
    return [(outage.subject, outage.began_at) for outage in open_outages(world.connection)]


def events(world: World) -> list[tuple[object, ...]]:
    """What was told."""
    return world.connection.execute("SELECT kind, subject FROM events ORDER BY event_id").fetchall()


@pytest.fixture
def city(world: World) -> World:
    """Three markets; all that is there is heard at ten."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
    speak(world, at(9, 59), "A", "B", "C")
    return world


def test_site_that_falls_silent_is_one_outage(city: World) -> None:
    """Since the first slot without a word, found when it lasted three; over with half of the devices back."""
    speak(city, at(10, 14, 59), "B", "C")
    assert detect(city.connection, now=at(10, 14, 59)) == []
    speak(city, at(10, 15), "B", "C")
    assert [outage.site_no for outage in detect(city.connection, now=at(10, 15))] == ["A"]
    assert detect(city.connection, now=at(10, 16)) == []
    assert standing(city) == [("A", at(10))]
    speak(city, at(10, 40), "A-0", "A-1", "A-2", "A-3", "B", "C")
    detect(city.connection, now=at(10, 41))
    assert standing(city) == [("A", at(10))]
    speak(city, at(10, 41), "A-4")
    detect(city.connection, now=at(10, 42))
    assert standing(city) == []
    assert city.value("SELECT ended_at FROM outages") == at(10, 42)
    assert city.value("SELECT evidence ->> 'silent' FROM outages") == "10"
    assert events(city) == [("outage.began", "A"), ("outage.ended", "A")]


@pytest.mark.parametrize("back", [1, 7])
def test_devices_that_fall_silent_are_no_outage(city: World, back: int) -> None:
    """One, or a few of many."""
    for minute in (10, 20):
        speak(city, at(10, minute), "B", "C", *(f"A-{number}" for number in range(back + 2)))
    detect(city.connection, now=at(10, 20))
    assert standing(city) == []


def test_devices_switched_off_one_by_one_are_no_outage(city: World) -> None:
    """They did not fall silent together."""
    for number in range(10):
        now = at(10) + timedelta(minutes=10 * number)
        speak(city, now, "B", "C", *(f"A-{left}" for left in range(number, 10)))
        detect(city.connection, now=now)
        assert standing(city) == []


def test_closing_is_no_outage(city: World) -> None:
    """Neither in the evening, nor in the morning, nor on a day of the festival."""
    for site_no, first in (("A", 1), ("B", 1), ("C", 1)):
        site_id = city.value("SELECT site_id FROM sites WHERE site_no = %s", site_no)
        days = {"begins_on": DAY + timedelta(days=first), "ends_on": DAY + timedelta(days=7)}
        city.add("site_closures", site_id=site_id, kind="holiday", reason="春节", **days)
    speak(city, at(17, 59), "A", "B", "C")
    for now in (at(18, 30), at(23), at(24 + 6, 30), at(24 + 12), at(24 * 8 + 6, 30)):
        detect(city.connection, now=now)
        assert standing(city) == []


def test_morning_without_a_word_is_no_outage(city: World) -> None:
    """Nobody has been heard since it opened: it may have opened late."""
    speak(city, at(17, 59), "A", "B", "C")
    detect(city.connection, now=at(24 + 6, 30))
    assert standing(city) == []


def test_all_sites_out_are_an_outage_of_ours(city: World) -> None:
    """Nothing comes from anybody: one outage, over with the first word, not one of each site."""
    detect(city.connection, now=at(10, 20))
    assert standing(city) == [("platform", at(10))]
    stats = {"worker": "w", "stream": "status", "messages": 1, "received": 1, "stored": 1}
    zeros = {"duplicate": 0, "conflict": 0, "dead_lettered": 0, "late": 0}
    city.add("ingest_stats", bucket_at=at(11), **stats, **zeros)
    speak(city, at(11), "A-1")
    detect(city.connection, now=at(11, 1))
    assert standing(city) == [("platform", at(10))]
    speak(city, at(11, 10), "A", "B", "C")
    detect(city.connection, now=at(11, 15))
    assert city.value("SELECT ended_at FROM outages") == at(11)
    assert events(city) == [("outage.began", "platform"), ("outage.ended", "platform")]


def test_nearly_all_sites_out_are_an_outage_of_ours(world: World) -> None:
    """Nine of ten, of which one was found before: what was one of the site is put aside."""
    for number in range(10):
        stalls(world, f"X{number}", 3)
    speak(world, at(9, 54), "X1")
    speak(world, at(9, 59), *(f"X{number}" for number in range(10) if number != 1))
    speak(world, at(10, 10), *(f"X{number}" for number in range(10) if number not in (1, 2)))
    detect(world.connection, now=at(10, 15))
    assert standing(world) == [("X1", at(9, 55)), ("X2", at(10))]
    speak(world, at(10, 26), "X0")
    detect(world.connection, now=at(10, 30))
    assert standing(world) == [("platform", at(9, 55))]
    assert world.value("SELECT count(*) FROM outages WHERE dismissed_at IS NOT NULL") == 2


def test_site_that_was_out_before_stays_out(world: World) -> None:
    """The others' outage is neither drawn back to its beginning, nor does it take its excuse away."""
    for site_no in ("A", "B", "C"):
        stalls(world, site_no)
    speak(world, at(9, 59), "A", "B", "C")
    speak(world, at(10, 14), "B", "C")
    detect(world.connection, now=at(10, 15))
    assert standing(world) == [("A", at(10))]
    speak(world, at(13, 59), "B", "C")
    detect(world.connection, now=at(14, 15))
    assert standing(world) == [("A", at(10)), ("platform", at(14))]


def test_sites_that_go_out_hours_apart_are_two_outages(world: World) -> None:
    """Both of all sites are out then, and yet nothing happened to us."""
    for site_no in ("A", "B"):
        stalls(world, site_no)
    stalls(world, "X", 1, None)
    speak(world, at(9, 59), "A", "B", "X")
    speak(world, at(10, 14), "B", "X")
    detect(world.connection, now=at(10, 15))
    speak(world, at(13, 59), "B", "X")
    speak(world, at(14, 14), "X")
    detect(world.connection, now=at(14, 15))
    assert standing(world) == [("A", at(10)), ("B", at(14))]


def test_no_worker_is_an_outage_of_ours(city: World) -> None:
    """Within a minute, and for a short one as well; a worker that is well and silence at night are none."""
    worker = {"worker": "w", "started_at": at(0), "unacknowledged": 0}
    city.add("workers", heartbeat_at=at(10), connected=True, **worker)
    detect(city.connection, now=at(10, 0, 59))
    assert standing(city) == []
    city.connection.execute("UPDATE workers SET connected = false, heartbeat_at = %s", (at(10, 2),))
    detect(city.connection, now=at(10, 2))
    assert standing(city) == [("platform", at(10))]
    city.connection.execute("UPDATE workers SET connected = true, heartbeat_at = %s", (at(10, 3),))
    speak(city, at(10, 9), "A", "B", "C")
    detect(city.connection, now=at(10, 10))
    assert standing(city) == [("platform", at(10))]


def test_site_that_is_silent_for_a_week_is_out_no_more(city: World) -> None:
    """It is gone, and its devices answer for themselves again."""
    speak(city, at(10, 15), "B", "C")
    detect(city.connection, now=at(10, 15))
    speak(city, at(24 * 7 + 9), "B", "C")
    detect(city.connection, now=at(24 * 7 + 9))
    assert standing(city) == [("A", at(10))]
    assert [outage.site_no for outage in overdue(city.connection, now=at(34, 1))] == ["A"]
    speak(city, at(24 * 7 + 10), "B", "C")
    detect(city.connection, now=at(24 * 7 + 10, 1))
    assert standing(city) == []
    assert city.value("SELECT ended_at FROM outages") == at(24 * 7 + 10)


def test_declared_outage_is_not_found_again(city: World) -> None:
    """Nor ended by anybody but who declared it."""
    known = declare(city.connection, "site", "A", at(9, 50), None, "停电", now=at(10, 1))
    speak(city, at(10, 15), "B", "C")
    detect(city.connection, now=at(10, 15))
    speak(city, at(10, 30), "A", "B", "C")
    detect(city.connection, now=at(10, 30))
    assert standing(city) == [("A", at(9, 50))]
    assert end(city.connection, known.outage_id, now=at(10, 31)).ended_at == at(10, 31)


def test_days_that_an_outage_touches_are_rolled_up_anew(city: World) -> None:
    """Declared, ended or dismissed: what is expected has changed."""
    city.connection.execute("INSERT INTO rolled_days VALUES (%s, %s, 0, 0)", (DAY, at(40)))
    query = "SELECT rolled_at < '1971-01-01' FROM rolled_days"
    known = declare(city.connection, "site", "A", at(9), at(10), "停电", now=at(41))
    assert city.value(query)
    city.connection.execute("UPDATE rolled_days SET rolled_at = %s", (at(41),))
    dismiss(city.connection, known.outage_id, now=at(42))
    assert city.value(query)


def test_outage_is_refused(city: World) -> None:
    """What is not known, not yet, over, declared twice, or dismissed twice."""
    connection, now = city.connection, at(12)
    for scope, site_no in (("site", None), ("platform", "A")):
        with pytest.raises(RefusedError, match="names"):
            declare(connection, scope, site_no, at(9), None, "x", now=now)  # type: ignore[arg-type]
    with pytest.raises(UnknownEntryError, match="no site"):
        declare(connection, "site", "Z", at(9), None, "x", now=now)
    with pytest.raises(RefusedError, match="planned"):
        declare(connection, "site", "A", at(13), None, "x", now=now)
    with pytest.raises(RefusedError, match="planned"):
        declare(connection, "site", "A", at(9), at(13), "x", now=now)
    with pytest.raises(RefusedError, match="after it has begun"):
        declare(connection, "site", "A", at(9), at(8), "x", now=now)
    known = declare(connection, "site", "A", at(9), None, "x", now=now)
    with pytest.raises(RefusedError, match="still lasts"):
        declare(connection, "site", "A", at(10), None, "x", now=now)
    with pytest.raises(RefusedError, match="after it has begun"):
        end(connection, known.outage_id, ended_at=at(8), now=now)
    end(connection, known.outage_id, now=now)
    with pytest.raises(RefusedError, match="is over since"):
        end(connection, known.outage_id, now=now)
    dismiss(connection, known.outage_id, now=now)
    with pytest.raises(RefusedError, match="dismissed already"):
        dismiss(connection, known.outage_id, now=now)
    with pytest.raises(UnknownEntryError, match="no outage"):
        end(connection, 10**6, now=now)
