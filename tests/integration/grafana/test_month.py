"""Every query of every dashboard, run on the seeded month as the role that the dashboards read with.

One file, so that the month is seeded once: the suite is spread over processes by the file.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from psycopg.sql import SQL, Identifier

from tests.integration.grafana.conftest import Month
from tests.integration.grafana.filling import Choice, Range, filled_in, last, range_of
from tests.unit.grafana.files import (
    DASHBOARDS,
    Query,
    sql_of_annotations,
    sql_of_panels,
    sql_of_variables,
    variables,
)

Reader = psycopg.Connection[Any]

LIMIT_MS: Final = 500
SPANS: Final = ("6h", "24h", "30d")
# Beyond a day nothing may read these: what devices said, row by row. On TimescaleDB they are chunks by other names.
RAW: Final = re.compile(r"weighing|scan|coldchain|status|presence|boots|_hyper_.*|_dist_.*|compress_.*")
# Both languages ask the same of the database, as another test shows: here one is enough.
ENGLISH: Final = [dashboard for name, dashboard in DASHBOARDS.items() if name.endswith(".en")]
PANELS: Final = [query for dashboard in ENGLISH for query in sql_of_panels(dashboard)]
ANNOTATIONS: Final = [query for dashboard in ENGLISH for query in sql_of_annotations(dashboard)]
VARIABLES: Final = [query for dashboard in ENGLISH for query in sql_of_variables(dashboard)]
ALL: Final = Choice()


def _each(queries: list[Query]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("query", queries, ids=lambda query: query.name)


def _text(query: Query, chosen: Choice, over: Range) -> bytes:
    panel = query.panel or {}
    over = range_of(panel, over)
    return filled_in(query.text, query.dashboard, chosen, over, interval=panel.get("interval")).encode()


def _rows(reader: Reader, query: Query, over: Range, chosen: Choice = ALL) -> list[tuple[Any, ...]]:
    return reader.execute(_text(query, chosen, over)).fetchall()


def _relations(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan["Relation Name"]
        for part in plan.values():
            yield from _relations(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _relations(part)


def _plan(reader: Reader, text: bytes, options: str) -> Any:
    found = reader.execute(f"EXPLAIN ({options}, FORMAT JSON) ".encode() + text).fetchone()
    assert found is not None
    return found[0][0] if not isinstance(found[0], str) else json.loads(found[0])[0]


@pytest.mark.parametrize("span", SPANS)
@_each(PANELS)
def test_panel_shows_something(reader: Reader, month: Month, query: Query, span: str) -> None:
    """At least one row with a value that is neither empty nor zero besides its time, whatever range is looked at."""
    rows = _rows(reader, query, last(span, month.now))
    assert rows
    assert any(value for row in rows for value in (row[1:] if len(row) > 1 else row))


@_each([query for query in PANELS if (query.panel or {})["type"] == "table"])
def test_columns_of_a_table_are_told(reader: Reader, month: Month, query: Query) -> None:
    """Each has a title, a unit and its words, and none is told of that the query does not answer; links find theirs."""
    found = reader.execute(_text(query, ALL, last("6h", month.now)))
    columns = [column.name for column in found.description or []]
    panel = query.panel or {}
    told = {change["matcher"]["options"]: change["properties"] for change in panel["fieldConfig"]["overrides"]}
    assert set(told) == set(columns)
    assert all({"displayName", "unit"} <= {change["id"] for change in changes} for changes in told.values())
    assert set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel["fieldConfig"]))) <= set(columns)


@_each([query for query in PANELS if (query.panel or {})["type"] in {"timeseries", "barchart"}])
def test_series_are_told(reader: Reader, month: Month, query: Query) -> None:
    """Words of a closed set have a text: none is left as the code that the query answers. Names of things are names."""
    over = range_of(query.panel, last("6h", month.now))
    found = reader.execute(_text(query, ALL, over))
    columns = [column.name for column in found.description or []]
    panel = query.panel or {}
    told = {change["matcher"]["options"] for change in panel["fieldConfig"]["overrides"]}
    matrix = [each["options"] for each in panel.get("transformations", []) if each["id"] == "groupingToMatrix"]
    rows = found.fetchall()
    if matrix:
        series = {row[columns.index(matrix[0]["columnField"])] for row in rows}
    elif "metric" in columns:
        series = {row[columns.index("metric")] for row in rows}
    else:
        series = set(columns[1:])
    assert {name for name in series if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name)} <= told


@_each(ANNOTATIONS)
def test_annotation_marks_something(reader: Reader, month: Month, query: Query) -> None:
    """With the columns that Grafana reads by their names."""
    text = _text(query, ALL, last("6h", month.now))
    found = reader.execute(text)
    names = [column.name for column in found.description or []]
    assert names[0] == "time"
    assert {"text", "tags"} <= set(names)
    assert found.fetchall()


@_each(VARIABLES)
def test_variable_offers_something(reader: Reader, month: Month, query: Query) -> None:
    """A text and a value for each choice, by the names that Grafana reads; no more than a list can show."""
    found = reader.execute(_text(query, ALL, last("6h", month.now)))
    assert [column.name for column in found.description or []] == ["__text", "__value"]
    rows = found.fetchall()
    assert 0 < len(rows) <= 1000
    assert len({value for _, value in rows}) == len(rows)


@_each([query for query in PANELS if "${device:" in query.text])
def test_variables_narrow_a_panel(reader: Reader, month: Month, query: Query) -> None:
    """Whatever is chosen must be SQL; a device that nobody has leaves nothing but counts of nothing."""
    nobody = Choice({"region": ["410100", "410200"], "site": ["x", "y"], "kind": ["kiosk"], "device": ["x", "y'z"[:1]]})
    rows = _rows(reader, query, last("6h", month.now), nobody)
    assert all(not value for row in rows for value in row)


@pytest.mark.parametrize("span", ["6h", "30d"])
@_each([*PANELS, *ANNOTATIONS, *VARIABLES])
def test_query_is_quick(reader: Reader, month: Month, query: Query, span: str) -> None:
    """Under half a second by the server's own clock, planning included.

    The best of three: a machine that is busy for a moment fails nothing that is sound.
    """
    text = _text(query, ALL, last(span, month.now))
    plans = [_plan(reader, text, "ANALYZE, TIMING OFF") for _ in range(3)]
    assert min(plan["Planning Time"] + plan["Execution Time"] for plan in plans) < LIMIT_MS


@_each([*PANELS, *ANNOTATIONS, *VARIABLES])
def test_range_above_a_day_leaves_telemetry_alone(reader: Reader, month: Month, query: Query) -> None:
    """Not a partition, not a chunk of it is in the plan, so the cost does not grow with what devices say."""
    over = range_of(query.panel, last("30d", month.now))
    found = {name for name in _relations(_plan(reader, _text(query, ALL, over), "VERBOSE")) if RAW.fullmatch(name)}
    assert found == set()


def test_raw_telemetry_would_be_seen_in_a_plan(reader: Reader, month: Month) -> None:
    """The hours of a day do come from it: the test above sees what it looks for."""
    query = next(each for each in PANELS if "grafana_trades_1h" in each.text)
    found = set(_relations(_plan(reader, _text(query, ALL, last("6h", month.now)), "VERBOSE")))
    assert any(RAW.fullmatch(name) for name in found)


def test_role_reads_the_views_and_nothing_else(reader: Reader) -> None:
    """Whoever may look at a dashboard can send any SQL through it."""
    for table in ("devices", "latest", "weighing", "dead_letter_payloads", "cases", "programme_scope", "merchants"):
        with pytest.raises(InsufficientPrivilege):
            reader.execute(SQL("SELECT 1 FROM {}").format(Identifier(table)))
    with pytest.raises(ReadOnlySqlTransaction):
        reader.execute("CREATE TABLE mine (n int)")


def test_site_is_offered_for_its_region(reader: Reader, month: Month) -> None:
    """A prefecture has its own sites and those of the counties below it; a device is offered for its site."""
    [overview] = [dashboard for dashboard in ENGLISH if dashboard["uid"] == "tracefleet-fleet-health-en"]
    asked = {query.where: query for query in sql_of_variables(overview)}
    over = last("6h", month.now)
    sites = _rows(reader, asked["site"], over, Choice({"region": ["410100"]}))
    expected = reader.execute("SELECT site_no FROM grafana_sites WHERE region_code LIKE '4101%'").fetchall()
    assert sorted(value for _, value in sites) == sorted(value for (value,) in expected)
    [site] = [value for _, value in sites][:1]
    devices = _rows(reader, asked["device"], over, Choice({"site": [site]}))
    expected = reader.execute("SELECT device_no FROM grafana_devices WHERE site_no = %s", (site,)).fetchall()
    assert sorted(value for _, value in devices) == sorted(value for (value,) in expected)


def test_device_is_found_by_what_is_typed(reader: Reader, month: Month) -> None:
    """Grafana puts what is typed, and a wildcard behind it, into the place of the search filter."""
    query = next(query for query in VARIABLES if query.where == "device")
    typed = replace(query, text=query.text.replace("$__searchFilter", "-SC-%"))
    found = [value for _, value in _rows(reader, typed, last("6h", month.now))]
    assert found
    assert all("-SC-" in device_no for device_no in found)


def test_all_is_as_good_as_everything_chosen(reader: Reader, month: Month) -> None:
    """All stands for the column itself: it leaves out nothing that a list of every choice would have."""
    [health] = [dashboard for dashboard in ENGLISH if dashboard["uid"] == "tracefleet-fleet-health-en"]
    over = last("6h", month.now)
    listed = {
        query.where: [value for _, value in _rows(reader, query, over, ALL)] for query in sql_of_variables(health)
    }
    assert set(listed) == {"region", "site", "kind", "device"}
    assert all(variables(health)[name].get("allValue") for name in ("region", "site", "device"))
    for query in sql_of_panels(health):
        assert _rows(reader, query, over, Choice(dict(listed))) == _rows(reader, query, over, ALL), query.where
