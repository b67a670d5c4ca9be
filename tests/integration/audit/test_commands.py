"""``tracefleet audit`` and the history of a device, as an operator types them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from fleet.errors import UnknownEntryError

Run = Callable[..., Result]
Change = Callable[..., None]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``tracefleet`` on the test's database, with the key and the anchors of the test."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("TRACEFLEET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TRACEFLEET_AUDIT_ANCHOR_FILE", str(tmp_path / "anchors.jsonl"))
    monkeypatch.setenv("COLUMNS", "240")
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def device(change: Change, tamper: Callable[..., None]) -> None:
    """D-1, which came on 10 January and was moved in February from site A, which is B since March."""
    change(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES"
        " ('A', 'x', 'x', 'wet_market', '410100'), ('C', 'x', 'x', 'wet_market', '410100')",
        "INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'logger', 'v')",
        "INSERT INTO devices (device_no, model_id, site_id, state, imei_sealed, imei_masked)"
        " SELECT 'D-1', model_id, site_id, 'in_stock', 'sealed bytes', '****17' FROM models, sites WHERE site_no = 'A'",
    )
    change("UPDATE devices SET site_id = (SELECT site_id FROM sites WHERE site_no = 'C'), state = 'in_service'")
    change("UPDATE sites SET site_no = 'B' WHERE site_no = 'A'", "UPDATE devices SET imei_sealed = 'other bytes'")
    tamper(
        "UPDATE audit SET at = '2026-01-10 23:30 Asia/Shanghai' WHERE action = 'insert' AND actor = 'wang'",
        "UPDATE audit SET at = '2026-02-10 00:30 Asia/Shanghai' WHERE action = 'update' AND actor = 'wang'"
        " AND before ->> 'site_id' <> after ->> 'site_id'",
    )


@pytest.mark.usefixtures("filled")
def test_verify_exits_0_when_whole_and_1_when_not(run: Run, tamper: Callable[..., None]) -> None:
    """With the head, the warning, and the finding with what to do."""
    whole = run("audit", "verify")
    assert (whole.exit_code, "The audit is whole." in whole.output, "warning: There is no anchor" in whole.output) == (
        0,
        True,
        True,
    )
    assert run("audit", "anchor").exit_code == 0
    assert "was noted already" in run("audit", "anchor").output
    tamper("UPDATE audit SET actor = 'x' WHERE audit_id = (SELECT audit_id FROM audit_seals WHERE seal_no = 7)")
    broken = run("audit", "verify")
    assert broken.exit_code == 1
    assert "edited: Row" in broken.output
    assert "NOT whole: 1 finding." in broken.output
    told = json.loads(run("audit", "verify", "--json").stdout)
    assert [(finding["kind"], finding["seal_no"]) for finding in told["findings"]] == [("edited", 7)]
    assert (told["anchors"], len(told["seal"])) == (1, 64)


@pytest.mark.usefixtures("filled")
def test_list_filters(run: Run, change: Change, connection: psycopg.Connection[Any]) -> None:
    """By entry, person, time and operation; the newest first."""
    change("UPDATE merchants SET name = '[red]y\x1b' WHERE merchant_code IN ('M1', 'M2')", reason="renamed")
    row = connection.execute("SELECT operation, now() FROM audit ORDER BY audit_id DESC").fetchone()
    assert row is not None

    def listed(*options: str) -> list[tuple[str, str]]:
        told = json.loads(run("audit", "list", "--json", *options).stdout)
        return [(change["action"], change["label"]) for change in told]

    assert sorted(listed("--operation", str(row[0]))) == [("update", "M1"), ("update", "M2")]
    assert listed("--entity", "merchants", "--label", "M1") == [("update", "M1"), ("insert", "M1")]
    assert len(listed("--actor", "wang", "--limit", "5")) == 5
    assert listed("--until", "2020-01-01") == listed("--actor", "nobody") == []
    assert listed("--since", "2020-01-01T00:00:00", "--label", "M20") == [("insert", "M20")]
    shown = run("audit", "list", "--label", "M1").output
    assert "name: x → [red]y\\x1b" in shown
    assert "wang, command line of office" in shown
    assert "renamed" in shown


@pytest.mark.usefixtures("device")
def test_history_tells_fields_and_hides_what_is_sealed(run: Run) -> None:
    """Sites by number; a sealed column as changed, in no form."""
    result = run("devices", "history", "D-1", "--json")
    told = json.loads(result.stdout)
    assert [change["action"] for change in told] == ["update", "update", "insert"]
    assert told[0]["differences"] == [{"field": "imei", "before": None, "after": None, "hidden": True}]
    assert {"field": "state", "before": "in_stock", "after": "in_service", "hidden": False} in told[1]["differences"]
    assert {"field": "site_no", "before": "B", "after": "C", "hidden": False} in told[1]["differences"]
    text = run("devices", "history", "D-1").output
    assert "imei (not shown)" in text
    for output in (result.output, text, run("devices", "show", "D-1").output, run("audit", "list", "--json").output):
        assert "sealed" not in output
        assert b"sealed bytes".hex() not in output


@pytest.mark.usefixtures("device")
def test_device_is_shown_as_it_was_on_a_day(run: Run) -> None:
    """The last change before the end of the day in China; its site by the number of then."""

    def on(day: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(run("devices", "show", "D-1", "--on", day, "--json").stdout)
        return {name: told[name] for name in ("state", "site_no", "model_no", "imei_masked")}

    before = {"state": "in_stock", "site_no": "A", "model_no": "M", "imei_masked": "****17"}
    assert on("2026-01-10") == on("2026-02-09") == before
    assert on("2026-02-10") == before | {"state": "in_service", "site_no": "C"}


@pytest.mark.usefixtures("device")
def test_fields_of_a_device_stand_by_their_meaning(run: Run) -> None:
    """What it is, then the groups of the ledger's sheet: not by the length of their names, as the database has them."""
    told = list(json.loads(run("devices", "show", "D-1", "--json").stdout))
    assert told[:5] == ["device_no", "state", "state_since", "model_no", "site_no"]
    groups = ["name", "imei_masked", "asset_no", "original_value_fen", "address", "custodian_phone_masked", "max_g"]
    groups += ["verified_until", "protocol", "gateway_no", "commissioned_on"]
    assert [name for name in told if name in groups] == groups
    lines = run("devices", "show", "D-1").stdout.splitlines()
    assert [line.split(":")[0].strip() for line in lines][:2] == ["device_no", "state"]


@pytest.mark.usefixtures("device")
def test_day_without_a_state_is_explained(run: Run, change: Change) -> None:
    """Before it came, after it was deleted, and of a number that never was."""
    early = run("devices", "show", "D-1", "--on", "2026-01-09")
    assert "came into the ledger on 2026-01-10" in str(early.exception)
    change("DELETE FROM devices")
    assert "was deleted from the ledger" in str(run("devices", "show", "D-1").exception)
    assert json.loads(run("devices", "history", "D-1", "--json").stdout)[0]["action"] == "delete"
    for command in ("history", "show"):
        assert isinstance(run("devices", command, "D-2").exception, UnknownEntryError)
