"""The rules of Grafana's dashboard linter (github.com/grafana/dashboard-linter), each as a test of its own.

A rule that does not apply stands in NOT_APPLIED with the reason, as the linter's own list of exclusions would have it.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import promql_parser
import pytest
from grafana_foundation_sdk.models import units

from tests.unit.grafana.files import DASHBOARDS, Query, panels, promql_of_panels, variables
from tests.unit.grafana.promql import filled_in, nodes, selectors

EACH = pytest.mark.parametrize("name", DASHBOARDS)
SOURCES: Final = {
    "tracefleet-prometheus": "prometheus",
    "tracefleet-timescale": "grafana-postgresql-datasource",
}
# By the name that the linter gives them, in its order.
APPLIED: Final = {
    "template-instance-rule": "test_template_instance",
    "template-label-promql-rule": "test_template_label_promql",
    "template-on-time-change-reload-rule": "test_template_on_time_change_reload",
    "panel-datasource-rule": "test_panel_datasource",
    "panel-title-description-rule": "test_panel_title_description",
    "panel-units-rule": "test_panel_units",
    "panel-no-targets-rule": "test_panel_no_targets",
    "target-promql-rule": "test_target_promql",
    "target-rate-interval-rule": "test_target_rate_interval",
    "target-instance-rule": "test_target_instance",
    "target-counter-agg-rule": "test_target_counter_agg",
    "uneditable-dashboard": "test_uneditable_dashboard",
}
NOT_APPLIED: Final = {
    "template-datasource-rule": "there are two sources, provisioned under fixed uids; a choice would break the alerts",
    "template-job-rule": "the names of our metrics say the service, whatever the job is called where they are scraped",
    "target-job-rule": "the same",
    "template-required-variables-rule": "for those who configure it; ours are asserted with the pages",
    "target-required-matchers-rule": "as above",
    "target-logql-rule": "no logs are read",
    "target-logql-auto-rule": "no logs are read",
}
# Totals of a span that the panel names, and not rates.
SPANS: Final = {"1h", "$__range"}
UNITS: Final = {value for name, value in vars(units).items() if name[0].isupper() and isinstance(value, str)}


def test_every_rule_of_the_linter_has_its_test_or_its_reason() -> None:
    """A test that is renamed does not take a rule with it."""
    assert all(name in globals() for name in APPLIED.values())
    assert all(NOT_APPLIED.values())
    assert not APPLIED.keys() & NOT_APPLIED.keys()


def _prometheus_variables(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for variable in variables(dashboard).values():
        if variable["type"] == "query" and variable["datasource"]["uid"] == "tracefleet-prometheus":
            yield variable


@EACH
def test_template_instance(name: str) -> None:
    """A dashboard of processes offers the process; fleet's gauges are the same from whichever process they come."""
    has_choice = "instance" in variables(DASHBOARDS[name])
    assert has_choice is name.startswith("ingest-pipeline")


@EACH
def test_template_label_promql(name: str) -> None:
    """A variable that Prometheus lists asks for the values of a label of a metric, and no other way."""
    for variable in _prometheus_variables(DASHBOARDS[name]):
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert found is not None
        promql_parser.parse(found[1])


@EACH
def test_template_on_time_change_reload(name: str) -> None:
    """What Prometheus lists depends on the range, and is asked for again with it.

    The ledger's lists do not: asked for at every refresh, they would be what keeps the database busy.
    """
    for variable in variables(DASHBOARDS[name]).values():
        if variable["type"] == "query":
            assert variable["refresh"] == (2 if variable in list(_prometheus_variables(DASHBOARDS[name])) else 1)


@EACH
def test_panel_datasource(name: str) -> None:
    """Each panel and each of its queries uses one of the sources that are provisioned, the same one."""
    for panel in panels(DASHBOARDS[name]):
        source = panel["datasource"]
        assert SOURCES[source["uid"]] == source["type"]
        assert all(target["datasource"] == source for target in panel["targets"])


@EACH
def test_panel_title_description(name: str) -> None:
    """Every panel says what it is and what it means, in sentences."""
    for panel in panels(DASHBOARDS[name]):
        assert panel["title"].strip() == panel["title"] != ""
        assert panel["description"].endswith((".", "。"))


