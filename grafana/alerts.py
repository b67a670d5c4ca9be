"""All alerts, and the files that evaluators read them from: rules of Prometheus, and rules that Grafana provisions."""

from pathlib import Path
from typing import Any, Final

import yaml

from grafana.alert import RUNBOOK, Alert, Promql, Sql
from grafana.database_alerts import DATABASE_ALERTS
from grafana.metric_alerts import METRIC_ALERTS

ALERTS: Final = (*METRIC_ALERTS, *DATABASE_ALERTS)

PROMETHEUS_FILE: Final = Path("deploy/prometheus/alerts.yaml")
GRAFANA_FILE: Final = Path("grafana/provisioning/alerting/tracefleet.yaml")
HEAD: Final = "# Made by `make generate` from grafana/metric_alerts.py and grafana/database_alerts.py; do not edit.\n"
INTERVAL: Final = "1m"
# Far below any number that an alert answers with: what is there at all, fires.
ANYTHING: Final = -1e9
# Where the API of this installation is. Grafana fills braced variables into annotations from its environment.
SERVED_AT: Final = "${TRACEFLEET_PUBLIC_URL}/runbook"
SOURCES: Final = {Promql: "tracefleet-prometheus", Sql: "tracefleet-timescale"}


def files() -> dict[Path, str]:
    """The text of each file, by its place in the repository."""
    return {PROMETHEUS_FILE: _text(_prometheus()), GRAFANA_FILE: _text(_grafana())}


def stale(root: Path) -> list[str]:
    """The files beneath *root* that are missing or not what the code says."""
    return [
        str(path)
        for path, text in files().items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> None:
    """Write the files beneath *root*."""
    for path, text in files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _text(content: dict[str, Any]) -> str:
    return HEAD + yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=10_000)


def _prometheus() -> dict[str, Any]:
    rules = [
        {
            "alert": alert.name,
            "expr": alert.asks.expression,
            "for": f"{alert.for_minutes}m",
            "labels": {"severity": alert.severity},
            "annotations": _annotations(alert) | {"runbook_url": f"{RUNBOOK}#{alert.anchor}"},
        }
        for alert in METRIC_ALERTS
        if isinstance(alert.asks, Promql)
    ]
    return {"groups": [{"name": "tracefleet", "interval": "30s", "rules": rules}]}


def _annotations(alert: Alert) -> dict[str, str]:
    return {
        "summary": alert.summary.en,
        "summary_zh": alert.summary.zh,
        "description": alert.description.en,
        "description_zh": alert.description.zh,
    }


def _grafana() -> dict[str, Any]:
    groups = [
        {
            "orgId": 1,
            "name": name,
            "folder": "Tracefleet",
            "interval": INTERVAL,
            "rules": [_rule(alert) for alert in alerts],
        }
        for name, alerts in (("metrics 指标", METRIC_ALERTS), ("ledger 台账", DATABASE_ALERTS))
    ]
    return {"apiVersion": 1, "groups": groups}


def _rule(alert: Alert) -> dict[str, Any]:
    told = {key: text.replace(".Value", ".Values.A.Value") for key, text in _annotations(alert).items()}
    return {
        "uid": f"tf-{alert.anchor.removeprefix('tracefleet')}",
        "title": f"{alert.title.zh} · {alert.title.en}",
        "condition": "B",
        "data": [_question(alert.asks), _anything()],
        # An answer without a row is what all being well looks like: what cannot be asked is told by the other.
        "noDataState": "OK",
        "execErrState": "Error",
        "for": f"{alert.for_minutes}m",
        "annotations": told | {"runbook_url": f"{SERVED_AT}#{alert.anchor}"},
        "labels": {"alertname_en": alert.name, "severity": alert.severity},
        "isPaused": False,
    }


def _question(asks: Promql | Sql) -> dict[str, Any]:
    source = SOURCES[type(asks)]
    if isinstance(asks, Promql):
        kind = "prometheus"
        asked: dict[str, Any] = {"expr": asks.expression, "instant": True, "range": False, "editorMode": "code"}
    else:
        kind = "grafana-postgresql-datasource"
        asked = {"rawSql": asks.statement.strip(), "rawQuery": True, "format": "table", "editorMode": "code"}
    model = {"refId": "A", "datasource": {"type": kind, "uid": source}} | asked
    return {"refId": "A", "relativeTimeRange": {"from": 600, "to": 0}, "datasourceUid": source, "model": model}


def _anything() -> dict[str, Any]:
    model = {
        "refId": "B",
        "type": "threshold",
        "expression": "A",
        "datasource": {"type": "__expr__", "uid": "__expr__"},
        "conditions": [{"evaluator": {"type": "gt", "params": [ANYTHING]}}],
    }
    return {"refId": "B", "relativeTimeRange": {"from": 600, "to": 0}, "datasourceUid": "__expr__", "model": model}
