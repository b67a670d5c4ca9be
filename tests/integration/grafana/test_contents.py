"""What panels count, on a city so small that it can be counted by hand."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest

from fleet.lifecycle.metrology import Verification, judge
from grafana.words import KINDS
from tests.conftest import fresh_database
from tests.integration.grafana.filling import Choice, Range, filled_in
from tests.unit.grafana.files import DASHBOARDS, Query, sql_of_annotations, sql_of_panels

Connection = psycopg.Connection[Any]

HOUR: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
TODAY: Final = (HOUR + timedelta(hours=8)).date()
OVER: Final = Range(HOUR - timedelta(hours=5), HOUR + timedelta(hours=1))
QUERIES: Final[dict[str, Query]] = {
    f"{name.removesuffix('.en')}: {query.where}": query
    for name, dashboard in DASHBOARDS.items()
    if name.endswith(".en")
    for query in (*sql_of_panels(dashboard), *sql_of_annotations(dashboard))
}

SEED = """
INSERT INTO regions (region_code, name_zh, name_en, parent_code, valid_from, valid_to) VALUES
    ('410100', '郑州', 'Zhengzhou', '410000', '1980-01-01', NULL),
    ('410105', '旧区', 'Old', '410100', '1980-01-01', '2019-01-01'),
    ('410105', '金水', 'Jinshui', '410100', '2019-01-01', NULL);
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES
    ('M1', '东门市场', 'East market', 'wet_market', '410105'), ('C1', '一号冷库', 'Store one', 'cold_store', '410200');
INSERT INTO models (model_no, kind, vendor) VALUES ('S-1', 'trace_scale', 'a'), ('L-1', 'logger', 'b');
INSERT INTO devices (device_no, model_id, site_id, state)
SELECT d.device_no, m.model_id, s.site_id, d.state FROM (VALUES
    ('scale-1', 'S-1', 'M1', 'in_service'), ('scale-2', 'S-1', 'M1', 'idle'),
    ('logger-1', 'L-1', 'C1', 'in_service'), ('logger-2', 'L-1', 'C1', 'in_service'),
    ('logger-3', 'L-1', 'C1', 'in_service')) AS d (device_no, model_no, site_no, state)
JOIN models AS m USING (model_no) JOIN sites AS s USING (site_no);
INSERT INTO latest (device_id, stream, at, seq, received_at, record)
SELECT device_id, r.stream, %(at)s::timestamptz + r.later, 1, %(at)s, r.record::jsonb FROM (VALUES
    ('logger-1', 'coldchain', INTERVAL '0', '{"temperature_c": -18.5, "humidity_pct": 80, "battery_pct": 50}'),
    ('logger-1', 'status', INTERVAL '1 minute', '{"battery_pct": 9}'),
    ('logger-2', 'coldchain', INTERVAL '0', '{"temperature_c": 7.25, "battery_pct": 90}'),
    ('logger-2', 'status', INTERVAL '1 minute', '{"uptime_s": 5}'),
    ('logger-3', 'coldchain', INTERVAL '0', '{"temperature_c": null, "fault": "open circuit"}'))
    AS r (device_no, stream, later, record) JOIN devices USING (device_no);
INSERT INTO weighing (device_id, at, boot_id, seq, received_at, clock_ahead, trade_no, kind, net_g,
                      unit_price_fen_per_kg, amount_fen, stable)
SELECT device_id, %(at)s, 1, seq, %(at)s, false, 't', kind, 500, 2000, 1000, true
FROM devices, (VALUES (1, 'sale'), (2, 'sale'), (3, 'return')) AS t (seq, kind) WHERE device_no = 'scale-1';
INSERT INTO device_days (device_id, day, site_id, trades, expected_slots, online_slots, heard_slots)
SELECT device_id, %(today)s::date - back, site_id, 7 * (back + 1), 200, 150, 160
FROM devices, generate_series(0, 4) AS back WHERE device_no = 'scale-1';
INSERT INTO presence_slots (device_id, day, heard)
SELECT device_id, %(today)s, set_bit(0::bit(288),
       (extract(hour FROM %(at)s::timestamptz AT TIME ZONE 'Asia/Shanghai') * 12)::integer, 1)
