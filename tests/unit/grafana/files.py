"""The committed dashboards as tests look at them: every file, its panels flat, and all that asks a data source."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "grafana" / "dashboards"
LANGUAGES: Final = ("en", "zh")
DASHBOARDS: Final[dict[str, dict[str, Any]]] = {
    path.name.removesuffix(".json"): json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.json"))
}
NAMES: Final = sorted({name.rpartition(".")[0] for name in DASHBOARDS})
BY_UID: Final = {dashboard["uid"]: dashboard for dashboard in DASHBOARDS.values()}


@dataclass(frozen=True, slots=True)
class Query:
    """Something that a dashboard asks: of a panel, an annotation or a variable. *panel* is None for the others."""

    dashboard: dict[str, Any]
    where: str
    text: str
    panel: dict[str, Any] | None = None
    target: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """For the name of a test."""
        return f"{self.dashboard['uid'].removeprefix('tracefleet-')}: {self.where}"


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels that show something, those in collapsed rows included."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", [])


def rows(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] == "row"]


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def sql_of_panels(dashboard: dict[str, Any]) -> Iterator[Query]:
    """Each panel's SQL."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            if "rawSql" in target:
                yield Query(dashboard, panel["title"], target["rawSql"], panel, target)


def sql_of_annotations(dashboard: dict[str, Any]) -> Iterator[Query]:
    """Each annotation's SQL."""
    for marks in dashboard["annotations"].get("list", []):
        yield Query(dashboard, marks["name"], marks["target"]["rawSql"])


def sql_of_variables(dashboard: dict[str, Any]) -> Iterator[Query]:
    """Each variable's SQL."""
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query" and variable["datasource"]["uid"] == "tracefleet-timescale":
            yield Query(dashboard, name, variable["query"])


def promql_of_panels(dashboard: dict[str, Any]) -> Iterator[Query]:
    """Each panel's PromQL."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            if "expr" in target:
                yield Query(dashboard, panel["title"], target["expr"], panel, target)
