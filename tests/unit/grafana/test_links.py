"""Every link leads somewhere, with variables that are there; every variable that a query names is there and is used."""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.unit.grafana.files import (
    BY_UID,
    DASHBOARDS,
    panels,
    promql_of_panels,
    sql_of_annotations,
    sql_of_panels,
    sql_of_variables,
    variables,
)

EACH = pytest.mark.parametrize("name", DASHBOARDS)
# A variable of a dashboard: ${name}, ${name:format} or $name; Grafana's own begin with two underscores.
USED: Final = re.compile(r"\$(?:\{(\w+)(?:[.:][^}]*)?\}|(\w+))")


def _links(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those in the head, of panels, on values."""
    yield from dashboard["links"]
    for panel in panels(dashboard):
        yield from panel.get("links", [])
        yield from panel["fieldConfig"]["defaults"].get("links", [])
        for override in panel["fieldConfig"]["overrides"]:
            for change in override["properties"]:
                if change["id"] == "links":
                    yield from change["value"]


def _named(text: str) -> set[str]:
    """The variables of the dashboard that a text names."""
    return {name for pair in USED.findall(text) for name in pair if name and not name.startswith("__")}


@EACH
def test_link_leads_to_a_dashboard_that_has_its_variables(name: str) -> None:
    """In the same language, but for the one link that changes it."""
    here = DASHBOARDS[name]
    crossing = []
    for link in _links(here):
        assert link["title"]
        if link["url"].startswith("${console}/"):
            continue
        address = urlsplit(link["url"])
        uid = address.path.removeprefix("/d/")
        there = variables(BY_UID[uid])
        assert _named(link["url"]) <= variables(here).keys() & there.keys(), link
        passed = {key.removeprefix("var-") for key, _ in parse_qsl(address.query) if key.startswith("var-")}
        assert passed <= there.keys(), link
        if not uid.endswith(here["uid"][-2:]):
            crossing.append(uid)
    assert crossing == [here["uid"][:-2] + {"en": "zh", "zh": "en"}[here["uid"][-2:]]]


@EACH
def test_every_other_dashboard_is_a_link_away(name: str) -> None:
    """With the time and all that both pages can choose."""
    here = DASHBOARDS[name]
    language = here["uid"][-2:]
    reached = {urlsplit(link["url"]).path.removeprefix("/d/"): link for link in here["links"]}
    assert {uid for uid in reached if uid.endswith(language)} == {
        uid for uid in BY_UID if uid.endswith(language) and uid != here["uid"]
    }
    for uid, link in reached.items():
        assert link["keepTime"]
        choices = {key for key, variable in variables(here).items() if variable["type"] == "query"}
        assert _named(link["url"]) == choices & variables(BY_UID[uid]).keys()


@EACH
def test_rows_lead_down_to_the_console(name: str) -> None:
    """Overview to site, site to device, device to console: wherever a device is in a row, so are the ways on."""
    for panel in panels(DASHBOARDS[name]):
        for override in panel["fieldConfig"]["overrides"]:
            for change in override["properties"]:
                if override["matcher"]["options"] == "device_no" and change["id"] == "links":
                    addresses = [link["url"] for link in change["value"]]
                    assert addresses[-1] == "${console}/?device=${__data.fields.device_no:percentencode}"


def test_overview_leads_to_the_site_and_the_site_to_the_device() -> None:
    """The way that an operator goes."""
    for language in ("en", "zh"):
        overview = [link["url"] for link in _links(DASHBOARDS[f"city-overview.{language}"])]
        site = [link["url"] for link in _links(DASHBOARDS[f"site-detail.{language}"])]
        assert any(f"/d/tracefleet-site-detail-{language}?var-site=$" in url for url in overview)
        assert any(f"/d/tracefleet-device-detail-{language}?var-device=$" in url for url in site)
        assert any(url.startswith("${console}/") for url in site)


@EACH
def test_variables_that_queries_name_are_there(name: str) -> None:
    """A name that is not would be sent to the database as it stands."""
    dashboard = DASHBOARDS[name]
    queries = [
        *sql_of_panels(dashboard),
        *sql_of_annotations(dashboard),
        *sql_of_variables(dashboard),
        *promql_of_panels(dashboard),
    ]
    for query in queries:
        assert _named(query.text) <= variables(dashboard).keys(), query.name


@EACH
def test_variables_are_used(name: str) -> None:
    """A choice that changes nothing is a lie; the console's address is used by links."""
    dashboard = DASHBOARDS[name]
    used: set[str] = set()
    for query in [*sql_of_panels(dashboard), *promql_of_panels(dashboard)]:
        used |= _named(query.text)
    choices = {key for key, variable in variables(dashboard).items() if variable["type"] == "query"}
    assert choices <= used


@EACH
def test_choices_are_chained(name: str) -> None:
    """Sites by the region, devices by the site."""
    asked = {query.where: _named(query.text) for query in sql_of_variables(DASHBOARDS[name])}
    assert asked.get("region", set()) == set()
    assert asked.get("site", {"region"}) == {"region"}
    assert asked.get("device", {"region", "site", "kind"}) == {"region", "site", "kind"}