FROM devices WHERE device_no = 'scale-1';
INSERT INTO ingest_stats (bucket_at, worker, stream, messages, received, stored, duplicate, conflict, dead_lettered,
                          late)
VALUES (%(at)s, 'ingest-1', 'weighing', 2, 10, 7, 3, 0, 0, 0);
INSERT INTO workers (worker, started_at, heartbeat_at, connected, unacknowledged, lag_seconds, stopped_at) VALUES
    ('well', now(), now(), true, 0, 0.5, NULL), ('dead', now(), now() - INTERVAL '1 hour', true, 0, 0.1, NULL),
    ('ended', now(), now() - INTERVAL '1 day', false, 0, 9, now());
INSERT INTO device_transitions (device_id, from_state, to_state, at, actor)
SELECT device_id, 'in_service', 'faulty', %(at)s, 'li' FROM devices WHERE device_no LIKE 'logger%%';
INSERT INTO device_transitions (device_id, from_state, to_state, at, actor)
SELECT device_id, 'in_service', 'idle', %(at)s, 'li' FROM devices WHERE device_no = 'scale-2';
"""
# A case that is overdue, one in time, one that is over; a programme that began three days ago; findings that stand.
RETIREMENT = """
INSERT INTO device_health (device_id, evaluated_at, presence, presence_since, excused_by, score, reasons)
SELECT device_id, %(at)s, h.presence, %(at)s, h.excused_by, h.score, h.reasons::jsonb FROM (VALUES
    ('scale-1', 'online', NULL, 55, '[{"check": "data_gaps"}]'),
    ('scale-2', 'silent', 'not_in_service', NULL::smallint, '[]'),
    ('logger-1', 'silent', NULL, 20, '[{"check": "battery_low"}, {"check": "data_gaps"}]'))
    AS h (device_no, presence, excused_by, score, reasons) JOIN devices USING (device_no);
INSERT INTO outages (scope, site_id, began_at, ended_at, source, reason, dismissed_at)
SELECT o.scope, s.site_id, %(at)s, o.ended_at, 'detected', 'power', o.dismissed_at FROM (VALUES
    ('platform', NULL, NULL::timestamptz, NULL::timestamptz), ('site', 'M1', NULL, NULL), ('site', 'C1', %(at)s, NULL),
    ('site', 'C1', NULL, %(at)s)) AS o (scope, site_no, ended_at, dismissed_at) LEFT JOIN sites AS s USING (site_no);
INSERT INTO obsolescence_rules (rule, version, effective_from, name_zh, name_en, text_zh, text_en, weight)
VALUES ('asleep', 1, '2020-01-01', '沉睡', 'asleep', '无交易', 'no trade', 40);
INSERT INTO findings (device_id, rule, rule_version, weight, is_mandatory, found_on, numbers, query, sentence_zh,
                      sentence_en, opened_at, cleared_at)
SELECT device_id, 'asleep', 1, 40, false, '2026-01-01', '{}', '', '', '', %(at)s, cleared_at FROM (VALUES
    ('scale-1', NULL), ('scale-2', NULL), ('logger-1', %(at)s::timestamptz)) AS f (device_no, cleared_at)
