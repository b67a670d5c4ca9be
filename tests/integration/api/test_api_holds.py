"""Holds over HTTP and on the command line: placed, shown, lifted, refused, and in the audit."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from fleet.errors import RefusedError, UnknownEntryError
from fleet.keys import Keys
from fleet.sealing import Safe, mask
from store.settings import load

pytestmark = pytest.mark.anyio
HOLDS = "/api/v1/devices/D-1/holds"
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def command(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line on the test's database."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    return CliRunner()


@pytest.mark.usefixtures("one_device")
async def test_hold_is_placed_shown_and_lifted(client: httpx.AsyncClient, connection: Connection) -> None:
    """It stands until it is lifted, stays on record, and the audit says who and why, sealed."""
    order = {"kind": "evidence", "reason": "投诉", "document": "监〔2026〕7 号"}
    placed = await client.post(HOLDS, json=order)
    assert (placed.status_code, placed.json()["ends_at"]) == (200, None)
    hold_id = placed.json()["hold_id"]
    assert (await client.get("/api/v1/devices/D-1")).json()["holds"] == [placed.json()]
    lifted = await client.delete(f"{HOLDS}/{hold_id}", params={"reason": "复检合格"})
    assert lifted.status_code == 200
    assert lifted.json()["ends_at"] is not None
    assert (await client.get("/api/v1/devices/D-1")).json()["holds"] == []
    rows = connection.execute("SELECT action, actor, reason FROM audit WHERE entity = 'device_holds' ORDER BY audit_id")
    assert rows.fetchall() == [("insert", "anonymous", "投诉"), ("update", "anonymous", "复检合格")]
    assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


@pytest.mark.usefixtures("one_device")
async def test_hold_is_refused_when_it_makes_no_sense(client: httpx.AsyncClient, city: Any) -> None:
    """Unknown device or hold, one that is over, an end in the past, a device that is gone, and orders that are none."""
    city.device("GONE", city.model("L-2", "logger"), city.site("9"), state="disposed")
    order = {"kind": "dispute", "reason": "r"}
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert (await client.post("/api/v1/devices/D-404/holds", json=order)).status_code == 404
    assert (await client.post("/api/v1/devices/GONE/holds", json=order)).status_code == 409
    assert (await client.post(HOLDS, json=order | {"ends_at": past})).status_code == 409
    for wrong in ({}, {"kind": "dispute"}, order | {"reason": " "}, order | {"kind": "other"}, order | {"x": 1}):
        assert (await client.post(HOLDS, json=wrong)).status_code == 422
    hold_id = (await client.post(HOLDS, json=order)).json()["hold_id"]
    address = f"{HOLDS}/{hold_id}"
    assert (await client.delete(address)).status_code == 422
    assert (await client.delete(f"/api/v1/devices/GONE/holds/{hold_id}", params={"reason": "r"})).status_code == 404
    assert (await client.delete(f"{HOLDS}/{2**31}", params={"reason": "r"})).status_code == 422
    assert (await client.delete(address, params={"reason": "r"})).status_code == 200
    again = await client.delete(address, params={"reason": "r"})
    assert (again.status_code, again.json()["type"]) == (409, "/api/v1/problems#rule-broken")


@pytest.mark.usefixtures("one_device")
def test_hold_on_the_command_line(command: CliRunner) -> None:
    """Its number is told, with an end if one is given; it is lifted by it, once."""
    arguments = ["--kind", "inspection", "--reason", "巡查", "--until", "2099-12-31", "--json"]
    placed = json.loads(command.invoke(app, ["devices", "hold", "D-1", *arguments]).stdout)
    assert placed["ends_at"].startswith("2100-01-01T00:00:00+08:00") or placed["ends_at"].startswith("2099-12-31T16:00")
    lift = ["devices", "unhold", "D-1", str(placed["hold_id"]), "--reason", "完"]
    assert "is lifted" in command.invoke(app, lift).stdout
    assert isinstance(command.invoke(app, lift).exception, RefusedError)
    assert isinstance(command.invoke(app, ["devices", "hold", "D-404", *arguments]).exception, UnknownEntryError)


def test_personal_data_on_the_command_line(command: CliRunner, connection: Connection, city: Any) -> None:
    """In clear, with a reason, and audited as the user of this machine."""
    safe = Safe.of(connection, Keys.of(load()))
    phone = "13876541234"
    city.add(
        "merchants", merchant_code="M1", name="张记", phone_sealed=safe.seal(phone), phone_masked=mask("phone", phone)
    )
    reveal = ["merchants", "reveal", "M1", "--reason"]
    assert json.loads(command.invoke(app, [*reveal, "故障", "--json"]).stdout) == {"phone": phone, "identity_no": None}
    assert phone in command.invoke(app, [*reveal, "故障"]).stdout
    assert command.invoke(app, [*reveal, " "]).exit_code == 2
    rows = connection.execute("SELECT label, reason FROM audit WHERE entity = 'personal_readings'").fetchall()
    assert rows == [("merchants/M1", "故障")] * 2
