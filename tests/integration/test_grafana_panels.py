"""Every SQL query of the dashboards, run on a migrated database with something to show."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from grafana.words import KINDS, STATES
from store.migrations import migrate
from store.settings import Settings

Connection = psycopg.Connection[tuple[object, ...]]

ROOT = Path(__file__).parents[2]
DASHBOARDS: list[dict[str, Any]] = [
    json.loads((ROOT / f"grafana/dashboards/{name}.en.json").read_text(encoding="utf-8"))
    for name in ("city-overview", "health-and-retirement")
]
PANELS: dict[str, str] = {
    panel["title"]: target["rawSql"]
    for dashboard in DASHBOARDS
    for panel in dashboard["panels"]
    for target in panel["targets"]
    if "rawSql" in target
}
VARIABLES: dict[str, dict[str, Any]] = {
    variable["name"]: variable for dashboard in DASHBOARDS for variable in dashboard["templating"]["list"]
}
HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
FROM, TO = HOUR - timedelta(hours=5), HOUR + timedelta(hours=1)

SEED = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES
    ('M1', '东门市场', 'East market', 'wet_market', '410100'), ('C1', '一号冷库', 'Store one', 'cold_store', '410100');
INSERT INTO models (model_no, kind, vendor) VALUES ('S-1', 'trace_scale', 'a'), ('L-1', 'logger', 'b');
INSERT INTO devices (device_no, model_id, site_id, state)
SELECT d.device_no, m.model_id, s.site_id, d.state FROM (VALUES
    ('scale-1', 'S-1', 'M1', 'in_service'), ('scale-2', 'S-1', 'M1', 'idle'),
    ('logger-1', 'L-1', 'C1', 'in_service'), ('logger-2', 'L-1', 'C1', 'in_service'),
    ('logger-3', 'L-1', 'C1', 'in_service')) AS d (device_no, model_no, site_no, state)
JOIN models AS m USING (model_no) JOIN sites AS s USING (site_no);
"""
READINGS = """
INSERT INTO latest (device_id, stream, at, seq, received_at, record)
SELECT device_id, 'coldchain', %(at)s, 1, %(at)s, r.record::jsonb FROM (VALUES
    ('logger-1', '{"temperature_c": -18.5, "humidity_pct": 80, "door_open": false}'),
    ('logger-2', '{"temperature_c": 7.25}'),
    ('logger-3', '{"temperature_c": null, "fault": "open circuit"}')) AS r (device_no, record)
JOIN devices USING (device_no)
"""
TRADES = """
INSERT INTO weighing (device_id, at, boot_id, seq, received_at, clock_ahead, trade_no, kind, net_g,
                      unit_price_fen_per_kg, amount_fen, stable)
SELECT device_id, %(at)s, 1, seq, %(at)s, false, 't', kind, 500, 2000, 1000, true
FROM devices, (VALUES (1, 'sale'), (2, 'sale'), (3, 'return')) AS t (seq, kind) WHERE device_no = 'scale-1'
"""
# The first slot of the hour: bit n of the business day (UTC+8).
HEARD = """
INSERT INTO presence_slots (device_id, day, heard)
SELECT device_id, (%(at)s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date,
       set_bit(0::bit(288), (extract(hour FROM %(at)s::timestamptz AT TIME ZONE 'Asia/Shanghai') * 12)::integer, 1)
FROM devices WHERE device_no = 'scale-1'
"""
ACCOUNT = """
INSERT INTO ingest_stats (bucket_at, worker, stream, messages, received,
                          stored, duplicate, conflict, dead_lettered, late)
VALUES (%(at)s, 'ingest-1', 'weighing', 2, 10, 7, 3, 0, 0, 0)
"""
# A case that is overdue, one in time, one that is over; a programme that began three days ago; findings that stand.
RETIREMENT = """
INSERT INTO device_health (device_id, evaluated_at, presence, presence_since, excused_by, score, reasons)
SELECT device_id, %(at)s, h.presence, %(at)s, h.excused_by, h.score, h.reasons::jsonb FROM (VALUES
    ('scale-1', 'online', NULL, 55, '[{"check": "gaps"}]'),
    ('scale-2', 'silent', 'not_in_service', NULL::smallint, '[]'),
    ('logger-1', 'silent', NULL, 20, '[{"check": "battery"}, {"check": "gaps"}]'))
    AS h (device_no, presence, excused_by, score, reasons) JOIN devices USING (device_no);
INSERT INTO health_days (device_id, day, presence, score)
SELECT device_id, (%(at)s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date, presence, score FROM device_health;
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
SELECT 'P-1', '淘汰秤', 'Scales', '41', '{trace_scale}', day - 3, day + 6
FROM (SELECT (%(at)s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date AS day) AS today;
INSERT INTO cases (case_no, device_id, path, state, state_since, grounds, due_on, opened_by)
SELECT c.case_no, device_id, 'state', c.state, %(at)s, '[]', c.due_on, 'a' FROM (VALUES
    ('C-1', 'scale-1', 'opened', '2020-01-01'::date), ('C-2', 'scale-2', 'opened', '2999-01-01'),
    ('C-3', 'logger-1', 'withdrawn', '2020-01-01')) AS c (case_no, device_no, state, due_on)
JOIN devices USING (device_no);
INSERT INTO case_steps (case_id, to_state, at) SELECT case_id, state, %(at)s FROM cases;
INSERT INTO security_events (device_id, channel, first_at, last_at, noted_at, attempts, settled_at)
SELECT device_id, s.channel, %(at)s, %(at)s, %(at)s, 7, s.settled_at FROM devices, (VALUES
    ('broker', NULL), ('ingest', %(at)s::timestamptz)) AS s (channel, settled_at) WHERE device_no = 'logger-3'
"""


