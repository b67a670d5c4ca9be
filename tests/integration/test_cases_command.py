"""``tracefleet fleet cases`` and ``fleet case-…`` as administrators type them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands import cases
from deploy.commands.acting import typed_by

Run = Callable[..., Result]


@pytest.fixture
def run(
    database_url: str,
    register: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a command, as whoever is named, on a ledger with D-1 and D-2 of the government."""
    for device_no in ("D-1", "D-2"):
        register(device_no)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE devices SET owner_type = 'government', original_value_fen = 300000")
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    cases.add_to(app)

    def command(who: str, *arguments: str) -> Result:
        with typed_by(who):
            return CliRunner().invoke(app, arguments)

    return command


def told(result: Result) -> Any:
    """The JSON that a command printed."""
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def test_case_is_carried_by_the_people_of_the_machine(run: Run, tmp_path: Path) -> None:
    """One at a time it is done at once, under the name of who typed it; a file is laid by its hash."""
    paper = tmp_path / "批复.pdf"
    paper.write_bytes(b"approved")
    [opened] = told(run("li", "case-open", "D-1", "--reason", "称重不准", "--json"))["changed"]
    case_no = opened["case_no"]
    assert run("li", "case-propose", "D-1", "--reason", "称重不准", "--replacement", "none").exit_code == 0
    assert (
        run("wang", "case-appraise", case_no, "--appraisal", "no_use_left", "--paper", f"appraisal={paper}").exit_code
        == 0
    )
    shown = run("zhao", "cases", case_no)
    assert "approve 批准" in shown.stdout
    assert "value_evidence is missing" in shown.stdout
    refused = run("li", "case-approve", case_no, "--document", "批复〔2026〕7号")
    assert (refused.exit_code, "申请人不得审批" in refused.stdout) == (1, True)
    for name, kind in (("发票.pdf", "value_evidence"), ("approval.pdf", "approval")):
        (tmp_path / name).write_bytes(name.encode())
        laid = told(run("li", "case-document", case_no, str(tmp_path / name), "--kind", kind, "--json"))
        assert laid[-1]["sha256"] == hashlib.sha256(name.encode()).hexdigest()
    assert run("zhao", "case-approve", case_no, "--document", "批复〔2026〕7号").exit_code == 0
    executed = told(run("chen", "case-execute", case_no, "--json"))
    assert [(one["after"], one["device_states"]) for one in executed["changed"]] == [("executing", ["idle"])]
    detail = told(run("li", "cases", case_no, "--json"))
    assert [step["actor"] for step in detail["steps"]] == ["li", "li", "wang", "zhao", "chen"]
    assert [one["case_no"] for one in told(run("li", "cases", "--state", "executing", "--json"))] == [case_no]
    assert case_no in run("li", "cases").stdout


def test_sheet_is_a_dry_run_unless_applied(run: Run, tmp_path: Path) -> None:
    """Said first, then done; every error of every row with exit 1; neither or both is not done at all."""
    sheet = tmp_path / "open.csv"
    sheet.write_text("设备编号,原因\nD-1,淘汰\nD-2,淘汰\n", encoding="utf-8")
    said = run("li", "case-open", "--file", str(sheet))
    assert (said.exit_code, "--apply" in said.stdout) == (0, True)
    assert told(run("li", "cases", "--json")) == []
    assert told(run("li", "case-open", "--file", str(sheet), "--apply", "--json"))["applied"] is True
    assert run("li", "case-propose", "--file", str(sheet), "--apply").exit_code == 0
    assert len({line["bundle"] for line in told(run("li", "cases", "--json"))}) == 1
    dry = told(run("li", "case-reject", "--file", str(sheet), "--json"))
    assert [error["row"] for error in dry["errors"]] == [2, 3]
    assert run("zhao", "case-reject", "--file", str(sheet), "--apply").exit_code == 0
    assert run("zhao", "case-archive").exit_code != 0
    assert run("zhao", "case-document", "RC-2026-000001", str(sheet), "--kind", "nonsense").exit_code != 0
