"""How the server reads: a day by its span of time, devices by their index, never a table of telemetry as a whole."""

import json
from typing import Any

import pytest

from fleet.business_day import begin_of
from fleet.days.day import DAY as ONE_DAY
from fleet.days.rolling import ROLL, ROLL_SOME, WITHOUT_LOOPS
from store.records import TELEMETRY
from tests.integration.days.conftest import DAY, LONG_AGO, World

STREAMS = tuple(TELEMETRY)


@pytest.fixture
def year(world: World) -> World:
    """A few devices that spoke for a hundred days, as many rows as make the server look twice."""
    world.site("M")
    for number in range(20):
        world.device(f"L{number}", "M", "logger")
    for stream, columns, values in (
        ("status", "uptime_s", "1"),
        ("coldchain", "temperature_c", "2.5"),
        ("scan", "code, purpose, result", "'c', 'lookup', 'ok'"),
        ("weighing", "trade_no, kind, net_g, unit_price_fen_per_kg, amount_fen, stable", "'t', 'sale', 1, 1, 1, true"),
    ):
        world.connection.execute(
            f"INSERT INTO {stream} (device_id, at, boot_id, seq, received_at, clock_ahead, {columns})"  # noqa: S608
            f" SELECT device_id, at, 1, extract(epoch FROM at), at, false, {values}"
            " FROM generate_series(%(from)s - INTERVAL '99 days', %(from)s + INTERVAL '1 day', '1 hour') AS at, devices"
            " ORDER BY at",
            {"from": begin_of(DAY)},
        )
    for table in (*STREAMS, "devices", "presence_slots"):
        world.connection.execute(f"ANALYZE {table}".encode())
    return world


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All nodes of a plan."""
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]


def scans(world: World, query: str, **more: object) -> list[dict[str, Any]]:
    """How the plan of *query* reads the streams, a hypertable's chunks included."""
    asked = {"day": DAY, "begins": begin_of(DAY), "ends": begin_of(DAY) + ONE_DAY, "over": 288, **more}
    world.connection.execute(WITHOUT_LOOPS)
    row = world.connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode(), asked).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"] if not isinstance(row[0], str) else json.loads(row[0])[0]["Plan"]
    found = [node for node in nodes(plan) if "Relation Name" in node]
    return [node for node in found if node["Relation Name"] in STREAMS or node["Relation Name"].startswith("_hyper_")]


def test_day_is_read_by_its_span_of_time(year: World) -> None:
    """By the index over blocks, or the day's chunks alone; five reads, as the errors are a second one of status."""
    found = scans(year, ROLL)
    names = {node["Relation Name"] for node in found}
    if any(name.startswith("_hyper_") for name in names):
        # A day of Shanghai lies in two chunks of UTC days.
        assert len(names) <= 2 * len(STREAMS)
        return
    assert names == set(STREAMS)
    assert {node["Node Type"] for node in found} <= {"Bitmap Heap Scan", "Index Scan", "Index Only Scan"}


def test_some_devices_are_read_by_their_index(year: World) -> None:
    """No more than their rows of the day."""
    found = scans(year, ROLL_SOME, device_ids=[year.numbers["L7"]])
    assert {node["Node Type"] for node in found} <= {"Bitmap Heap Scan", "Index Scan", "Index Only Scan"}
    assert all("device_id" in str(node.get("Index Cond", node.get("Recheck Cond"))) for node in found)


def test_nothing_is_read_of_long_ago(year: World) -> None:
    """A day without telemetry has rows of the devices alone."""
    day = LONG_AGO.date() + 5 * ONE_DAY
    year.roll(day)
    assert year.day("L7", "records", "expected_slots", day=day) == (0, 288)