@pytest.fixture
def city(connection: Connection) -> Connection:
    """A connection to a database of two sites whose devices were busy in the hour that began last."""
    connection.execute(SEED)
    for statement in (READINGS, TRADES, HEARD, ACCOUNT):
        connection.execute(statement, {"at": HOUR})
    for statement in RETIREMENT.split(";\n"):
        connection.execute(statement.encode(), {"at": HOUR})
    return connection


def _filled_in(query: str, *, site: str | None = None, kind: str | None = None) -> str:
    """The query as Grafana sends it: macros expanded, a variable as the quoted choice or as what All stands for."""
    kinds = ", ".join(f"'{word}'" for word in KINDS)
    for text, value in (
        ("${site:sqlstring}", f"'{site}'" if site else VARIABLES["site"]["allValue"]),
        ("${programme:sqlstring}", VARIABLES["programme"]["allValue"]),
        ("${kind:sqlstring}", f"'{kind}'" if kind else kinds),
        ("$__timeFrom()", f"'{FROM.isoformat()}'"),
        ("$__timeTo()", f"'{TO.isoformat()}'"),
        ("$__interval_ms", "60000"),
    ):
        query = query.replace(text, value)
    query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN '{FROM.isoformat()}' AND '{TO.isoformat()}'", query)
    query = re.sub(r"\$__timeGroup\((\w+), \$__interval\)", r"floor(extract(epoch FROM \1) / 60) * 60", query)
    assert "$" not in query
    return query


def _rows(connection: Connection, title: str, **chosen: str) -> list[tuple[object, ...]]:
    return connection.execute(_filled_in(PANELS[title], **chosen).encode()).fetchall()


@pytest.mark.parametrize("title", PANELS)
def test_panel_has_rows(city: Connection, title: str) -> None:
    """With every site and every kind chosen."""
    assert _rows(city, title)


@pytest.mark.parametrize("title", PANELS)
def test_panel_reads_views_made_for_it(title: str) -> None:
    """So no panel scans telemetry, and the role of the dashboards needs no other right."""
    relations = re.findall(r"(?:FROM|JOIN) (\w+)", PANELS[title])
    assert relations
    assert all(relation.startswith("grafana_") for relation in relations)


@pytest.mark.parametrize("name", VARIABLES)
def test_variable_has_a_text_and_a_value_for_each_choice(city: Connection, name: str) -> None:
    """Grafana reads two columns by these names."""
    found = city.execute(VARIABLES[name]["query"].encode())
    assert [column.name for column in found.description or []] == ["__text", "__value"]
    assert found.fetchall()


