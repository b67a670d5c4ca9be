"""``tracefleet devices transition|swap|…`` as an administrator types it."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands import moves

Run = Callable[..., Result]


@pytest.fixture
def run(
    database_url: str,
    register: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs a command on a ledger with D-1 and D-2 in service and N-1 in stock."""
    for device_no in ("D-1", "D-2", "N-1"):
        register(device_no)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE devices SET state = 'in_stock' WHERE device_no = 'N-1'")
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    moves.add_to(app)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_move_is_a_dry_run_unless_applied(run: Run, database_url: str) -> None:
    """Said first, done with --apply, under the name of who typed it and with the reason, sealed."""
    said = run("transition", "D-1", "faulty", "--reason", "no display")
    assert (said.exit_code, "in_service → faulty" in said.stdout, "--apply" in said.stdout) == (0, True, True)
    assert json.loads(run("allowed", "D-1", "--json").stdout)["state"] == "in_service"
    assert "Done" in run("transition", "D-1", "faulty", "--reason", "no display", "--apply").stdout
    assert json.loads(run("allowed", "D-1", "--json").stdout)["state"] == "faulty"
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT origin LIKE 'command line of %', reason FROM audit WHERE label = 'D-1' AND action = 'update'"
        ).fetchone()
        assert row == (True, "no display")
        assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


def test_sheet_of_moves_is_all_or_none(run: Run, tmp_path: Path) -> None:
    """Every error of every row, exit 1; a good sheet is done as a whole."""
    file = tmp_path / "swaps.csv"
    file.write_text("设备编号,新设备编号,原因\nD-1,N-1,broken\nD-2,N-9,broken\n", encoding="utf-8")
    refused = run("swap", "--file", str(file), "--apply", "--json")
    assert refused.exit_code == 1
    assert [error["row"] for error in json.loads(refused.stdout)["errors"]] == [3]
    assert json.loads(run("allowed", "D-1", "--json").stdout)["state"] == "in_service"
    file.write_text("设备编号,新设备编号,原因\nD-1,N-1,broken\n", encoding="utf-8")
    assert json.loads(run("swap", "--file", str(file), "--apply", "--json").stdout)["applied"] is True
    assert json.loads(run("allowed", "N-1", "--json").stdout)["state"] == "in_service"
    assert json.loads(run("allowed", "D-1", "--json").stdout)["state"] == "recovered"


def test_each_sort_of_move_has_its_command(run: Run) -> None:
    """Mainboard, transfer, recovery and loss."""
    assert run("change-board", "D-1", "--factory-no", "F-9", "--reason", "x", "--apply").exit_code == 0
    assert run("transfer", "D-1", "--stall", "C1", "--reason", "x", "--apply").exit_code == 0
    assert run("recover", "D-1", "--storage-place", "A3", "--reason", "x", "--apply").exit_code == 0
    lost = run("lose", "D-1", "--reason", "x", "--apply")
    assert (lost.exit_code, "document" in lost.stdout) == (1, True)
    assert run("lose", "D-1", "--document", "R-3", "--reason", "x", "--apply").exit_code == 0
    assert json.loads(run("allowed", "D-1", "--json").stdout) == {"device_no": "D-1", "state": "lost", "allowed": []}


def test_move_without_a_device_or_a_sheet_says_so(run: Run, tmp_path: Path) -> None:
    """One or the other."""
    assert "name one device" in str(run("lose", "--reason", "x").exception)
    assert "cannot be read" in str(run("lose", "--file", str(tmp_path / "none.csv")).exception)
