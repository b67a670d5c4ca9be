"""What a day of a device comes to, number by number."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.days.conftest import DAY, LONG_AGO, World, at, slot


@pytest.fixture
def market(world: World) -> World:
    """A market open from 6 to 18, with the scale S1, the kiosk K1 and the logger L1."""
    world.site("M", "1-7 06:00-18:00")
    world.device("S1", "M")
    world.device("K1", "M", "kiosk")
    world.device("L1", "M", "logger")
    return world


def test_slots_are_expected_while_the_site_is_open(market: World) -> None:
    """Those in which it was heard as well are online; those of the night count for nothing."""
    market.heard("S1", slot(5), slot(12))
    market.roll()
    assert market.day("S1", "expected_slots", "online_slots", "heard_slots") == (144, 72, 84)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("in_stock", "in_service", 9)], 9 * 12),
        ([("in_service", "faulty", 9), ("faulty", "in_service", 12)], 9 * 12),
        ([("in_service", "faulty", 9)], 3 * 12),
        ([("in_service", "suspended", -24)], 0),
        ([(None, "in_service", 10)], 8 * 12),
    ],
)
def test_slots_are_expected_while_it_is_in_service(
    market: World, steps: list[tuple[str | None, str, int]], expected: int
) -> None:
    """Its steps on record say when that was; before the first of them it was what that one left."""
    for before, after, hour in steps:
        market.step("S1", before, after, at(hour))
    market.connection.execute("UPDATE devices SET state = %s WHERE device_no = 'S1'", (steps[-1][1],))
    market.roll()
    assert market.day("S1", "expected_slots") == expected


def test_nothing_is_expected_before_it_was_known(world: World) -> None:
    """A device entered or commissioned later, or whose state changed with no step on record, counts from then on."""
    world.site("M")
    world.device("ENTERED", "M", created_at=at(12))
    world.device("COMMISSIONED", "M", commissioned_on=DAY + timedelta(days=1))
    world.device("CHANGED", "M", state_since=at(18, 2))
    world.roll()
    assert world.day("ENTERED", "expected_slots") == 144
    assert world.day("COMMISSIONED", "expected_slots") is None
    assert world.day("CHANGED", "expected_slots") == 71


def test_running_day_expects_what_is_over(market: World) -> None:
    """A slot counts when it is over."""
    market.roll(now=at(8, 4, 59))
    assert market.day("S1", "expected_slots") == 24
    market.roll(now=at(8, 5))
    assert market.day("S1", "expected_slots") == 25


def test_device_has_a_row_where_it_stood(market: World) -> None:
    """Whatever its condition and though it said nothing; one in stock has none unless it was heard."""
    for number, state in enumerate(("faulty", "in_stock", "disposed", "in_stock")):
        market.device(f"X{number}", "M", state=state)
    market.heard("X3", 0, 1)
    market.roll()
    assert [market.day(f"X{number}", "expected_slots") for number in range(4)] == [0, None, None, 0]


def test_site_is_where_it_stood_last_that_day(market: World) -> None:
    """A device that was moved since is counted where it was."""
    market.site("N")
    market.connection.execute("UPDATE device_placements SET since = %s", (LONG_AGO,))
    market.connection.execute("UPDATE devices SET site_id = (SELECT site_id FROM sites WHERE site_no = 'N')")
    market.roll()
    assert market.day("S1", "site_id") == market.value("SELECT site_id FROM sites WHERE site_no = 'M'")


def test_trades_of_a_day(market: World) -> None:
    """Sales with a weight; of them, those whose receipt was not printed."""
    for more in ({"printed": True}, {"printed": False}, {}, {"net_g": 0}, {"kind": "return"}, {"kind": "void"}):
        market.record("weighing", "S1", at(10), **more)
    market.record("weighing", "S1", at(10), late=timedelta(minutes=6))
    market.record("weighing", "S1", at(23, 59, 59))
    market.record("weighing", "S1", at(24))
    market.record("weighing", "S1", at(0))
    market.roll()
    assert market.day("S1", "records", "late", "trades", "unprinted") == (9, 1, 6, 1)


def test_scans_of_a_day(market: World) -> None:
    """Look-ups and errors apart."""
    seen: tuple[dict[str, Any], ...] = (
        {"purpose": "lookup"},
        {"purpose": "lookup", "result": "error"},
        {"result": "unknown"},
    )
    for more in seen:
        market.record("scan", "K1", at(10), **more)
    market.roll()
    assert market.day("K1", "records", "scans", "lookups", "scan_errors") == (3, 3, 2, 1)


def test_status_of_a_day(market: World) -> None:
    """The last value that was told of each, and every error once."""
    market.record(
        "status",
        "S1",
        at(9),
        firmware="2.0",
        battery_pct=50.0,
        rssi_dbm=-60.0,
        clock_offset_ms=2**40,
        backlog=3,
        storage_free_pct=90.0,
        errors=["E2", "E1"],
    )
    market.record("status", "S1", at(10), firmware="10.0", battery_pct=40.0, errors=["E2"])
    market.record("status", "S1", at(11), battery_pct=None, errors=[])
    market.record("status", "S1", at(8), firmware="9.0", battery_pct=60.0)
    market.roll()
    found = market.day("S1", "statuses", "error_codes", "firmware", "battery_pct", "rssi_dbm", "clock_offset_ms")
    assert found == (4, ["E1", "E2"], "10.0", 40.0, -60.0, 2**40)
    assert market.day("S1", "backlog", "storage_free_pct") == (3, 90.0)


def test_readings_of_a_day(market: World) -> None:
    """Faults apart; a jump is what no store can do in the time between, probe by probe."""
    for minute, probe, more in (
        (0, "a", {"temperature_c": 2.0, "door_open": False, "battery_pct": 80.0}),
        (1, "b", {"temperature_c": -18.0, "door_open": True}),
        (2, "a", {"temperature_c": 7.1}),
        (2, "b", {"temperature_c": None, "fault": "short"}),
        (12, "b", {"temperature_c": 6.0}),
        (30, "a", {"temperature_c": -30.0}),
        (31, "a", {"temperature_c": -25.0, "battery_pct": 79.0}),
    ):
        market.record("coldchain", "L1", at(9, minute), probe=probe, **more)
    market.roll()
    assert market.day("L1", "records", "readings", "sensor_faults") == (7, 6, 1)
    assert market.day("L1", "temperature_c_min", "temperature_c_max", "temperature_jumps") == (-30.0, 7.1, 1)
    assert market.day("L1", "door_samples", "door_open_samples", "battery_pct") == (2, 1, 79.0)


def test_what_was_refused_that_day(market: World) -> None:
    """Records that became dead letters, unless it was for who sent them; and those that contradict what is stored."""
    payload_id = market.add("dead_letter_payloads", "payload_id", payload_hash=b"h", payload=b"?")
    letter = {"topic": "t", "payload_id": payload_id, "detail": "", "device_no": "S1"}
    for index, (reason, records, day) in enumerate(
        [("bad_json", 3, 0), ("out_of_range", 2, 0), ("unknown_device", 9, 0), ("bad_json", 9, 1)]
    ):
        received_at = at(9 + 24 * day)
        more = {"record_index": index, "records": records, "reason": reason, "received_at": received_at}
        market.add("dead_letters", **letter, **more)
    market.connection.execute(
        "INSERT INTO conflicts (device_id, boot_id, seq, body_hash, stream, first_body, second_body, received_at)"
        " VALUES (%s, 1, 1, '', 'weighing', '{}', '{}', %s)",
        (market.numbers["S1"], at(9)),
    )
    market.roll()
    assert market.day("S1", "dead_lettered", "conflicts") == (5, 1)


def test_gaps_and_restarts_of_a_day(market: World) -> None:
    """A boot's gaps belong to the day of its last record, its power-up to the day on which it was first heard."""
    for boot, first, last, seen in (
        ("a", at(9), at(10), "{[0,5),[8,10),[11,12)}"),
        ("b", at(11), at(30), "{[0,1),[100,101)}"),
        ("c", at(-20), at(8), "{[7,9)}"),
        ("d", at(12), None, "{}"),
    ):
        row = {"boot": boot, "first_received_at": first, "last_at": last, "seen": seen}
        market.add("boots", device_id=market.numbers["S1"], **row)
    market.roll()
    assert market.day("S1", "missing", "restarts") == (4, 3)


