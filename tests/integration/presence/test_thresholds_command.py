"""``tracefleet fleet thresholds|threshold-…`` as an administrator types it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands import thresholds

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("TRACEFLEET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    thresholds.add_to(app)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def _of_stores(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.output
    return [each for each in json.loads(result.stdout) if each["site_kind"] == "cold_store"]


def test_threshold_is_set_and_removed(run: Run) -> None:
    """For a kind of device at a kind of site; shown as a table, and as JSON."""
    span = ("--late", "20m", "--silent", "2d", "--reason", "x")
    [told] = _of_stores(run("threshold-set", "logger", "--site-kind", "cold_store", *span, "--json"))
    assert (told["kind"], told["late_seconds"], told["silent_seconds"]) == ("logger", 1200, 2 * 86400)
    assert "cold_store" in run("thresholds").stdout
    assert _of_stores(run("threshold-remove", str(told["threshold_id"]), "--reason", "x", "--json")) == []


def test_threshold_command_is_refused(run: Run) -> None:
    """What is no span is a usage error; the rest is told by its sentence."""
    assert run("threshold-set", "logger", "--late", "20", "--silent", "2d", "--reason", "x").exit_code == 2
    for arguments in (("logger", "--late", "2d", "--silent", "1d"), ("toaster", "--late", "1m", "--silent", "1d"),
                      ("logger", "--site-kind", "x", "--late", "1m", "--silent", "1d")):  # fmt: skip
        refused = run("threshold-set", *arguments, "--reason", "x")
        assert refused.exit_code == 1
        assert str(refused.exception).endswith(".")
