"""``tracefleet fleet rules|rule-set|findings|flags|explain|evaluate|what-if`` as an administrator types it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands import findings, rules
from fleet.business_day import today
from tests.integration.obsolescence.conftest import DAY, Fleet

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a ledger with a scale that is asleep and a kiosk."""
    fleet.days(fleet.device("D-1"), trades=0)
    fleet.device("K-1", "kiosk", "S2")
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("TRACEFLEET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    rules.add_to(app)
    findings.add_to(app)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def _json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_fleet_is_judged_when_it_is_applied(run: Run, connection: psycopg.Connection[Any]) -> None:
    """Said first, once the day is rolled up; then found, flagged and explained."""
    for arguments in (("--apply",), ()):
        assert f"`tracefleet fleet roll --day {DAY}`" in str(run("evaluate", "--day", str(DAY), *arguments).exception)
    connection.execute("INSERT INTO rolled_days (day, rolled_at, devices, seconds) VALUES (%s, now(), 2, 1)", (DAY,))
    said = run("evaluate", "--day", str(DAY))
    assert (said.exit_code, "2 findings opened" in said.stdout, "--apply" in said.stdout) == (0, True, True)
    assert connection.execute("SELECT count(*) FROM findings").fetchone() == (0,)
    done = _json(run("evaluate", "--day", str(DAY), "--apply", "--json"))
    assert (done["applied"], done["flagged"], done["by_rule"]) == (True, 2, {"dormant": 1, "forbidden_kind": 1})
    assert [of["device_no"] for of in _json(run("findings", "--rule", "dormant", "--json"))["items"]] == ["D-1"]
    assert "沉睡" not in run("flags", "--kind", "kiosk").stdout
    assert [of["device_no"] for of in _json(run("flags", "--region", "4102", "--json"))["items"]] == ["K-1"]
    told = run("explain", "D-1")
    assert all(word in told.stdout for word in ("flagged, score 60", "建议淘汰该追溯秤", "Dormant"))
    assert _json(run("explain", "D-1", "--json"))["grounds"][0]["rule"] == "dormant"
    assert "not over" in str(run("evaluate", "--day", str(today())).exception)


def test_rule_gets_a_version(run: Run) -> None:
    """Shown with what may be set; refused with every mistake."""
    assert "forbidden_kind" in run("rules", "--on", "2026-01-01").stdout
    day = str(today())
    added = _json(
        run("rule-set", "dormant", "--effective-from", day, "--parameters", '{"days": 90}', "--weight", "50", "--json")
    )
    assert (added["version"], added["weight"], added["parameters"]["days"]) == (2, 50, 90)
    shown = _json(run("rules", "dormant", "--json"))
    assert [version["version"] for version in shown["items"]] == [1, 2]
    assert "days" in shown["parameter_schema"]["properties"]
    refused = run("rule-set", "dormant", "--effective-from", "2020-01-01", "--parameters", '{"dayz": 1}')
    assert all(word in str(refused.exception) for word in ("past", "dayz"))
    assert "no JSON" in str(run("rule-set", "dormant", "--effective-from", day, "--parameters", "{").exception)


def test_other_rules_are_tried(run: Run, tmp_path: Path) -> None:
    """By a file and by single changes; nothing is written."""
    span = ("--from", str(DAY), "--to", str(DAY))
    told = _json(run("what-if", "--change", "dormant.days=90", "--change", "dormant.min_open_days=61", *span, "--json"))
    assert ([of["device_no"] for of in told["spared"]], told["by_rule"]) == (["D-1"], {"forbidden_kind": 1})
    file = tmp_path / "rules.json"
    file.write_text('{"forbidden_kind": {"is_enabled": false}}', encoding="utf-8")
    said = run("what-if", str(file), "--change", "policy.flag_score=61", *span)
    assert (said.exit_code, "0 devices would be flagged, 2 by the rules" in said.stdout) == (0, True)
    assert run("what-if", "--change", "dormant", *span).exit_code == 2
    file.write_text('{"dormant": 3}')
    assert "dormant has to be an object" in str(run("what-if", str(file), *span).exception)
    assert "not over" in str(run("what-if", "--from", "2026-01-01", "--to", str(today())).exception)


def test_word_that_is_unknown_is_refused_where_a_list_is_asked_for(run: Run) -> None:
    """With those that there are; an empty list would be taken for a good sign."""
    for asked in (("findings", "--rule", "sleepy"), ("flags", "--kind", "kettle")):
        said = run(*asked)
        assert said.exit_code == 2
        assert "there are" in said.output
