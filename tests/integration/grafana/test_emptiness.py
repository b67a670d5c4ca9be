"""What panels show of a fleet that nobody has judged yet: nothing, which their texts explain, and never a good 0."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest

from tests.integration.grafana.filling import Choice, Range, filled_in, range_of
from tests.unit.grafana.files import DASHBOARDS, Query, sql_of_panels

Connection = psycopg.Connection[Any]

NOW: Final = datetime.now(UTC)
RANGES: Final = (Range(NOW - timedelta(hours=6), NOW), Range(NOW - timedelta(days=30), NOW))
QUERIES: Final[dict[str, Query]] = {
    f"{name.removesuffix('.en')}: {query.where}": query
    for name, dashboard in DASHBOARDS.items()
    if name.endswith(".en")
    for query in sql_of_panels(dashboard)
}
# A 0 is true of them from the first moment on: what is counted was entered by somebody, or came in.
COUNTED: Final = {
    "city-overview: Outages now",
    "city-overview: Retired and speaking",
    "site-detail: Outages now",
    "retirement: Retired and still speaking",
    "retirement: Cases overdue",
    "retirement: Open cases",
}
# The ledger itself; a scale whose verification nobody entered is listed as such.
LEDGER: Final = {
    "device-detail: From the ledger",
    "fleet-health: State by kind",
    "fleet-health: State by region",
    "fleet-health: Verification due",
    "site-detail: Devices by kind and state",
}
SEED: Final = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES
    ('M1', '东门市场', 'East market', 'wet_market', '410105'), ('C1', '一号冷库', 'Store one', 'cold_store', '410200');
INSERT INTO models (model_no, kind, vendor) VALUES ('S-1', 'trace_scale', 'a'), ('L-1', 'logger', 'b');
INSERT INTO devices (device_no, model_id, site_id, state)
SELECT d.device_no, m.model_id, s.site_id, 'in_service'
FROM (VALUES ('scale-1', 'S-1', 'M1'), ('logger-1', 'L-1', 'C1')) AS d (device_no, model_no, site_no)
JOIN models AS m USING (model_no) JOIN sites AS s USING (site_no)
"""
# As the first round finds them: heard, and without a score until a day is rolled up.
FIRST_ROUND: Final = """
INSERT INTO device_health (device_id, evaluated_at, presence, presence_since, score)
SELECT device_id, now(), 'online', now(), NULL FROM devices
"""
# As the first roll-up of the day finds them: the scale was expected and sold nothing, the logger has been closed.
FIRST_DAY: Final = """
INSERT INTO device_days (device_id, day, site_id, expected_slots, online_slots, heard_slots)
SELECT device_id, (now() AT TIME ZONE 'Asia/Shanghai')::date, site_id,
       CASE device_no WHEN 'scale-1' THEN 2 ELSE 0 END, 0, 0
FROM devices
"""


@pytest.fixture
def fleet(database_url: str) -> Iterator[Connection]:
    """A market with a scale and a store with a logger, as they are entered."""
    with psycopg.connect(database_url) as connection:
        for statement in SEED.split(";\n"):
            connection.execute(statement.encode())
        yield connection
        connection.rollback()


def _rows(connection: Connection, name: str, over: Range = RANGES[0], **chosen: str) -> list[tuple[Any, ...]]:
    query = QUERIES[name]
    panel = query.panel or {}
    choice = Choice({variable: [value] for variable, value in chosen.items()})
    text = filled_in(query.text, query.dashboard, choice, range_of(panel, over), interval=panel.get("interval"))
    return connection.execute(text.encode()).fetchall()


def _type(name: str) -> str:
    return str((QUERIES[name].panel or {})["type"])


@pytest.mark.parametrize("over", RANGES, ids=["6h", "30d"])
def test_tiles_count_nothing_before_anybody_looked(fleet: Connection, over: Range) -> None:
    """NULL, for which Grafana shows the text of the tile; but for what is known from the first moment on."""
    tiles = [name for name in QUERIES if _type(name) == "stat"]
    assert set(tiles) > COUNTED
    found = {name: _rows(fleet, name, over) for name in tiles}
    assert {name for name, rows in found.items() if rows == [(0,)]} == COUNTED
    assert all(rows in ([], [(None,)]) for name, rows in found.items() if name not in COUNTED)


@pytest.mark.parametrize("over", RANGES, ids=["6h", "30d"])
def test_other_panels_are_empty_before_anybody_looked(fleet: Connection, over: Range) -> None:
    """No row at all, for which Grafana shows the text of the panel; a row without a number would be a blank sheet."""
    shown = {name for name in QUERIES if _type(name) != "stat" and _rows(fleet, name, over)}
    assert shown == LEDGER


