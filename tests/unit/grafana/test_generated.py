"""The generated files: current, understood by the SDK's own schema, and laid out as every dashboard is."""

import json
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from grafana.catalogue import ENTRIES
from tests.unit.grafana.files import DASHBOARDS, LANGUAGES, NAMES, ROOT, panels, rows, variables
from tests.unit.grafana.sdk import SECTIONS, Dashboard, JSONEncoder, main

EACH = pytest.mark.parametrize("name", DASHBOARDS)


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


def test_links_lead_to_the_console_that_is_given(tmp_path: Path) -> None:
    """In a folder of the installation's own; the repository's stay as they are."""
    assert main(["--console", "https://trace.example.cn", "--folder", str(tmp_path / "new")]) == 0
    written = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "new").iterdir()}
    assert written.keys() == {f"{name}.json" for name in DASHBOARDS}
    assert {variables(each)["console"]["query"] for each in written.values()} == {"https://trace.example.cn"}


def test_every_dashboard_of_the_catalogue_is_there_in_both_languages() -> None:
    """And none besides; the issue names these eight."""
    assert set(NAMES) == {entry.name for entry in ENTRIES} == set(SECTIONS)
    assert set(NAMES) == {
        "city-overview",
        "ingest-pipeline",
        "cold-chain",
        "scales-and-scanners",
        "fleet-health",
        "retirement",
        "site-detail",
        "device-detail",
    }
    assert set(DASHBOARDS) == {f"{name}.{language}" for name in NAMES for language in LANGUAGES}


@EACH
def test_schema_of_the_sdk_understands_all_of_it(name: str) -> None:
    """Read and written again by its models nothing is lost. What they add to a link is left out on purpose."""
    again = json.loads(json.dumps(Dashboard.from_json(DASHBOARDS[name]), cls=JSONEncoder))
    assert _without_placement(again) == _without_placement(DASHBOARDS[name])


def _without_placement(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_placement(part) for key, part in value.items() if key != "placement"}
    return [_without_placement(part) for part in value] if isinstance(value, list) else value


@EACH
def test_dashboard_opens_on_six_hours_and_refreshes(name: str) -> None:
    """Under a uid that links can hold."""
    dashboard = DASHBOARDS[name]
    page, language = name.rsplit(".", 1)
    assert dashboard["time"] == {"from": "now-6h", "to": "now"}
    assert dashboard["refresh"] == "30s"
    assert dashboard["uid"] == f"tracefleet-{page}-{language}"
    assert len(dashboard["uid"]) <= 40
    assert dashboard["tags"] == ["tracefleet", language]
    assert dashboard["title"]
    assert dashboard["description"]


@EACH
def test_variables_of_choices_have_all(name: str) -> None:
    """And stand at it when a dashboard is opened; those of places and devices are on every page about them."""
    found = variables(DASHBOARDS[name])
    choices = {key: variable for key, variable in found.items() if variable["type"] == "query"}
    assert all(each["includeAll"] and each["multi"] for each in choices.values())
    assert all(each["current"]["value"] == ["$__all"] and each["label"] for each in choices.values())
    if not name.startswith("ingest-pipeline"):
        assert list(choices)[:3] == ["region", "site", "kind"]
        assert ("device" in choices) is not name.startswith("city-overview")
    assert found["console"]["type"] == "constant"
    assert found["console"]["query"] == "http://127.0.0.1:8000"


@EACH
def test_panels_stand_beside_each_other(name: str) -> None:
    """None over another, none beyond the edge; ids and titles told once."""
    everything = [*panels(DASHBOARDS[name]), *rows(DASHBOARDS[name])]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert len({panel["title"] for panel in everything}) == len(everything)
    places = [panel["gridPos"] for panel in everything]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        assert not (
            one["x"] < other["x"] + other["w"]
            and other["x"] < one["x"] + one["w"]
            and one["y"] < other["y"] + other["h"]
            and other["y"] < one["y"] + one["h"]
        )


@EACH
def test_texts_of_tables_are_not_numbers(name: str) -> None:
    """Under any other unit than text Grafana shows the site 410100002 as 410 million."""
    for panel in panels(DASHBOARDS[name]):
        if panel["type"] != "table":
            continue
        columns = {change["matcher"]["options"]: change["properties"] for change in panel["fieldConfig"]["overrides"]}
        for column in columns.keys() & {"device_no", "site_no", "region_code", "case_no", "programme_no", "site"}:
            assert {"id": "unit", "value": "string"} in columns[column]