@EACH
def test_panel_units(name: str) -> None:
    """Every panel and every column has a unit that Grafana knows; a form of dates is one, too."""
    for panel in panels(DASHBOARDS[name]):
        shown = [panel["fieldConfig"]["defaults"]["unit"]]
        shown += [
            change["value"]
            for override in panel["fieldConfig"]["overrides"]
            for change in override["properties"]
            if change["id"] == "unit"
        ]
        assert all(unit in UNITS | {"string"} or unit.startswith("time:") for unit in shown), panel["title"]


@EACH
def test_panel_thresholds(name: str) -> None:
    """Ours, not the linter's: every panel says which values are good, or that none is; Grafana would call 80 red."""
    for panel in panels(DASHBOARDS[name]):
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert steps[0]["value"] is None
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values)


@EACH
def test_panel_no_value(name: str) -> None:
    """Ours: an empty panel says in words what that means. "No data" looks broken, and a 0 or a dash says nothing."""
    has_chinese = re.compile("[\u4e00-\u9fff]")
    for panel in panels(DASHBOARDS[name]):
        text = panel["fieldConfig"]["defaults"].get("noValue", "")
        assert re.search("[a-z]{2} [a-z]{2}|[\u4e00-\u9fff]{3}", text), panel["title"]
        assert bool(has_chinese.search(text)) is name.endswith(".zh"), panel["title"]
        # A tile of a sixth of the page shows no more than this in letters that can be read from afar.
        assert panel["type"] != "stat" or len(text) <= 24, panel["title"]


@EACH
def test_panel_missing_number(name: str) -> None:
    """Ours: a number that is missing among others is a dash; else it would say what the empty panel says."""
    for panel in panels(DASHBOARDS[name]):
        overrides = panel["fieldConfig"]["overrides"]
        dashed = [each for each in overrides if {"id": "noValue", "value": "–"} in each["properties"]]
        if panel["type"] == "table":
            assert dashed == overrides
        elif panel["type"] in {"timeseries", "barchart"}:
            assert {"id": "byType", "options": "number"} in [each["matcher"] for each in dashed], panel["title"]


@EACH
def test_panel_no_targets(name: str) -> None:
    """Every panel asks something."""
    assert all(panel["targets"] for panel in panels(DASHBOARDS[name]))


def _queries(name: str) -> list[Query]:
    return list(promql_of_panels(DASHBOARDS[name]))


@EACH
def test_target_promql(name: str) -> None:
    """Every expression is PromQL, by the grammar of Prometheus."""
    for query in _queries(name):
        promql_parser.parse(filled_in(query.text))


@EACH
def test_target_rate_interval(name: str) -> None:
    """A rate is over $__rate_interval, which knows how often is scraped; a total over a span that its panel names."""
    for query in _queries(name):
        for function, span in re.findall(r"\b(\w+)\([^()]*\[([^\]]+)\]\)", query.text):
            assert span == "$__rate_interval" if function == "rate" else span in SPANS, query.name


@EACH
def test_target_instance(name: str) -> None:
    """Where the process can be chosen, every expression goes by the choice."""
    if "instance" in variables(DASHBOARDS[name]):
        for query in _queries(name):
            for selector in selectors(query.text):
                assert any(matcher.name == "instance" for matcher in selector.matchers.matchers), query.name


@EACH
def test_target_counter_agg(name: str) -> None:
    """A counter is never shown as it stands, since it begins anew with its process."""
    for query in _queries(name):
        counted = [
            node.args[0].vector_selector.name
            for node in nodes(promql_parser.parse(filled_in(query.text)))
            if isinstance(node, promql_parser.Call) and node.func.name in {"rate", "irate", "increase"}
        ]
        used = [selector.name for selector in selectors(query.text) if selector.name.endswith("_total")]
        assert sorted(used) == sorted(name for name in counted if name.endswith("_total")), query.name


@EACH
def test_uneditable_dashboard(name: str) -> None:
    """Provisioned from code: a change made in the browser would be lost."""
    assert DASHBOARDS[name]["editable"] is False