def test_device_gone_mad_keeps_nobodys_day(market: World) -> None:
    """The largest numbers there are: the day is written, of the others as well."""
    largest = 2**63 - 1
    for boot in ("a", "b"):
        row = {
            "boot": boot,
            "first_received_at": at(8),
            "last_at": at(12),
            "seen": f"{{[0,1),[{largest - 1},{largest})}}",
        }
        market.add("boots", device_id=market.numbers["S1"], **row)
    market.record("status", "S1", at(9), clock_offset_ms=-(2**63), backlog=largest)
    market.heard("K1")
    market.roll()
    assert market.day("S1", "missing", "clock_offset_ms", "backlog") == (10**18, -(10**18), 10**18)
    assert market.day("K1", "heard_slots") == 288


def test_what_was_not_told_is_no_number(market: World) -> None:
    """A status without an offset and a backlog; a boot that goes on after the day, and lacks nothing of it so far."""
    market.record("status", "S1", at(9))
    row = {"boot": "a", "first_received_at": at(8), "last_at": at(30), "seen": "{[0,3),[5,9)}"}
    market.add("boots", device_id=market.numbers["S1"], **row)
    market.roll()
    assert market.day("S1", "missing", "restarts", "clock_offset_ms", "backlog") == (0, 1, None, None)


@pytest.mark.parametrize("ever", ["infinity", "-infinity"])
def test_times_for_ever_keep_nobodys_day(market: World, ever: str) -> None:
    """Whatever somebody wrote by hand into the ledger."""
    market.device("S9", "M", created_at=ever, state_since=ever, commissioned_on=ever)
    market.heard("K1")
    market.roll()
    assert market.day("K1", "heard_slots") == 288


def test_rolling_again_writes_nothing(market: World) -> None:
    """The same rows; and what has gone since is taken back."""
    market.record("weighing", "S1", at(10))
    market.heard("S1")
    assert market.roll() == 3
    assert market.roll() == 0
    market.connection.execute("DELETE FROM weighing")
    assert market.roll() == 1
    assert market.day("S1", "records", "trades", "heard_slots") == (0, 0, 288)
    assert market.value("SELECT devices FROM rolled_days WHERE day = %s", DAY) == 3


def test_some_devices_are_rolled_alone(market: World) -> None:
    """Of the others nothing is written, and the sites stay as they were judged."""
    market.roll()
    for device_no in ("S1", "K1"):
        market.heard(device_no)
    market.connection.execute("UPDATE sites SET status = 'cancelled'")
    assert market.roll(device_ids=[market.numbers["S1"]]) == 1
    assert market.day("S1", "expected_slots", "online_slots") == (144, 144)
    assert market.day("K1", "online_slots") == 0
