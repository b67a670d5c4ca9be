"""The commands of programmes, look-ups and events."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from fleet.business_day import day_of
from fleet.events import Event, record
from store.settings import Settings
from tests.integration.programmes.conftest import Past

Connection = psycopg.Connection[Any]
TODAY = day_of(datetime.now(UTC))
MADE = "--name-zh 淘汰 --name-en Kiosks --region 41 --kind kiosk --due-on 2099-01-01 --reason 81号文"


@pytest.fixture
def told(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs `tracefleet fleet …` on the test's database; its output, when it ends with the status that is expected."""
    for name in [name for name in os.environ if name.startswith("TRACEFLEET_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", settings.require_database_url())
    monkeypatch.setenv("TRACEFLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(app, ["fleet", *arguments])
        assert done.exit_code == status, (done.output, done.exception)
        return done.output

    return run


def test_programme_is_made_shown_and_exported(told: Any, past: Past, kiosk: int, market: int, tmp_path: Path) -> None:
    """On any day, as a table or as JSON, and as a file."""
    gone = past.device("K-1", kiosk, market)
    past.device("K-2", kiosk, market)
    past.retire(gone, TODAY - timedelta(days=3))
    told("programme-create", "P-1", *MADE.split(), "--begins-on", str(TODAY - timedelta(days=9)))
    assert "P-1" in told("programmes")
    [line] = json.loads(told("programmes", "--json"))
    assert (line["figures"]["retired"], line["figures"]["rate"]) == (1, 0.5)
    shown = told("programme", "P-1")
    assert "1 of 2 retired (50.0 %)" in shown
    assert "未标记" in shown
    before = json.loads(told("programme", "P-1", "--json", "--on", str(TODAY - timedelta(days=4))))
    assert before["figures"]["retired"] == 0
    for name, beginning in (("p.csv", b"\xef\xbb\xbf"), ("p.xlsx", b"PK")):
        out = tmp_path / name
        assert "2 devices written" in told("programme-export", "P-1", "--out", str(out), "--on", str(TODAY))
        assert out.read_bytes().startswith(beginning)


def test_programme_is_changed_and_ended(told: Any, kiosk: int, market: int, connection: Connection) -> None:
    """What it is about stays once it has begun, what is left out always does, and nothing changes after its end."""
    assert kiosk, market
    told("programme-create", "P-1", *MADE.split(), "--begins-on", str(TODAY - timedelta(days=9)), "--target", "5")
    told("programme-change", "P-1", "--due-on", "2098-01-01", "--target", "0", "--reason", "延期")
    row = "SELECT due_on::text, target, name_en, ended_on FROM programmes"
    assert connection.execute(row).fetchone() == ("2098-01-01", None, "Kiosks", None)
    told("programme-change", "P-1", "--region", "4101", status=1)
    told("programme-change", "P-1", "--reason", "r", status=2)
    told("programme-change", "P-9", "--basis", "b", status=1)
    assert str(TODAY) in told("programme-end", "P-1", "--reason", "完成")
    told("programme-end", "P-1", status=1)
    assert connection.execute("SELECT ended_on FROM programmes").fetchone() == (TODAY,)


def test_lookups_are_imported_when_nothing_is_wrong(
    told: Any, market: int, connection: Connection, tmp_path: Path
) -> None:
    """A dry run first; headers in either language; each wrong row with what to do."""
    assert market
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(f"节点编号,日期,渠道,查询量\nS1,{TODAY},二维码,0120\nS1,{TODAY},web,7\n", encoding="utf-8")
    bad.write_text(
        f"site_no,day,channel,lookups\nS1,{TODAY},qr,many\nS9,{TODAY},qr,1\nS1,{TODAY + timedelta(days=1)},sms,1\n",
        encoding="utf-8",
    )
    assert "2 rows are good" in told("lookups-import", str(good))
    assert connection.execute("SELECT count(*) FROM site_lookups").fetchone() == (0,)
    assert "2 new, 0 changed, 0 as they were" in told("lookups-import", str(good), "--apply")
    assert "0 new, 0 changed, 2 as they were" in told("lookups-import", str(good), "--apply")
    found = json.loads(told("lookups-import", str(bad), "--apply", "--json", status=1))
    assert [(error["row"], error["column"]) for error in found["errors"]] == [
        (2, "lookups"),
        (3, "site_no"),
        (4, "channel"),
    ]
    strange = tmp_path / "strange.csv"
    strange.write_text("site,day,channel\n1,2,3\n", encoding="utf-8")
    found = json.loads(told("lookups-import", str(strange), "--json", status=1))
    assert {error["column"] for error in found["errors"]} == {"site", "site_no", "lookups"}
    assert connection.execute("SELECT sum(lookups) FROM site_lookups").fetchone() == (127,)


def test_events_are_listed_from_a_number_on(told: Any, connection: Connection) -> None:
    """Those of the kinds that are asked for, as text or as JSON lines."""
    record(
        connection,
        [Event("case.approved", "C-1", {"by": "li"}), Event("finding.opened", "D-1"), Event("case.stopped", "C-2")],
    )
    assert [line.split()[3:5] for line in told("events", "--kind", "case.").splitlines()] == [
        ["case.approved", "C-1"],
        ["case.stopped", "C-2"],
    ]
    lines = [json.loads(line) for line in told("events", "--after", "1", "--json").splitlines()]
    assert [(line["id"], line["subject"]) for line in lines] == [(2, "D-1"), (3, "C-2")]


def test_events_are_followed_until_it_is_ended(settings: Settings, connection: Connection, tmp_path: Path) -> None:
    """Each as soon as it is committed; Ctrl-C is a good end."""
    variables = {"TRACEFLEET_DATABASE_URL": settings.require_database_url(), "TRACEFLEET_DATA_DIR": str(tmp_path)}
    record(connection, [Event("case.opened", "C-1")])
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "deploy.cli", "fleet", "events", "--follow", "--json"],
        env=os.environ | variables | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["subject"] == "C-1"
            record(connection, [Event("case.opened", "C-2")])
            assert json.loads(process.stdout.readline())["subject"] == "C-2"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