def test_nobody_is_well_before_the_first_score(fleet: Connection) -> None:
    """All are heard, and none is judged: neither none below 60 nor a list of the worst."""
    fleet.execute(FIRST_ROUND.encode())
    assert _rows(fleet, "fleet-health: Silent devices") == [(0,)]
    assert _rows(fleet, "fleet-health: Health below 60") == [(None,)]
    assert _rows(fleet, "site-detail: Health below 60") == [(None,)]
    assert _rows(fleet, "device-detail: Health score") == [(None,)]
    assert _rows(fleet, "fleet-health: Worst first") == []
    assert _rows(fleet, "fleet-health: Why") == []
    assert [row[5:7] for row in _rows(fleet, "city-overview: Sites, worst first")] == [(None, None), (None, None)]
    fleet.execute("UPDATE device_health SET score = 100")
    assert _rows(fleet, "fleet-health: Health below 60") == [(0,)]


def test_a_store_has_no_trades_and_a_market_may_have_none(fleet: Connection) -> None:
    """What cannot trade is not shown with 0 trades; nor is one asleep of whom a day alone is known."""
    fleet.execute(FIRST_DAY.encode())
    assert _rows(fleet, "city-overview: Trades today") == [(0,)]
    assert _rows(fleet, "city-overview: Trades today", site="C1") == [(None,)]
    assert _rows(fleet, "scales-and-scanners: Asleep for 30 days") == [(None,)]
    assert [row[1:] for row in _rows(fleet, "fleet-health: Operation by day")] == [("trace_scale", 0)]
    assert _rows(fleet, "device-detail: Operation", device="logger-1") == [(None,)]


def test_nobody_is_flagged_before_a_day_is_over(fleet: Connection) -> None:
    """Obsolescence judges whole days."""
    fleet.execute(FIRST_DAY.encode())
    flagged = ("site-detail: Flagged devices", "retirement: Flagged, no case yet")
    assert [_rows(fleet, name) for name in flagged] == [[(None,)], [(None,)]]
    fleet.execute("UPDATE device_days SET day = day - 1")
    assert [_rows(fleet, name) for name in flagged] == [[(0,)], [(0,)]]


def test_a_scale_that_is_not_entered_as_verified_is_not_well(fleet: Connection) -> None:
    """No count of those that may not be traded on, before a verification is entered."""
    for name in ("fleet-health: May not be traded on", "city-overview: May not be traded on"):
        assert _rows(fleet, name) == [(None,)]
    fleet.execute("UPDATE devices SET verified_until = '2999-01-01' WHERE device_no = 'scale-1'")
    for name in ("fleet-health: May not be traded on", "city-overview: May not be traded on"):
        assert _rows(fleet, name) == [(0,)]
        assert _rows(fleet, name, site="C1") == [(None,)]


def test_no_probe_is_inside_its_band_when_none_is_read(fleet: Connection) -> None:
    """A store whose line is cut: that none is known to be outside is no good news."""
    fleet.execute(
        """
        INSERT INTO latest (device_id, stream, at, seq, received_at, record)
        SELECT device_id, 'coldchain', now() - INTERVAL '1 day', 1, now(), '{"temperature_c": 4}' FROM devices
        WHERE device_no = 'logger-1'
        """
    )
    assert _rows(fleet, "cold-chain: Outside their band") == [(None,)]
    assert _rows(fleet, "cold-chain: Unread probes") == [(1,)]
    fleet.execute("UPDATE latest SET at = now()")
    assert _rows(fleet, "cold-chain: Outside their band") == [(0,)]


def test_doors_are_counted_where_one_is_told(fleet: Connection) -> None:
    """A logger without a contact has a day with 0 seconds, as one has whose door was shut."""
    fleet.execute(
        """
        INSERT INTO coldchain_days (device_id, day, probe, low_c, high_c, readings, faults, held_seconds,
            temperature_sum, kinetic_sum, outside_seconds, excursions, door_openings, door_seconds,
            door_longest_seconds, gaps, gap_seconds)
        SELECT device_id, (now() AT TIME ZONE 'Asia/Shanghai')::date, '', 0, 8, 1, 0, 60, 0, 0, 0, '[]', 0, 0, 0, 0, 0
        FROM devices WHERE device_no = 'logger-1'
        """
    )
    assert _rows(fleet, "cold-chain: Doors left open") == [(None,)]
    assert _rows(fleet, "cold-chain: Excursions") == [(0,)]
    fleet.execute(
        """
        INSERT INTO latest (device_id, stream, at, seq, received_at, record)
        SELECT device_id, 'coldchain', now(), 1, now(), '{"temperature_c": 4, "door_open": false}' FROM devices
        WHERE device_no = 'logger-1'
        """
    )
    assert _rows(fleet, "cold-chain: Doors left open") == [(0,)]
