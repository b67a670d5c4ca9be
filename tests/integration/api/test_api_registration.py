"""One device entered or changed over HTTP, and sheets imported: the rules of the import hold on every way in."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from store.settings import Settings
from tests.integration.api.conftest import City

pytestmark = pytest.mark.anyio


@pytest.fixture
def market(city: City) -> City:
    """A market and two models."""
    city.model("L-1", "logger")
    city.model("Q-1", "kiosk")
    city.site("410100001")
    return city


async def test_device_is_registered_and_the_audit_knows_who(
    client: httpx.AsyncClient, market: City, as_role: Callable[..., dict[str, str]]
) -> None:
    """201 with its address; a second time is refused."""
    new = {"device_no": "D-1", "model_no": "L-1", "site_no": "410100001", "custodian_phone": "13800005678"}
    key = as_role("fleet_admin")
    made = await client.post("/api/v1/devices?reason=new", json=new, headers=key)
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/devices/D-1")
    assert (await client.get("/api/v1/devices/D-1")).json()["state"] == "in_service"
    assert "13800005678" not in (await client.get("/api/v1/devices/D-1")).text
    assert (await client.post("/api/v1/devices", json=new, headers=key)).status_code == 409
    row = market.connection.execute(
        "SELECT actor, reason, operation IS NOT NULL FROM audit WHERE entity = 'devices' AND label = 'D-1'"
    ).fetchone()
    assert row == ("fleet_admin", "new", True)


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({" ": "x"}, 409),
        ({"device_no": "D-1"}, 422),
        ({"device_no": "D-1", "model_no": "L-9", "site_no": "410100001"}, 422),
        ({"device_no": "D-1", "model_no": "Q-1", "site_no": "410100001", "acquired_on": "2024-01-01"}, 422),
        ({"device_no": "D-1", "model_no": "L-1", "site_no": "410100001", "colour": "red"}, 422),
    ],
    ids=["nothing", "no name", "incomplete", "unknown model", "gated kiosk", "unknown column"],
)
async def test_device_that_breaks_a_rule_is_not_registered(
    client: httpx.AsyncClient, body: dict[str, str], status: int
) -> None:
    """And nothing of it is written."""
    assert (await client.post("/api/v1/devices", json=body)).status_code == status
    assert (await client.get("/api/v1/devices/D-1")).status_code == 404


@pytest.mark.usefixtures("market")
async def test_device_is_changed_column_by_column(client: httpx.AsyncClient) -> None:
    """Null empties one; an illegal state is refused, a legal one is a step of its life."""
    new = {"device_no": "D-1", "model_no": "L-1", "site_no": "410100001", "seal_no": "S1", "stall_no": "B1"}
    assert (await client.post("/api/v1/devices", json=new)).status_code == 201
    changed = await client.patch("/api/v1/devices/D-1", json={"stall_no": "B2", "seal_no": None})
    assert changed.status_code == 200, changed.text
    device = (await client.get("/api/v1/devices/D-1")).json()
    assert device["stall_no"] == "B2"
    assert (await client.patch("/api/v1/devices/D-1", json={"state": "disposed"})).status_code == 422
    assert (await client.patch("/api/v1/devices/D-1", json={"state": "faulty"})).status_code == 200
    steps = (await client.get("/api/v1/devices/D-1/transitions")).json()["items"]
    assert [(step["from_state"], step["to_state"]) for step in steps][:1] == [("in_service", "faulty")]
    assert (await client.patch("/api/v1/devices/D-9", json={"stall_no": "B2"})).status_code == 404


@pytest.mark.usefixtures("market")
async def test_sheet_is_imported_when_it_is_good_and_asked_for(client: httpx.AsyncClient) -> None:
    """Dry run by default; 422 with every error; applied, the list has it."""
    headers = {"Content-Type": "text/csv"}
    good = "设备编号,型号,节点编号\nD-1,L-1,410100001\nD-2,L-1,410100001\n".encode("gb18030")
    said = await client.post("/api/v1/ledger/devices/import", content=good, headers=headers)
    assert (said.status_code, said.json()["applied"], len(said.json()["created"])) == (200, False, 2)
    bad = b"device_no,model_no,site_no\nD-1,L-9,410100001\nD-2,L-1,410100009\n"
    refused = await client.post("/api/v1/ledger/devices/import?apply=true", content=bad, headers=headers)
    assert (refused.status_code, [error["row"] for error in refused.json()["errors"]]) == (422, [2, 3])
    done = await client.post("/api/v1/ledger/devices/import?apply=true", content=good, headers=headers)
    assert (done.status_code, done.json()["applied"]) == (200, True)
    again = await client.post("/api/v1/ledger/devices/import?apply=true", content=good, headers=headers)
    assert (again.json()["unchanged"], again.json()["created"], again.json()["changed"]) == (2, [], [])
    listed = await client.get("/api/v1/ledger/devices")
    assert listed.status_code == 200, listed.text
    assert "D-2" in listed.text
    assert (await client.post("/api/v1/ledger/nothing/import", content=good, headers=headers)).status_code == 404
    binary = await client.post("/api/v1/ledger/devices/import", content=b"%PDF-1.7", headers=headers)
    assert binary.status_code == 422


@pytest.mark.usefixtures("market")
async def test_device_is_found_where_it_is_told_to_be_whatever_its_header(client: httpx.AsyncClient) -> None:
    """The address has the number as the ledger has it; a column is not both emptied and filled."""
    new = {" 设备编号": " D-1 ", "model_no": "L-1", "site_no": "410100001", "stall_no": "B1"}
    made = await client.post("/api/v1/devices", json=new)
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/devices/D-1")
    both = await client.patch("/api/v1/devices/D-1", json={"stall_no": None, "摊位号": "B2"})
    assert (both.status_code, "both emptied" in both.json()["detail"]) == (409, True)


@pytest.mark.usefixtures("market")
async def test_personal_columns_are_for_fleet_administrators(
    client: httpx.AsyncClient, as_role: Callable[..., dict[str, str]]
) -> None:
    """To others, what a sheet would change tells what is held: a guess would be right or wrong."""
    new = {"device_no": "D-1", "model_no": "L-1", "site_no": "410100001", "custodian_phone": "13800005678"}
    assert (await client.post("/api/v1/devices", json=new, headers=as_role("fleet_admin"))).status_code == 201
    guess = b"device_no,custodian_phone\nD-1,13800005678\n"
    headers = {"Content-Type": "text/csv"}
    said = await client.post("/api/v1/ledger/devices/import", content=guess, headers=headers)
    assert (said.status_code, said.json()["type"]) == (403, "/api/v1/problems#forbidden")
    assert (await client.patch("/api/v1/devices/D-1", json={"保管人电话": "13800005678"})).status_code == 403
    assert (await client.post("/api/v1/devices", json=new)).status_code == 403


async def test_who_shows_nothing_sees_and_changes_nothing_from_elsewhere(
    database_url: str, market: City, tmp_path: Path
) -> None:
    """Whatever the settings let it be on this machine."""
    app = create_app(Settings(database_url=database_url, data_dir=tmp_path, api_loopback_role="operator"))
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 1234))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://api") as far:
        assert (await far.get("/api/v1/devices")).status_code == 401
        new = {"device_no": "D-1", "model_no": "L-1", "site_no": "410100001"}
        assert (await far.post("/api/v1/devices", json=new)).status_code == 401
    assert market.connection.execute("SELECT count(*) FROM devices").fetchone() == (0,)