JOIN devices USING (device_no);
INSERT INTO flags (device_id, flagged_on, flagged_at, policy_version, score, findings, sentence_zh, sentence_en)
SELECT device_id, '2026-01-01', %(at)s, 1, 70, '{}', '', '' FROM devices WHERE device_no LIKE 'scale%%';
INSERT INTO programmes (programme_no, name_zh, name_en, region_code, kinds, begins_on, due_on)
SELECT 'P-1', '淘汰秤', 'Scales', '41', '{trace_scale}', %(today)s::date - 3, %(today)s::date + 6;
INSERT INTO cases (case_no, device_id, path, state, state_since, grounds, due_on, opened_by)
SELECT c.case_no, device_id, 'state', c.state, %(at)s::timestamptz - c.age, '[]', c.due_on, 'a' FROM (VALUES
    ('C-1', 'scale-1', 'opened', INTERVAL '100 days', %(today)s::date - 2),
    ('C-2', 'logger-2', 'opened', '1 day', '2999-01-01'),
    ('C-3', 'logger-1', 'withdrawn', '1 day', '2020-01-01')) AS c (case_no, device_no, state, age, due_on)
JOIN devices USING (device_no);
INSERT INTO case_steps (case_id, to_state, at) SELECT case_id, state, %(at)s FROM cases;
INSERT INTO security_events (device_id, channel, first_at, last_at, noted_at, attempts, settled_at)
SELECT device_id, s.channel, %(at)s, %(at)s, %(at)s, 7, s.settled_at FROM devices, (VALUES
    ('broker', NULL), ('ingest', %(at)s::timestamptz)) AS s (channel, settled_at) WHERE device_no = 'logger-3'
