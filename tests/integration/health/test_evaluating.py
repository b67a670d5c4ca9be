"""The health of devices from rows to rows: what is judged, what is written, what is told."""

from datetime import timedelta
from typing import Any

import pytest

from fleet.health.evaluating import MANY_EVENTS, Evaluated
from fleet.health.facts import FACTS as QUERY
from fleet.health.facts import Facts, parameters
from fleet.health.score import BAND_IN_SQL, band_of
from tests.integration.health.conftest import NOW, TODAY, Fleet

MINUTE = timedelta(minutes=1)
# A device of each kind of trouble, what its days were, and the check that finds it.
TROUBLES: dict[str, tuple[str, dict[str, Any], int]] = {
    "availability": ("kiosk", {"online_slots": 200}, 25),
    "signal": ("kiosk", {"rssi_dbm": -110}, 10),
    "data_gaps": ("kiosk", {"missing": 20}, 15),
    "error_rate": ("kiosk", {"dead_lettered": 10, "conflicts": 10}, 20),
    "late_share": ("kiosk", {"late": 100}, 5),
    "restarts": ("kiosk", {"restarts": 2}, 5),
    "printer": ("trace_scale", {"error_codes": ["E1", "printer_jam"]}, 8),
    "zero_drift": ("trace_scale", {"error_codes": ["scale_zero_drift"]}, 20),
    "unprinted": ("trace_scale", {"trades": 40, "unprinted": 20}, 10),
    "flat_line": (
        "logger",
        {"readings": 144, "temperature_c_min": 2.5, "temperature_c_max": 2.5},
        25,
    ),
    "temperature_jumps": ("logger", {"temperature_jumps": 1}, 8),
    "sensor_faults": ("logger", {"readings": 44, "sensor_faults": 100}, 25),
    "stuck_door": ("door_sensor", {"door_samples": 144, "door_open_samples": 144}, 20),
    "battery_low": ("logger", {"battery_pct": 9.5}, 15),
}


@pytest.mark.parametrize("check", TROUBLES)
def test_trouble_of_its_days_is_found(fleet: Fleet, check: str) -> None:
    """By its check alone, with its points; the score is what is left."""
    kind, more, points = TROUBLES[check]
    device_id = fleet.device("D-1", kind)
    fleet.days(device_id, 7, **more)
    fleet.evaluate()
    health = fleet.health(device_id)
    assert health is not None
    assert (health["lost"], health["score"]) == ({check: points}, 100 - points)


def test_device_that_is_well_has_a_full_score(fleet: Fleet) -> None:
    """And no reason."""
    device_id = fleet.device("D-1", "logger", verified_until=TODAY + timedelta(days=200), verification_result="passed")
    lively: dict[str, Any] = {"readings": 144, "temperature_c_min": 2.0, "temperature_c_max": 4.5, "door_samples": 144}
    fleet.days(device_id, 7, battery_pct=80, rssi_dbm=-60, **lively)
    fleet.status(device_id, firmware="2.10.0", battery_pct=80, backlog=0, storage_free_pct=60, clock_offset_ms=20)
    assert fleet.evaluate() == Evaluated(devices=1, written=1, removed=0, worse=0)
    health = fleet.health(device_id)
    assert health is not None
    assert (health["score"], health["reasons"], health["presence"]) == (100, [], "online")


def test_what_it_says_of_itself_counts(fleet: Fleet) -> None:
    """Battery, backlog, storage and firmware of its last status, the clock as its line showed it."""
    device_id = fleet.device("D-1", "handheld")
    fleet.heard(device_id, NOW, clock_offset_ms=-200_000)
    fleet.status(device_id, firmware="2.3.9", battery_pct=15, backlog=6000, storage_free_pct=4.5)
    fleet.evaluate()
    health = fleet.health(device_id)
    assert health is not None
    assert health["lost"] == {"backlog": 15, "storage": 12, "clock_drift": 12, "firmware": 8, "battery_low": 5}
    assert [reason["points"] for reason in health["reasons"]] == [15, 12, 12, 8, 5]
    firmware = next(reason for reason in health["reasons"] if reason["check"] == "firmware")
    assert (firmware["number"], firmware["threshold"]) == ("2.3.9", "2.4.0")


def test_largest_numbers_that_a_device_can_send_stop_nothing(fleet: Fleet) -> None:
    """One device gone mad is judged like any other, and the round after it writes nothing."""
    most = 2**63 - 1
    device_id = fleet.device("D-1", "logger")
    fleet.heard(device_id, NOW, clock_offset_ms=-(2**63))
    fleet.status(device_id, backlog=most, clock_offset_ms=most, battery_pct=0, firmware="9" * 100)
    fleet.days(device_id, 7, missing=most, restarts=2**31 - 1, temperature_jumps=2**31 - 1, rssi_dbm=-3e38)
    assert fleet.evaluate().written == 1
    assert fleet.health(device_id)["score"] == 0  # type: ignore[index]
    assert fleet.evaluate(NOW + MINUTE).written == 0


def test_status_of_long_ago_says_nothing(fleet: Fleet) -> None:
    """A backlog of last month is none of today."""
    device_id = fleet.device("D-1", "kiosk")
    fleet.status(device_id, at=NOW - timedelta(days=20), backlog=6000)
    fleet.evaluate()
    health = fleet.health(device_id)
    assert health is not None
    assert health["lost"] == {}


def test_battery_that_sinks_is_foretold(fleet: Fleet) -> None:
    """Five per cent a day from 70 to 35 leave five days until ten."""
    device_id = fleet.device("D-1", "logger")
    for back in range(7, -1, -1):
        fleet.days(device_id, back, back, battery_pct=35 + 5 * back)
    fleet.evaluate()
    health = fleet.health(device_id)
    assert health is not None
    (reason,) = health["reasons"]
    assert (reason["check"], reason["number"], reason["threshold"]) == ("battery_days_left", 5, 7)


def test_sensor_that_moved_again_is_well(fleet: Fleet) -> None:
    """Flat days and open days count back from the last complete one, until one that was not."""
    logger, door = fleet.device("D-1", "logger"), fleet.device("D-2", "door_sensor")
    fleet.days(logger, 7, 2, readings=144, temperature_c_min=2.5, temperature_c_max=2.5)
    fleet.days(logger, 1, readings=144, temperature_c_min=2.5, temperature_c_max=2.6)
    fleet.days(door, 7, 1, door_samples=144, door_open_samples=144)
    fleet.days(door, 0, door_samples=20, door_open_samples=19)
    fleet.evaluate()
    assert [fleet.health(device_id)["lost"] for device_id in (logger, door)] == [{}, {}]  # type: ignore[index]


def test_days_before_the_window_are_forgotten(fleet: Fleet) -> None:
    """Seven complete days and today count."""
    device_id = fleet.device("D-1", "kiosk")
    fleet.days(device_id, 20, 8, online_slots=0)
    fleet.days(device_id, 7)
    fleet.evaluate()
    assert fleet.health(device_id)["score"] == 100  # type: ignore[index]


@pytest.mark.parametrize(
    ("days", "result", "lost"),
    [
        (20, "passed", {"verification_due": 2}),
        (-3, "passed", {"verification_overdue": 30}),
        (-3, "failed", {"verification_failed": 45}),
    ],
)
def test_verification_is_judged_by_the_day(fleet: Fleet, days: int, result: str, lost: dict[str, int]) -> None:
    """As the ledger has it; what failed is not overdue besides."""
    device_id = fleet.device("D-1", verified_until=TODAY + timedelta(days=days), verification_result=result)
    fleet.evaluate()
    assert fleet.health(device_id)["lost"] == lost  # type: ignore[index]


def test_second_round_writes_nothing(fleet: Fleet) -> None:
    """Numbers and all are as they were."""
    for number, (kind, more, _) in enumerate(TROUBLES.values()):
        fleet.days(fleet.device(f"D-{number}", kind), 7, **more)
    fleet.status(fleet.device("D-F", "kiosk"), firmware="1.0")
    first = fleet.evaluate()
    assert (first.devices, first.written) == (len(TROUBLES) + 1, len(TROUBLES) + 1)
    assert fleet.evaluate(NOW + MINUTE) == Evaluated(first.devices, 0, 0, 0)
    assert fleet.value("SELECT count(DISTINCT evaluated_at) FROM device_health") == 1


def test_only_what_changed_is_written(fleet: Fleet) -> None:
    """A new number of an old reason too; the rest keeps the time since which it holds."""
    ill, well = fleet.device("D-1", "kiosk"), fleet.device("D-2", "kiosk")
    fleet.days(ill, 7, online_slots=200)
    fleet.evaluate()
    fleet.days(ill, 0, online_slots=0)
    assert fleet.evaluate(NOW + MINUTE).written == 1
    assert fleet.health(ill)["evaluated_at"] == NOW + MINUTE  # type: ignore[index]
    assert fleet.health(well)["evaluated_at"] == NOW  # type: ignore[index]


def test_silence_costs_what_nothing_excuses(fleet: Fleet) -> None:
    """Silent for three days: half of it; never seen: more."""
    silent, never = fleet.device("D-1", "kiosk"), fleet.device("D-2", "kiosk")
    fleet.heard(silent, NOW - timedelta(days=4))
    fleet.connection.execute("DELETE FROM device_presence WHERE device_id = %s", (never,))
    fleet.evaluate()
    told = {device_id: fleet.health(device_id) for device_id in (silent, never)}
    assert told[silent]["presence"] == "silent"  # type: ignore[index]
    assert set(told[silent]["lost"]) == {"silent"}  # type: ignore[index]
    assert (told[never]["presence"], told[never]["score"]) == ("never_seen", 40)  # type: ignore[index]


def test_device_out_of_service_has_a_line_and_no_score(fleet: Fleet) -> None:
    """It stands somewhere, but nothing is expected of it."""
    device_id = fleet.device("D-1", "kiosk", state="faulty")
    fleet.heard(device_id, NOW - timedelta(days=9))
    fleet.days(device_id, 7, online_slots=0)
    fleet.evaluate()
    health = fleet.health(device_id)
    assert health is not None
    assert (health["score"], health["reasons"], health["excused_by"]) == (None, [], "not_in_service")


