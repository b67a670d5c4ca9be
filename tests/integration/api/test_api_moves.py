"""``/api/v1/devices/{device_no}/transitions`` and its neighbours, and many moves at once."""

import httpx
import pytest

from tests.integration.api.conftest import City

pytestmark = pytest.mark.anyio


@pytest.fixture
def two_devices(city: City) -> City:
    """D-1 in service at a stall, D-2 of the same model in stock."""
    model, site = city.model("L-1", "logger"), city.site("410100001")
    city.device("D-1", model, site, stall_no="B1", state="in_service")
    city.device("D-2", model, site, state="in_stock")
    return city


@pytest.mark.usefixtures("two_devices")
async def test_state_changes_when_it_may_follow(client: httpx.AsyncClient) -> None:
    """The answer has the way that was gone; the step is on record with who and why."""
    answer = await client.post("/api/v1/devices/D-1/transitions", json={"to": "faulty", "reason": "无显示"})
    assert answer.status_code == 200
    report = answer.json()
    assert (report["applied"], report["errors"]) == (True, [])
    assert report["changed"][0]["states"] == ["in_service", "faulty"]
    assert (await client.get("/api/v1/devices/D-1")).json()["state"] == "faulty"
    [step] = (await client.get("/api/v1/devices/D-1/transitions")).json()["items"]
    assert (step["from_state"], step["to_state"], step["actor"], step["reason"]) == (
        "in_service",
        "faulty",
        "anonymous",
        "无显示",
    )


@pytest.mark.usefixtures("two_devices")
async def test_state_is_refused_when_it_may_not_follow(client: httpx.AsyncClient) -> None:
    """409 names what may follow, and nothing changes."""
    answer = await client.post("/api/v1/devices/D-1/transitions", json={"to": "disposed", "reason": "old"})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("#illegal-transition")
    assert set(answer.json()["allowed"]) == {"suspended", "faulty", "idle", "lost"}
    assert (await client.get("/api/v1/devices/D-1")).json()["state"] == "in_service"
    unknown = await client.post("/api/v1/devices/D-9/transitions", json={"to": "faulty", "reason": "x"})
    assert unknown.status_code == 404
    assert (await client.get("/api/v1/devices/D-9/transitions")).status_code == 404


@pytest.mark.usefixtures("two_devices")
async def test_device_takes_the_place_of_another(client: httpx.AsyncClient) -> None:
    """With all that belongs to the place; the other one goes to stock."""
    swapped = await client.post("/api/v1/devices/D-1/swap", json={"new_device_no": "D-2", "reason": "无显示"})
    assert swapped.status_code == 200, swapped.text
    new = (await client.get("/api/v1/devices/D-2")).json()
    assert (new["state"], new["stall_no"]) == ("in_service", "B1")
    assert (await client.get("/api/v1/devices/D-1")).json()["state"] == "recovered"


async def test_places_are_changed_one_by_one(client: httpx.AsyncClient, two_devices: City) -> None:
    """Transfer, mainboard, recovery and loss, each with its own fields."""
    two_devices.site("410100002")
    transferred = await client.post(
        "/api/v1/devices/D-1/transfer", json={"site_no": "410100002", "stall_no": "C7", "reason": "搬迁"}
    )
    assert transferred.status_code == 200, transferred.text
    assert (await client.get("/api/v1/devices/D-1")).json()["site"]["site_no"] == "410100002"
    board = await client.post("/api/v1/devices/D-1/board", json={"factory_no": "F-2", "reason": "换板"})
    assert board.json()["changed"][0]["fields"][0]["after"] == "F-2"
    assert (await client.post("/api/v1/devices/D-1/board", json={"reason": "nothing"})).status_code == 409
    recovered = await client.post("/api/v1/devices/D-1/recover", json={"storage_place": "A3", "reason": "闭市"})
    assert recovered.json()["changed"][0]["states"] == ["in_service", "idle", "recovered", "in_stock"]
    lost = await client.post("/api/v1/devices/D-1/lose", json={"document": "盘亏3号", "reason": "未见"})
    assert lost.status_code == 200, lost.text
    again = await client.post("/api/v1/devices/D-1/transitions", json={"to": "in_stock", "reason": "found"})
    assert (again.status_code, again.json()["allowed"]) == (409, [])


@pytest.mark.usefixtures("two_devices")
async def test_many_moves_are_all_or_none(client: httpx.AsyncClient) -> None:
    """Every error at once; without apply nothing is done."""
    moves = [{"device_no": "D-1", "to": "faulty", "reason": "x"}, {"device_no": "D-2", "to": "faulty", "reason": "x"}]
    order = {"move": "transition", "moves": moves}
    told = (await client.post("/api/v1/moves", json={**order, "apply": True})).json()
    assert (told["applied"], [error["row"] for error in told["errors"]]) == (False, [2])
    order["moves"] = moves[:1]
    assert (await client.post("/api/v1/moves", json=order)).json()["applied"] is False
    assert (await client.get("/api/v1/devices/D-1")).json()["state"] == "in_service"
    assert (await client.post("/api/v1/moves", json={**order, "apply": True})).json()["applied"] is True


async def test_lifecycle_is_told_as_data(client: httpx.AsyncClient) -> None:
    """Every state in both languages; only disposed and lost are the end."""
    told = (await client.get("/api/v1/lifecycle")).json()
    assert {state["state"] for state in told["states"] if state["is_terminal"]} == {"disposed", "lost"}
    left = {arrow["before"] for arrow in told["transitions"]}
    assert left == {state["state"] for state in told["states"] if not state["is_terminal"]}
