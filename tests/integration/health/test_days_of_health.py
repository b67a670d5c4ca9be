"""The history of health by day."""

from datetime import date, timedelta

from fleet.health.days_of_health import close_day, close_if_over
from tests.integration.health.conftest import NOW, TODAY, Fleet

YESTERDAY = TODAY - timedelta(days=1)
DAY = timedelta(days=1)


def kept(fleet: Fleet, day: date) -> list[tuple[object, ...]]:
    """The rows of a day."""
    return fleet.connection.execute(
        "SELECT device_no, presence, score, jsonb_array_length(reasons) FROM health_days JOIN devices USING (device_id)"
        " WHERE day = %s ORDER BY device_no",
        (day,),
    ).fetchall()


def test_day_is_closed_with_what_was_known_last(fleet: Fleet) -> None:
    """Twice is as good as once."""
    ill = fleet.device("D-1", "kiosk")
    fleet.device("D-2", "kiosk")
    fleet.days(ill, 7, online_slots=200)
    fleet.evaluate()
    assert close_day(fleet.connection, TODAY) == 2
    assert kept(fleet, TODAY) == [("D-1", "online", 75, 1), ("D-2", "online", 100, 0)]
    assert close_day(fleet.connection, TODAY) == 0


def test_what_was_written_since_is_of_the_next_day(fleet: Fleet) -> None:
    """A day closed late keeps what it had of such a device."""
    device_id = fleet.device("D-1", "kiosk")
    fleet.evaluate(NOW - DAY)
    close_day(fleet.connection, YESTERDAY)
    fleet.status(device_id, backlog=9000)
    fleet.evaluate(NOW)
    assert close_day(fleet.connection, YESTERDAY) == 0
    assert kept(fleet, YESTERDAY) == [("D-1", "online", 100, 0)]


def test_day_is_closed_once_when_it_is_over(fleet: Fleet) -> None:
    """At the first round after midnight of Shanghai, and not again."""
    fleet.device("D-1", "kiosk")
    fleet.evaluate(NOW - DAY)
    assert close_if_over(fleet.connection, now=NOW - DAY) is None
    assert close_if_over(fleet.connection, now=NOW) == YESTERDAY
    assert close_if_over(fleet.connection, now=NOW) is None
    assert len(kept(fleet, YESTERDAY)) == 1


def test_day_that_nobody_saw_is_not_kept(fleet: Fleet) -> None:
    """Health of last week is none of yesterday's; nor is today's."""
    fleet.device("D-1", "kiosk")
    fleet.evaluate(NOW - 7 * DAY)
    assert close_if_over(fleet.connection, now=NOW) is None
    fleet.device("D-2", "kiosk")
    fleet.evaluate(NOW)
    assert close_if_over(fleet.connection, now=NOW) is None
    assert kept(fleet, YESTERDAY) == []
