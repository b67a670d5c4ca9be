"""Every metric that a dashboard asks for is one that a process of ours shows, with the labels that it asks for."""

import promql_parser
import pytest
from prometheus_client import CollectorRegistry

from api.metrics import Metrics as ApiMetrics
from fleet.metrics import Metrics as FleetMetrics
from ingest.metrics import Metrics as IngestMetrics
from tests.unit.grafana.files import DASHBOARDS, Query, promql_of_panels, variables
from tests.unit.grafana.promql import filled_in, nodes, selectors

QUERIES = [query for dashboard in DASHBOARDS.values() for query in promql_of_panels(dashboard)]
# What Prometheus adds when it scrapes.
SCRAPED = {"instance", "job"}


def _shown() -> dict[str, set[str]]:
    """By the name of a series, its labels: as the processes' registries show it, and as they will once it is there."""
    shown: dict[str, set[str]] = {}
    ingest, fleet = CollectorRegistry(), CollectorRegistry()
    IngestMetrics(ingest)
    FleetMetrics(fleet)
    for registry in (ingest, fleet, ApiMetrics(["/api/v1/devices"])._registry):
        for family in registry.collect():
            for sample in family.samples:
                shown.setdefault(sample.name, set(SCRAPED)).update(sample.labels)
        # A gauge of the fleet has no series before the first census.
        for collector, names in registry._collector_to_names.items():
            for name in names:
                shown.setdefault(name, set(SCRAPED)).update(getattr(collector, "_labelnames", ()))
    return shown


SHOWN = _shown()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_metrics_and_labels_are_exported(query: Query) -> None:
    """A panel that asks for another name or by another label would stay empty for ever."""
    found = selectors(query.text)
    assert found
    labels: set[str] = set().union(*(SHOWN[selector.name] for selector in found))
    for selector in found:
        assert {matcher.name for matcher in selector.matchers.matchers} <= SHOWN[selector.name]
    for node in nodes(promql_parser.parse(filled_in(query.text))):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            assert set(node.modifier.labels) <= labels


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_legends_show_labels_that_are_left(query: Query) -> None:
    """`{{stream}}` is empty where the expression has summed the streams up."""
    assert query.target is not None
    tree = promql_parser.parse(filled_in(query.text))
    kept = {
        label
        for node in nodes(tree)
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None
        for label in node.modifier.labels
    }
    legend = query.target["legendFormat"]
    assert set(legend.replace("}}", "{{").split("{{")[1::2]) <= kept


def test_variables_of_prometheus_ask_for_what_is_exported() -> None:
    """The processes that can be chosen are those that show a metric of ingest."""
    asked = {
        variable["query"]["query"]
        for dashboard in DASHBOARDS.values()
        for variable in variables(dashboard).values()
        if variable["type"] == "query" and variable["datasource"]["uid"] == "tracefleet-prometheus"
    }
    assert asked == {"label_values(tracefleet_ingest_connected, instance)"}
    assert "instance" in SHOWN["tracefleet_ingest_connected"]