def test_silence_of_a_closed_site_costs_nothing(fleet: Fleet) -> None:
    """For days, its score is that of the days before; through the whole window, it has none."""
    few, long = fleet.device("D-1", "kiosk"), fleet.device("D-2", "kiosk")
    fleet.add(
        "site_closures",
        site_id=fleet.value("SELECT site_id FROM sites"),
        begins_on=TODAY - timedelta(days=40),
        ends_on=TODAY,
        kind="holiday",
        reason="春节",
    )
    for device_id in (few, long):
        fleet.heard(device_id, NOW - timedelta(days=40))
    fleet.days(few, 7, 4)
    fleet.days(few, 3, expected_slots=0, online_slots=0)
    fleet.days(long, 7, expected_slots=0, online_slots=0)
    fleet.evaluate()
    told = [fleet.health(device_id) for device_id in (few, long)]
    assert [(health["score"], health["excused_by"]) for health in told if health] == [(100, "closed"), (None, "closed")]


def test_device_that_stands_nowhere_loses_its_row(fleet: Fleet) -> None:
    """Drafts and what is in stock never get one."""
    device_id = fleet.device("D-1", "kiosk")
    stocked = fleet.device("D-2", "kiosk", state="in_stock")
    fleet.evaluate()
    assert fleet.health(stocked) is None
    fleet.connection.execute("UPDATE devices SET state = 'idle' WHERE device_id = %s", (device_id,))
    assert fleet.evaluate(NOW + MINUTE).removed == 0
    fleet.connection.execute("UPDATE devices SET state = 'recovered' WHERE device_id = %s", (device_id,))
    assert fleet.evaluate(NOW + 2 * MINUTE).removed == 1
    assert fleet.health(device_id) is None


def test_fall_below_fair_is_an_event_once(fleet: Fleet) -> None:
    """Not where it begins, not each time it gets worse still."""
    device_id = fleet.device("D-1", "kiosk")
    fleet.days(device_id, 7)
    fleet.evaluate()
    fleet.days(device_id, 7, online_slots=0, dead_lettered=300)
    assert fleet.evaluate(NOW + MINUTE).worse == 1
    fleet.days(device_id, 7, online_slots=0, dead_lettered=300, missing=300)
    assert fleet.evaluate(NOW + 2 * MINUTE).worse == 0
    events = fleet.connection.execute("SELECT kind, subject, data FROM events").fetchall()
    assert events == [("health.worse", "D-1", {"score": 35, "before": 100, "check": "availability"})]


def test_fall_of_many_is_one_event(fleet: Fleet) -> None:
    """A line that broke is not told device by device."""
    ids = [fleet.device(f"D-{number:02}", "kiosk") for number in range(MANY_EVENTS + 1)]
    fleet.evaluate()
    for device_id in ids:
        fleet.heard(device_id, NOW - timedelta(days=9))
    assert fleet.evaluate(NOW + MINUTE).worse == len(ids)
    ((kind, subject, data),) = fleet.connection.execute("SELECT kind, subject, data FROM events").fetchall()
    assert (kind, subject, data["devices"], len(data["among"])) == ("health.worse", "fleet", len(ids), MANY_EVENTS)


def test_columns_of_the_query_are_the_fields(fleet: Fleet) -> None:
    """They are read by their place, so the order is the same."""
    cursor = fleet.connection.execute(QUERY, parameters(NOW))
    assert cursor.description is not None
    assert tuple(column.name for column in cursor.description) == Facts._fields


@pytest.mark.parametrize("score", [None, 0, 59, 60, 79, 80, 100])
def test_band_is_the_same_in_sql(fleet: Fleet, score: int | None) -> None:
    """What Prometheus counts is what people are shown."""
    row = fleet.connection.execute(
        f"SELECT {BAND_IN_SQL} FROM (SELECT %(score)s::int AS score) AS h",  # noqa: S608 - a constant
        {"score": score},
    ).fetchone()
    assert row == (band_of(score),)


def test_code_is_one_whatever_it_holds(fleet: Fleet) -> None:
    """A blank or a comma in it makes no two of it."""
    device_id = fleet.device("D-1")
    fleet.days(device_id, 7, error_codes=["E1, printer_jam paper_out", "E1,zero_drift"])
    fleet.evaluate()
    health = fleet.health(device_id)
    assert health is not None
    assert health["lost"] == {}


@pytest.mark.parametrize("ever", ["infinity", "-infinity"])
def test_days_for_ever_stop_nothing(fleet: Fleet, ever: str) -> None:
    """Whatever somebody wrote by hand: the others are judged."""
    fleet.device("D-1", verified_until=ever, acquired_on=ever, state_since=ever)
    fleet.device("D-2", "logger")
    fleet.connection.execute("UPDATE device_presence SET last_heard_at = %s, state_at = %s WHERE device_id = 1",
                             (ever, ever))  # fmt: skip
    assert fleet.evaluate().devices == 2
