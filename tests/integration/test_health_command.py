"""``tracefleet fleet health`` and ``health-history`` as an administrator types them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands import health
from fleet.business_day import today
from fleet.health.days_of_health import close_day
from fleet.health.evaluating import evaluate
from store.errors import TracefleetError

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, register: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a fleet of a logger never seen and a kiosk that is well, judged and kept yesterday."""
    register("D-1")
    register("D-2", "kiosk")
    now = datetime.now(UTC)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO device_presence (device_id, last_heard_at, state, boot_id, boot_at, state_at, told_at)"
            " SELECT device_id, %(now)s, 'online', 1, %(now)s, %(now)s, %(now)s FROM devices WHERE device_no = 'D-2'",
            {"now": now},
        )
        connection.execute("UPDATE devices SET state_since = now() - INTERVAL '9 days'")
        evaluate(connection, now=now - timedelta(days=1))
        close_day(connection, today(now - timedelta(days=1)))
        evaluate(connection, now=now)
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    health.add_to(app)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_devices_are_listed_the_worst_first(run: Run) -> None:
    """With the reasons, and counted by band; filters leave out the rest."""
    told = run("health")
    assert told.exit_code == 0
    assert told.stdout.index("D-1") < told.stdout.index("D-2")
    assert "never seen 从未上线 −60" in told.stdout
    assert "2 of 2. good 1, poor 1" in told.stdout
    listed = json.loads(run("health", "--max-score", "59", "--json").stdout)
    assert [item["device_no"] for item in listed["items"]] == ["D-1"]
    assert json.loads(run("health", "--kind", "kiosk", "--json").stdout)["bands"] == {"good": 1}
    assert json.loads(run("health", "--site", "X", "--json").stdout) == {"bands": {}, "items": []}
    assert run("health", "--check", "bad_luck").exit_code == 2


def test_device_is_explained(run: Run) -> None:
    """In both languages, with what to do; one that is well, too; an unknown number is refused."""
    ill = run("health", "D-1").stdout
    assert "D-1: 40 (poor), never_seen" in ill
    assert "从未上线" in ill
    assert "See on site" in ill
    assert "Nothing costs it points" in run("health", "D-2").stdout
    assert json.loads(run("health", "D-1", "--json").stdout)["reasons"][0]["points"] == 60
    assert isinstance(run("health", "X-1").exception, TracefleetError)


def test_history_is_shown_by_day(run: Run) -> None:
    """The last of each; none is said to be none."""
    told = json.loads(run("health-history", "D-1", "--json").stdout)
    assert [(day["score"], day["band"]) for day in told["days"]] == [(40, "poor")]
    assert "never_seen" in run("health-history", "D-1").stdout
    assert "No day was kept yet" in run("health-history", "D-2", "--days", "1").stdout