"""


@pytest.fixture(scope="module")
def city_url(server_url: str, template_database: str) -> Iterator[str]:
    """A database of two sites whose devices were busy in the hour that began last."""
    for url in fresh_database(server_url, template=template_database):
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in (*SEED.split(";\n"), *RETIREMENT.split(";\n")):
                if statement.strip():
                    connection.execute(statement.encode(), {"at": HOUR, "today": TODAY})
        yield url


@pytest.fixture
def city(city_url: str) -> Iterator[Connection]:
    """A connection to it, in a transaction that is rolled back."""
    with psycopg.connect(city_url) as connection:
        yield connection
        connection.rollback()


def _rows(connection: Connection, name: str, over: Range = OVER, **chosen: str) -> list[tuple[Any, ...]]:
    query = QUERIES[name]
    choice = Choice({variable: [value] for variable, value in chosen.items()})
    text = filled_in(query.text, query.dashboard, choice, over, interval="1m")
    return connection.execute(text.encode()).fetchall()


def test_tiles_count_what_needs_somebody(city: Connection) -> None:
    """Excused devices apart, nothing that is over, dismissed or settled."""
    assert _rows(city, "city-overview: Outages now") == [(2,)]
    assert _rows(city, "city-overview: Outages now", site="C1") == [(1,)]
    with city.transaction(force_rollback=True):
        city.execute("UPDATE latest SET at = now() WHERE stream = 'coldchain'")
        # One is far below its band, one cannot read.
        assert _rows(city, "city-overview: Probes not well") == [(2,)]
    assert _rows(city, "city-overview: Heard as expected") == [(0.5,)]
    assert _rows(city, "city-overview: Retired and speaking") == [(1,)]
    assert _rows(city, "city-overview: Trades today") == [(7,)]
    assert _rows(city, "fleet-health: Silent devices") == [(1,)]
    assert _rows(city, "fleet-health: Health below 60") == [(2,)]
    assert _rows(city, "fleet-health: Batteries at 10 % or less") == [(1,)]
    assert _rows(city, "retirement: Cases overdue") == [(1,)]
    assert _rows(city, "retirement: Open cases") == [(2,)]
    assert _rows(city, "retirement: Flagged, no case yet") == [(1,)]


def test_lag_is_that_of_the_worst_worker_that_should_run(city: Connection) -> None:
    """A worker that died counts with its silence, one that was stopped in order not at all."""
    [(lag,)] = _rows(city, "city-overview: Ingest behind")
    assert 3600 <= lag < 3700
    city.execute("DELETE FROM workers WHERE worker = 'dead'")
    assert _rows(city, "city-overview: Ingest behind") == [(0.5,)]


def test_sites_are_worst_first(city: Connection) -> None:
    """With their numbers; a prefecture stands for the counties below it."""
    found = _rows(city, "city-overview: Sites, worst first")
    assert [(row[0], *row[3:7]) for row in found] == [("C1", 1, 1, 1, 20), ("M1", 2, 0, 1, 55)]
    assert [row[0] for row in _rows(city, "city-overview: Sites, worst first", region="410100")] == ["M1"]
    assert [row[0] for row in _rows(city, "city-overview: Sites, worst first", region="410105")] == ["M1"]
    assert [row[:5] for row in _rows(city, "city-overview: Regions, worst first")] == [
        ("410200", "410200", 1, 1, 0),
        ("410100", "Zhengzhou", 1, 2, 1),
    ]


def test_regions_have_the_name_that_holds(city: Connection) -> None:
    """A code that changed hands is called as it is today; a code nobody entered by itself."""
    found = city.execute("SELECT region_code, name_en FROM grafana_regions ORDER BY 1").fetchall()
    assert found == [("410100", "Zhengzhou"), ("410105", "Jinshui"), ("410200", "410200")]


def test_devices_are_worst_first(city: Connection) -> None:
    """With what lowers their health most."""
    assert [(row[0], *row[4:7]) for row in _rows(city, "fleet-health: Worst first")] == [
        ("logger-1", 20, "battery_low", 2),
        ("scale-1", 55, "data_gaps", 1),
    ]
    assert _rows(city, "fleet-health: Why") == [("battery_low", 1), ("data_gaps", 1)]
    assert _rows(city, "fleet-health: Presence by kind") == [
        ("logger", "silent", 1),
        ("trace_scale", "excused", 1),
        ("trace_scale", "online", 1),
    ]
    assert _rows(city, "fleet-health: Health by kind", kind="logger") == [("logger", "0", 1)]


def test_fleet_is_counted_by_kind_and_state(city: Connection) -> None:
    """And only what the variables choose."""
    assert _rows(city, "fleet-health: State by kind") == [
        ("logger", "in_service", 3),
        ("trace_scale", "idle", 1),
        ("trace_scale", "in_service", 1),
    ]
    assert _rows(city, "fleet-health: State by kind", site="C1") == [("logger", "in_service", 3)]
    assert _rows(city, "fleet-health: State by kind", kind="trace_scale", site="C1") == []
    assert _rows(city, "fleet-health: State by region", device="logger-1") == [("410200", "in_service", 1)]


def test_battery_is_the_one_told_last(city: Connection) -> None:
    """On whichever stream; a message that says nothing of it leaves it as it was."""
    found = [(row[0], row[4]) for row in _rows(city, "fleet-health: Batteries, lowest first")]
    assert found == [("logger-1", 9), ("logger-2", 90)]


@pytest.mark.parametrize("result", [None, "passed", "failed", "withdrawn"])
@pytest.mark.parametrize("days", [None, -1, 0, 30, 31])
def test_verification_is_judged_as_fleet_judges_it(city: Connection, days: int | None, result: Any) -> None:
    """On every edge; the days left besides."""
    today: date = city.execute("SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date").fetchone()[0]  # type: ignore[index]
    until = None if days is None else today + timedelta(days=days)
    city.execute("UPDATE devices SET verified_until = %s, verification_result = %s", (until, result))
    found = city.execute("SELECT kind, metrology, verified_days_left FROM grafana_devices").fetchall()
    assert {row[0] for row in found} == {"trace_scale", "logger"}
    for kind, metrology, left in found:
        assert (metrology, left) == (judge(kind, Verification(until, result), today=today), days)


def test_trades_are_counted_by_the_hour_and_beyond_a_day_by_the_day(city: Connection) -> None:
    """From telemetry and from what was rolled up: never from both."""
    assert _rows(city, "city-overview: Trades") == [(HOUR, 2, 1, 0)]
    found = _rows(city, "city-overview: Trades", Range(HOUR - timedelta(days=2), HOUR))
    assert [row[1] for row in found] == [21, 14, 7]
    assert all(row[0].astimezone(UTC).hour == 16 for row in found)


def test_account_is_by_the_minute(city: Connection) -> None:
    """Each outcome apart."""
    for name in ("city-overview: Records per minute", "ingest-pipeline: The account, per minute"):
        assert _rows(city, name) == [(HOUR.timestamp(), 7, 3, 0, 0)]


def test_slots_are_in_the_hour_of_the_business_day(city: Connection) -> None:
    """A slot heard in this hour counts in this hour, whatever the day's beginning."""
    found = _rows(city, "city-overview: Devices heard")
    assert [heard for at, heard in found if at == HOUR] == [1]
    assert sum(heard for _, heard in found) == 1


