"""The generated dashboards: current, complete, and the same in both languages."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grafana import words
from ingest.refusal import REASONS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
LANGUAGES = ["en", "zh"]
NAMES = ["city-overview", "health-and-retirement"]
EVERY_DASHBOARD = pytest.mark.parametrize("name", NAMES)
EVERY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)
# The metrics that dashboards may name, with the labels each has.
METRICS = {
    "tracefleet_ingest_messages_total": {"stream"},
    "tracefleet_ingest_records_total": {"stream", "outcome"},
    "tracefleet_ingest_dead_letters_total": {"reason"},
    "tracefleet_ingest_batch_records_bucket": {"le"},
    "tracefleet_ingest_commit_seconds_bucket": {"le"},
    "tracefleet_ingest_lag_seconds_bucket": {"le"},
    "tracefleet_ingest_unacknowledged_messages": set(),
    "tracefleet_ingest_connected": set(),
    "tracefleet_ingest_retries_total": {"class"},
    "tracefleet_fleet_devices": {"kind", "state"},
    "tracefleet_fleet_devices_online": {"kind"},
    "tracefleet_fleet_findings": {"rule"},
    "tracefleet_fleet_sweep_seconds_bucket": {"sweep", "le"},
    "tracefleet_build_info": set(),
}


def _dashboard(language: str, name: str = "city-overview") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.{language}.json").read_text(encoding="utf-8"))
    return loaded


def _expressions() -> Iterator[str]:
    for panel in _dashboard("en")["panels"]:
        for target in panel["targets"]:
            if "expr" in target:
                # As Grafana fills them in for "All" and a range of hours.
                yield target["expr"].replace("$__rate_interval", "5m").replace("$kind", "kiosk|logger")


def _check(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "grafana.generate", "--check"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_files_are_what_the_code_generates() -> None:
    """`make check` calls the same."""
    done = _check(ROOT)
    assert done.returncode == 0, done.stderr


def test_check_when_a_file_is_stale(tmp_path: Path) -> None:
    """Status 1 and a sentence with the file and the remedy, and nothing is written."""
    copy = tmp_path / "grafana"
    shutil.copytree(ROOT / "grafana", copy)
    stale = copy / "dashboards" / "city-overview.zh.json"
    stale.write_text("{}", encoding="utf-8")
    done = _check(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("grafana/dashboards: not what the code generates: city-overview.zh.json. Run `make ")
    assert stale.read_text(encoding="utf-8") == "{}"


@EVERY_DASHBOARD
@EVERY_LANGUAGE
def test_every_panel_says_what_it_shows(language: str, name: str) -> None:
    """Title, description, unit, and a data source of ours, in every panel and each of its queries."""
    panels = _dashboard(language, name)["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["description"].endswith((".", "。"))
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            assert target["datasource"]["uid"] in {"tracefleet-prometheus", "tracefleet-timescale"}


@EVERY_LANGUAGE
def test_dashboard_opens_on_six_hours_and_refreshes(language: str) -> None:
    """And offers the site and the kind, each with All."""
    dashboard = _dashboard(language)
    assert dashboard["time"] == {"from": "now-6h", "to": "now"}
    assert dashboard["refresh"] == "30s"
    assert dashboard["uid"] == f"tracefleet-city-{language}"
    variables = dashboard["templating"]["list"]
    assert [variable["name"] for variable in variables] == ["site", "kind"]
    assert all(variable["includeAll"] and variable["current"]["value"] == ["$__all"] for variable in variables)


@EVERY_DASHBOARD
def test_languages_have_the_same_panels_and_queries(name: str) -> None:
    """Only what people read differs."""
    english, chinese = (
        [(panel["id"], panel["type"], panel["gridPos"], _queries(panel)) for panel in dashboard["panels"]]
        for dashboard in (_dashboard(language, name) for language in LANGUAGES)
    )
    assert english == chinese


@EVERY_LANGUAGE
def test_health_and_retirement_opens_on_a_quarter(language: str) -> None:
    """And offers the programme besides."""
    dashboard = _dashboard(language, "health-and-retirement")
    assert (dashboard["time"], dashboard["uid"]) == (
        {"from": "now-90d", "to": "now"},
        f"tracefleet-retirement-{language}",
    )
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["site", "kind", "programme"]


def test_words_of_cases_are_those_of_the_schema() -> None:
    """A state without a word would be shown as its code."""
    text = (ROOT / "store" / "sql" / "0014_retirement.sql").read_text(encoding="utf-8")
    states = re.search(r"state\s+text NOT NULL CHECK \(state IN \(([^)]*)\)\)", text)
    assert states is not None
    assert set(re.findall(r"'(\w+)'", states[1])) == set(words.CASE_STATES)


def _queries(panel: dict[str, Any]) -> list[str]:
    return [target.get("rawSql") or target["expr"] for target in panel["targets"]]


@EVERY_DASHBOARD
def test_chinese_dashboard_is_in_chinese(name: str) -> None:
    """Every title, description and displayed name has a Chinese character, but for codes that have none."""
    for panel in _dashboard("zh", name)["panels"]:
        names = [
            change["value"]
            for override in panel["fieldConfig"]["overrides"]
            for change in override["properties"]
            if change["id"] == "displayName"
        ]
        for text in [panel["title"], panel["description"], *names]:
            assert re.search(r"[\u4e00-\u9fff]", text), text


@EVERY_LANGUAGE
def test_dead_letters_explain_every_reason_there_is(language: str) -> None:
    """The legend shows codes; the description says each of them in the dashboard's language."""
    [panel] = [panel for panel in _dashboard(language)["panels"] if "reason" in panel["targets"][0].get("expr", "")]
    place = LANGUAGES.index(language)
    assert set(words.REASONS) == set(REASONS)
    for reason in REASONS:
        assert f"{reason} ({words.REASONS[reason][place]})" in panel["description"]


@EVERY_LANGUAGE
def test_displayed_names_are_of_series_that_the_panel_has(language: str) -> None:
    """Whoever reads the file is not told of series that no query answers with."""
    for panel in _dashboard(language)["panels"]:
        names = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
        query = panel["targets"][0].get("rawSql", "")
        if " AS " in query:
            assert {name for name in names if name in words.OUTCOMES} <= set(re.findall(r" AS (\w+)", query))


def test_the_broker_has_one_chinese_name() -> None:
    """消息代理, as on every page."""
    text = (FOLDER / "city-overview.zh.json").read_text(encoding="utf-8")
    assert "消息代理" in text
    assert "消息服务" not in text


def test_metrics_and_labels_are_those_of_the_contract() -> None:
    """A panel that asks for another name would stay empty for ever."""
    for expression in _expressions():
        names = set(re.findall(r"tracefleet_\w+", expression))
        assert names
        assert names <= METRICS.keys()
        labels = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
        labels |= set(re.findall(r"(\w+)=~?\"", expression))
        assert labels <= set().union(*(METRICS[name] for name in names))


def test_expressions_are_promql(tmp_path: Path) -> None:
    """By Prometheus' own parser."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(_expressions())]
    path = tmp_path / "rules.json"
    # JSON is YAML.
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout
