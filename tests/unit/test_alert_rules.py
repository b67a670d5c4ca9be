"""The alerts: complete, current, of metrics that exist, and right by Prometheus' own evaluation of them."""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from promql_parser import parse

from api.metrics import Metrics as ApiMetrics
from fleet.metrics import Metrics as FleetMetrics
from grafana.alert import Alert, Promql
from grafana.alerts import ALERTS, GRAFANA_FILE, PROMETHEUS_FILE, stale
from grafana.metric_alerts import METRIC_ALERTS
from ingest.metrics import Metrics as IngestMetrics
from tests.unit.alert_cases import CASES, Case

ROOT = Path(__file__).parents[2]
EVERY_ALERT = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
# What the issue names, and what tells it.
SYMPTOMS = {
    "loss": "TracefleetRecordsMissing",
    "lag": "TracefleetIngestLagging",
    "disconnected": "TracefleetIngestDisconnected",
    "dead-letter rate": "TracefleetDeadLetters",
    "retries": "TracefleetCommitsRetried",
    "queue near its limit": "TracefleetIngestQueueNearLimit",
    "silent share": "TracefleetDevicesSilent",
    "certificate expiry": "TracefleetBrokerCertificateEnding",
    "audit chain broken": "TracefleetAuditBroken",
    "no commit": "TracefleetNoCommit",
}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text(encoding="utf-8"))


def _promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    return found


def _ran(promtool: str, tests: list[dict[str, Any]], folder: Path) -> "subprocess.CompletedProcess[str]":
    path = folder / "tests.json"
    # JSON is YAML.
    told = {"rule_files": [str(ROOT / PROMETHEUS_FILE)], "evaluation_interval": "30s", "tests": tests}
    path.write_text(json.dumps(told), encoding="utf-8")
    return subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)


def _tests(case: Case) -> list[dict[str, Any]]:
    alert = next(alert for alert in METRIC_ALERTS if alert.name == case.alert)
    firing = f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'

    def ask(expression: str, minute: float, value: int) -> dict[str, Any]:
        expected = [{"labels": "{}", "value": value}] if value else []
        return {"expr": expression, "eval_time": f"{int(minute * 60)}s", "exp_samples": expected}

    # Nothing fires before the time is up, and what is silent is so all the time.
    quiet = alert.for_minutes - 0.5 if case.alerts else case.minute
    asked = [ask(f"count(count_over_time({firing}[{case.minute}m]))", quiet, 0)]
    if case.alerts:
        asked.append(ask(f"count({firing})", case.minute, case.alerts))
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    return [{"interval": "30s", "name": case.what, "input_series": series, "promql_expr_test": asked}]


def test_files_are_current() -> None:
    """`make check` says the same of them."""
    assert stale(ROOT) == []


def test_every_symptom_of_the_issue_has_an_alert() -> None:
    """Under its name, and no name is there twice."""
    names = [alert.name for alert in ALERTS]
    assert set(SYMPTOMS.values()) <= set(names)
    assert len(set(names)) == len(names)


@EVERY_ALERT
def test_alert_says_what_is_wrong_in_both_languages(alert: Alert) -> None:
    """Title, summary and description, each a sentence; how grave it is, and for how long it must last."""
    for text in (alert.summary, alert.description):
        assert text.en.endswith(".")
        assert text.zh.endswith("。")
        assert sorted(re.findall(r"{{.*?}}", text.en)) == sorted(re.findall(r"{{.*?}}", text.zh))
    for text in (alert.title, alert.summary, alert.description):
        assert re.search(r"[\u4e00-\u9fff]", text.zh)
        assert not re.search(r"[\u4e00-\u9fff]", text.en)
    assert alert.for_minutes > 0
    assert alert.severity in ("critical", "warning")


@EVERY_ALERT
def test_alert_asks_by_nothing_that_a_device_wrote(alert: Alert) -> None:
    """Its instances are as few as sites, states and processes."""
    asked = alert.asks.expression if isinstance(alert.asks, Promql) else alert.asks.statement
    assert "device_no" not in asked


def test_expressions_are_of_metrics_that_we_serve() -> None:
    """Every name is exported by a process of ours, but for Prometheus' own `up`; each parses, as Grafana's do."""
    registry = CollectorRegistry()
    IngestMetrics(registry)
    served = {sample.name for metric in registry.collect() for sample in metric.samples}
    served |= set(re.findall(r"^# TYPE (\S+)", ApiMetrics([]).render().decode(), re.MULTILINE))
    fleet = CollectorRegistry()
    FleetMetrics(fleet)
    served |= {metric.name for metric in fleet.collect()}
    for alert in METRIC_ALERTS:
        assert isinstance(alert.asks, Promql)
        parse(alert.asks.expression)
        names = set(re.findall(r"\b(tracefleet_\w+|up)\b", alert.asks.expression))
        assert names
        assert names - served <= {"up"}


def test_jobs_are_those_that_prometheus_scrapes() -> None:
    """A rule that asks for another job would be silent for ever."""
    scraped = {job["job_name"] for job in COMPOSE["scrape_configs"]}
    asked = {
        name
        for alert in METRIC_ALERTS
        for found in re.findall(r'job=~?"([^"]+)"', alert.asks.expression)  # type: ignore[union-attr]
        for name in found.split("|")
    }
    assert asked == scraped
    assert COMPOSE["rule_files"] == ["/etc/prometheus/rules/*.yaml"]


def test_every_rule_has_a_case_that_fires_and_one_that_is_silent() -> None:
    """And no case is of a rule that is not there."""
    firing = Counter(case.alert for case in CASES if case.alerts)
    silent = Counter(case.alert for case in CASES if not case.alerts)
    assert set(firing) == set(silent) == {alert.name for alert in METRIC_ALERTS}


@pytest.mark.parametrize("alert", METRIC_ALERTS, ids=lambda alert: alert.name)
def test_rule_fires_when_it_must_and_only_then(alert: Alert, tmp_path: Path) -> None:
    """By Prometheus' own evaluation, and not before its time is up."""
    tests = [test for case in CASES if case.alert == alert.name for test in _tests(case)]
    done = _ran(_promtool(), tests, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_is_wrong_is_noticed(tmp_path: Path) -> None:
    """The tests above can fail: of a case that fires, silence is not believed."""
    case = next(case for case in CASES if case.alerts)
    silent = Case(case.alert, case.what, case.series, case.minute, 0)
    assert _ran(_promtool(), _tests(silent), tmp_path).returncode == 1


def test_texts_are_filled_in(tmp_path: Path) -> None:
    """As whoever is woken reads them."""
    labels = {"severity": "critical", "job": "ingest", "instance": "ingest:1"}
    alert = next(alert for alert in METRIC_ALERTS if alert.name == "TracefleetProcessDown")
    told = {
        "summary": "ingest ingest:1 does not answer Prometheus.",
        "summary_zh": "ingest ingest:1 不响应 Prometheus。",
        "description": alert.description.en,
        "description_zh": alert.description.zh,
        "runbook_url": "deploy/README.md#tracefleetprocessdown",
    }
    asked = {
        "eval_time": "10m",
        "alertname": alert.name,
        "exp_alerts": [{"exp_labels": labels, "exp_annotations": told}],
    }
    up = [
        {"series": f'up{{job="{job}",instance="{job}:1"}}', "values": f"{int(job != 'ingest')}x50"}
        for job in ("ingest", "fleet", "api")
    ]
    done = _ran(_promtool(), [{"interval": "30s", "input_series": up, "alert_rule_test": [asked]}], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_is_given_every_alert_with_its_states() -> None:
    """Once each, by a data source of ours, with what to make of no data and of an error, and a link to the runbook."""
    text = (ROOT / GRAFANA_FILE).read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert [rule["labels"]["alertname_en"] for rule in rules] == [alert.name for alert in ALERTS]
    assert len({rule["uid"] for rule in rules}) == len({rule["title"] for rule in rules}) == len(rules)
    for rule, alert in zip(rules, ALERTS, strict=True):
        question, condition = rule["data"]
        assert re.fullmatch(r"[a-z0-9-]{1,40}", rule["uid"])
        assert (rule["noDataState"], rule["execErrState"]) == ("OK", "Error")
        assert question["datasourceUid"] == question["model"]["datasource"]["uid"]
        assert (rule["condition"], condition["model"]["expression"]) == (condition["refId"], question["refId"])
        assert rule["labels"]["severity"] == alert.severity
        assert rule["annotations"]["runbook_url"] == f"${{TRACEFLEET_PUBLIC_URL}}/runbook#{alert.anchor}"
        assert "{{ .Value " not in rule["annotations"]["summary"]
    # Anything else with a dollar would be taken for a variable of the environment.
    assert set(re.findall(r"\$\S{2}", text)) == {"${T"}


def test_grafana_asks_sources_that_are_provisioned() -> None:
    """By uid and type."""
    path = ROOT / "grafana/provisioning/datasources/tracefleet.yaml"
    known = {
        source["uid"]: source["type"] for source in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    }
    groups = yaml.safe_load((ROOT / GRAFANA_FILE).read_text(encoding="utf-8"))["groups"]
    asked = [rule["data"][0]["model"]["datasource"] for group in groups for rule in group["rules"]]
    assert {source["uid"]: source["type"] for source in asked} == known