def test_cold_chain_is_worst_first(city: Connection) -> None:
    """The probe that cannot read, then the warmest."""
    found = [(row[0], row[4], row[5]) for row in _rows(city, "city-overview: Cold chain, worst first")]
    assert found == [("logger-3", None, "open circuit"), ("logger-2", 7.25, None), ("logger-1", -18.5, None)]


def test_retirement_counts_what_stands(city: Connection) -> None:
    """Nothing that is over; cases by how long they have been where they are."""
    assert [row[:3] for row in _rows(city, "retirement: Findings by rule")] == [("asleep", "trace_scale", 2)]
    assert _rows(city, "retirement: Flagged devices by region") == [("Zhengzhou", "trace_scale", 2)]
    assert _rows(city, "retirement: Cases by step and age") == [("opened", "7", 1), ("opened", "more", 1)]
    assert next((row[0], row[6]) for row in _rows(city, "retirement: Cases by deadline")) == ("C-1", 2)
    assert [(row[0], *row[3:5]) for row in _rows(city, "retirement: Retired identities that speak")] == [
        ("logger-3", "broker", 7)
    ]


def test_programme_is_shown_day_by_day(city: Connection) -> None:
    """The scales came into the ledger today; the even line goes from all to none on the due day."""
    [shown] = _rows(city, "retirement: Programmes")
    assert (shown[0], *shown[3:]) == ("P-1", 2, 0, 2, 0.0)
    found = _rows(city, "retirement: Burn-down", Range(HOUR - timedelta(days=9), HOUR))
    assert [row[2] for row in found if row[1] == "P-1 left"] == [0, 0, 0, 2]
    assert found[-2][1:] == ("P-1 even", 1.2)
    assert _rows(city, "retirement: Campaigns behind") == [(1,)]


def test_steps_of_devices_are_marked_by_their_number(city: Connection) -> None:
    """One by its number, several as how many of what; outages with the site and from when to when."""
    found = _rows(city, "fleet-health: Steps of devices")
    assert sorted(row[1] for row in found) == ["3 × cold-chain logger: faulty", "scale-2: idle"]
    marked = _rows(city, "fleet-health: Outages")
    assert sorted(row[2] for row in marked) == ["platform: power", "site East market: power", "site Store one: power"]


def test_words_cover_the_kinds_of_the_ledger(city: Connection) -> None:
    """By the ledger's own names."""
    kinds = city.execute("SELECT kind, name_en, name_zh FROM kinds").fetchall()
    assert {kind: (english, chinese) for kind, english, chinese in kinds} == KINDS


def test_hours_are_found_by_an_index(city: Connection) -> None:
    """Six hours cost six hours, however long telemetry is kept."""
    if city.execute("SELECT telemetry_is_hypertable()").fetchone() == (True,):
        pytest.skip("TimescaleDB answers from the chunks of a continuous aggregate, not by this index")
    city.execute("SET enable_seqscan = off")
    query = QUERIES["city-overview: Trades"]
    plan = city.execute(b"EXPLAIN (FORMAT JSON) " + filled_in(query.text, query.dashboard, Choice(), OVER).encode())
    assert "weighing_by_hour" in json.dumps(plan.fetchone())
