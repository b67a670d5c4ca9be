"""The dashboards' queries on TimescaleDB: understood, and beyond a day away from the chunks of telemetry there, too."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest

from tests.integration.grafana.filling import Choice, Range, filled_in, last, range_of
from tests.unit.grafana.files import DASHBOARDS, Query, sql_of_annotations, sql_of_panels, sql_of_variables

Connection = psycopg.Connection[Any]

NOW: Final = datetime.now(UTC)
QUERIES: Final[list[Query]] = [
    query
    for name, dashboard in DASHBOARDS.items()
    if name.endswith(".en")
    for query in (*sql_of_panels(dashboard), *sql_of_annotations(dashboard), *sql_of_variables(dashboard))
]
# Of every stream, so that there are chunks to be seen.
ROWS: Final = """
INSERT INTO weighing (device_id, at, boot_id, seq, received_at, clock_ahead, trade_no, kind, net_g,
                      unit_price_fen_per_kg, amount_fen, stable)
VALUES (900, %(at)s, 1, 1, %(at)s, false, 'a', 'sale', 1, 1, 1, true);
INSERT INTO scan (device_id, at, boot_id, seq, received_at, clock_ahead, code, purpose, result)
VALUES (900, %(at)s, 1, 1, %(at)s, false, '1', 'sale', 'ok');
INSERT INTO coldchain (device_id, at, boot_id, seq, received_at, clock_ahead, temperature_c)
VALUES (900, %(at)s, 1, 1, %(at)s, false, 4);
INSERT INTO status (device_id, at, boot_id, seq, received_at, clock_ahead, uptime_s)
VALUES (900, %(at)s, 1, 1, %(at)s, false, 60)
"""


def _relations(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan["Relation Name"]
        for part in plan.values():
            yield from _relations(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _relations(part)


def _read(connection: Connection, query: Query, over: Range) -> set[str]:
    text = filled_in(query.text, query.dashboard, Choice(), range_of(query.panel, over))
    found = connection.execute(b"EXPLAIN (FORMAT JSON) " + text.encode()).fetchone()
    assert found is not None
    return set(_relations(json.loads(found[0]) if isinstance(found[0], str) else found[0]))


@pytest.fixture
def busy(timescale: Connection) -> Iterator[Connection]:
    """With rows of today and of two weeks ago, all of it taken back."""
    with timescale.transaction(force_rollback=True):
        for statement in ROWS.split(";\n"):
            for days in (0, 14):
                timescale.execute(statement.encode(), {"at": NOW - timedelta(hours=1, days=days)})
        yield timescale


def test_queries_beyond_a_day_read_no_chunk(busy: Connection) -> None:
    """Neither of telemetry nor of what is rolled up of it, whose newest part is computed from telemetry."""
    for query in QUERIES:
        chunks = {name for name in _read(busy, query, last("30d", NOW)) if name.startswith(("_hyper", "_materialized"))}
        assert chunks == set(), query.name


def test_hours_of_a_day_are_read_from_chunks(busy: Connection) -> None:
    """So the test above would see one."""
    [trades] = [query for query in QUERIES if query.name == "city-overview-en: Trades"]
    assert any(name.startswith("_hyper") for name in _read(busy, trades, last("6h", NOW)))
