"""What the alerts ask the database, as the role of the dashboards: a row where something is wrong, else none."""

from datetime import timedelta

import psycopg
import pytest
from pydantic import SecretStr

from grafana.alert import Sql
from grafana.database_alerts import DATABASE_ALERTS
from store.migrations import migrate
from store.settings import Settings

Connection = psycopg.Connection[tuple[object, ...]]

SEED = """
INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES
    ('C1', '一号冷库', 'Store one', 'cold_store', '410105'), ('C2', '二号冷库', 'Store two', 'cold_store', '410105');
INSERT INTO models (model_no, kind, vendor) VALUES ('L', 'logger', 'V'), ('S', 'trace_scale', 'V');
INSERT INTO devices (device_no, model_id, site_id, state)
SELECT d.device_no, m.model_id, s.site_id, 'in_service' FROM (VALUES
    ('frozen', 'L', 'C1'), ('chilled', 'L', 'C1'), ('hall', 'L', 'C2'), ('fresh', 'L', 'C2'), ('scale', 'S', 'C2'))
    AS d (device_no, model_no, site_no) JOIN models AS m USING (model_no) JOIN sites AS s USING (site_no);
INSERT INTO coldchain_bands (kind, device_id, goods_zh, goods_en, low_c, high_c, basis)
SELECT 'logger', device_id, '货', 'goods', c.low, c.high, 'test' FROM devices
JOIN (VALUES ('frozen', -30, -15), ('hall', 5, 40)) AS c (device_no, low, high) USING (device_no);
"""
READ = """
INSERT INTO latest (device_id, stream, at, seq, received_at, record)
SELECT device_id, 'coldchain', now() - %(ago)s::interval, 1, now(), %(record)s::jsonb FROM devices
WHERE device_no = %(device_no)s
ON CONFLICT (device_id, stream, probe) DO UPDATE SET at = excluded.at, record = excluded.record
"""
WRONG = {
    "TracefleetVerificationOverdue": "UPDATE devices SET verified_until = current_date - 9 WHERE device_no = 'scale'",
    "TracefleetCaseOverdue": """
        INSERT INTO cases (case_no, device_id, path, state, state_since, grounds, opened_by, due_on)
        SELECT 'RC-1', device_id, 'state', 'opened', now(), '[]', 'li', current_date - 9 FROM devices
        WHERE device_no = 'scale'""",
    "TracefleetRetiredIdentitySpeaks": """
        INSERT INTO security_events (device_id, channel, first_at, last_at, attempts, noted_at)
        SELECT device_id, 'broker', now(), now(), 3, now() FROM devices WHERE device_no = 'scale'""",
    "TracefleetOutage": """
        INSERT INTO outages (scope, site_id, began_at, source, reason)
        SELECT 'site', site_id, now() - interval '1 hour', 'detected', 'power' FROM sites WHERE site_no = 'C1'""",
}
ROWS: dict[str, list[tuple[object, ...]]] = {
    "TracefleetVerificationOverdue": [("410105", "overdue", 1.0)],
    "TracefleetCaseOverdue": [("opened", 1.0)],
    "TracefleetRetiredIdentitySpeaks": [("broker", 1.0)],
    "TracefleetOutage": [("site", "C1", "一号冷库", pytest.approx(3600, abs=300))],
}
EVERY_ALERT = pytest.mark.parametrize("name", [alert.name for alert in DATABASE_ALERTS])


def _asked(connection: Connection, name: str) -> list[tuple[object, ...]]:
    [asks] = [alert.asks for alert in DATABASE_ALERTS if alert.name == name]
    assert isinstance(asks, Sql)
    return connection.execute(asks.statement.encode()).fetchall()


@pytest.fixture
def city(connection: Connection) -> Connection:
    """Two stores, whose probes all read what they should."""
    connection.execute(SEED.encode())
    for device_no, celsius in (("frozen", -18.5), ("chilled", 3.0), ("hall", 12.0), ("fresh", 6.0)):
        _read(connection, device_no, f'{{"temperature_c": {celsius}}}')
    return connection


def _read(connection: Connection, device_no: str, record: str, ago: timedelta = timedelta()) -> None:
    connection.execute(READ, {"device_no": device_no, "record": record, "ago": ago})


@EVERY_ALERT
def test_nothing_is_told_where_nothing_is_wrong(name: str, city: Connection) -> None:
    """Each by its band, and by that of its kind where none is entered."""
    assert _asked(city, name) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(name: str, city: Connection) -> None:
    """As text that tells alerts apart, and one number."""
    city.execute(WRONG[name].encode())
    assert _asked(city, name) == ROWS[name]


def test_freezer_and_cold_store_have_limits_of_their_own(city: Connection) -> None:
    """-10 °C is too warm for the one, 9 °C for the other, and -1 °C too cold; both stand in one store."""
    _read(city, "frozen", '{"temperature_c": -10.0}')
    assert _asked(city, "TracefleetColdChainExcursion") == [("C1", "一号冷库", 1.0)]
    _read(city, "chilled", '{"temperature_c": 9.0}')
    assert _asked(city, "TracefleetColdChainExcursion") == [("C1", "一号冷库", 2.0)]
    _read(city, "chilled", '{"temperature_c": -1.0}')
    assert _asked(city, "TracefleetColdChainExcursion") == [("C1", "一号冷库", 2.0)]
    assert _asked(city, "TracefleetColdChainGap") == []


def test_probe_that_tells_nothing_is_a_gap_and_no_excursion(city: Connection) -> None:
    """Silent for an hour, or unable to read."""
    _read(city, "frozen", '{"temperature_c": -10.0}', timedelta(hours=2))
    _read(city, "chilled", '{"temperature_c": null, "fault": "open circuit"}')
    assert _asked(city, "TracefleetColdChainExcursion") == []
    assert _asked(city, "TracefleetColdChainGap") == [("C1", "一号冷库", 2.0)]


@EVERY_ALERT
def test_answer_is_text_and_one_number(name: str, city: Connection) -> None:
    """Of a table Grafana makes an alert a row: every text is a label, and it takes no second number."""
    [asks] = [alert.asks for alert in DATABASE_ALERTS if alert.name == name]
    assert isinstance(asks, Sql)
    described = city.execute(asks.statement.encode()).description
    assert described is not None
    kinds = sorted(column.type_display for column in described)
    assert kinds.count("float8") == 1
    assert set(kinds) == {"float8", "text"}


def test_role_of_the_dashboards_may_ask(empty_database_url: str) -> None:
    """Every question, and no table beneath."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        # Never dropped again: a suite beside this one may be granting it something.
        connection.execute(
            "DO $$ BEGIN CREATE ROLE tracefleet_dashboards;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        migrate(Settings(database_url=SecretStr(empty_database_url)))
        connection.execute("SET ROLE tracefleet_dashboards")
        for alert in DATABASE_ALERTS:
            assert _asked(connection, alert.name) == []