def test_retirement_panels_count_what_stands(city: Connection) -> None:
    """Nothing that is over, dismissed or settled; excused devices apart; of one kind when it is chosen."""
    assert _rows(city, "Devices by presence") == [
        ("logger", "silent", 1),
        ("trace_scale", "excused", 1),
        ("trace_scale", "online", 1),
    ]
    assert _rows(city, "Devices by health", kind="logger") == [("logger", "0", 1)]
    assert [(row[0], row[3], row[4]) for row in _rows(city, "Worst devices")] == [
        ("logger-1", 20, "battery"),
        ("scale-1", 55, "gaps"),
    ]
    assert sorted(str(row[1]) for row in _rows(city, "Open outages")) == ["M1", "None"]
    assert _rows(city, "Findings by rule") == [("沉睡", "asleep", "trace_scale", 2)]
    assert _rows(city, "Flagged devices by region") == [("410100", "trace_scale", 2)]
    assert _rows(city, "Open cases by state") == [("opened", 1, 1)]
    assert [row[:5] for row in _rows(city, "Retired identities that speak")] == [
        ("logger-3", "logger", "C1", "broker", 7)
    ]


def test_programme_is_shown_day_by_day(city: Connection) -> None:
    """The scales came into the ledger today; the even line goes from all to none on the due day."""
    [shown] = _rows(city, "Programmes")
    assert (shown[0], *shown[4:]) == ("P-1", 2, 0, 2, 0.0)
    found = city.execute("SELECT devices, even FROM grafana_programme_days ORDER BY day").fetchall()
    assert [row[0] for row in found] == [0, 0, 0, 2]
    assert found[-1][1] == 1.2


def test_cold_chain_is_worst_first(city: Connection) -> None:
    """The probe that cannot read, then the warmest."""
    found = [(row[0], row[5], row[6]) for row in _rows(city, "Cold chain, worst first")]
    assert found == [("logger-3", None, "open circuit"), ("logger-2", 7.25, None), ("logger-1", -18.5, None)]


def test_fleet_is_counted_by_kind_and_state(city: Connection) -> None:
    """And only what the variables choose."""
    assert _rows(city, "Fleet by kind and state") == [
        ("logger", "in_service", 3),
        ("trace_scale", "idle", 1),
        ("trace_scale", "in_service", 1),
    ]
    assert _rows(city, "Fleet by kind and state", site="C1") == [("logger", "in_service", 3)]
    assert _rows(city, "Fleet by kind and state", kind="trace_scale", site="C1") == []


def test_trades_and_the_account_are_counted(city: Connection) -> None:
    """In the hour and the minute they belong to."""
    assert _rows(city, "Trades per hour") == [(HOUR, 2, 1, 0)]
    stored = _rows(city, "Stored and duplicate records per minute")
    assert stored == [(HOUR.timestamp(), 7, 3)]


def test_slots_are_in_the_hour_of_the_business_day(city: Connection) -> None:
    """A slot heard in this hour counts in this hour, whatever the day's beginning."""
    found = _rows(city, "5-minute slots heard per hour")
    assert [(kind, slots) for at, kind, slots in found if at == HOUR] == [("trace_scale", 1)]
    assert sum(int(str(slots)) for _, _, slots in found) == 1


def test_words_cover_the_kinds_and_states_of_the_ledger(connection: Connection) -> None:
    """The kinds by the ledger's own names."""
    kinds = connection.execute("SELECT kind, name_en, name_zh FROM kinds").fetchall()
    assert {kind: (english, chinese) for kind, english, chinese in kinds} == KINDS
    check = connection.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'devices_state_check'"
    ).fetchone()
    assert check is not None
    assert set(re.findall(r"'(\w+)'::text", str(check[0]))) == STATES.keys()


def test_role_of_the_dashboards_reads_the_views_and_nothing_else(empty_database_url: str) -> None:
    """Where the role is there before the migration, as deploy/compose/roles.sql makes it."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        # Never dropped again: a suite beside this one may be granting it something.
        connection.execute(
            "DO $$ BEGIN CREATE ROLE tracefleet_dashboards;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        migrate(Settings(database_url=SecretStr(empty_database_url)))
        connection.execute("SET ROLE tracefleet_dashboards")
        for title in PANELS:
            assert _rows(connection, title) == []
        for table in ("devices", "latest", "weighing", "dead_letter_payloads", "cases", "programme_scope"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(SQL("SELECT 1 FROM {}").format(Identifier(table)))


def test_trades_per_hour_finds_its_hours_by_an_index(city: Connection) -> None:
    """Six hours cost six hours, however long telemetry is kept."""
    if city.execute("SELECT telemetry_is_hypertable()").fetchone() == (True,):
        pytest.skip("TimescaleDB answers from the chunks of a continuous aggregate, not by this index")
    city.execute("SET enable_seqscan = off")
    plan = city.execute(("EXPLAIN " + _filled_in(PANELS["Trades per hour"])).encode()).fetchall()
    assert "weighing_by_hour" in str(plan)
