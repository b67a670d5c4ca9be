"""Bands of the cold chain over HTTP: listed, set, removed, refused, by whom, and in the audit."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.identity import api_keys
from fleet.identity.scope import Scope
from fleet.keys import Keys
from store.settings import Settings

pytestmark = pytest.mark.anyio
BANDS = "/api/v1/coldchain-bands"
Connection = psycopg.Connection[tuple[Any, ...]]
FREEZER: dict[str, Any] = {
    "kind": "logger",
    "low_c": -30,
    "high_c": -15,
    "goods_zh": "冷冻肉",
    "goods_en": "frozen meat",
    "basis": "规程",
    "reason": "冷冻库",
}


@pytest.fixture
def admin(as_role: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The headers of a fleet administrator."""
    return as_role("fleet_admin")


def _of_device(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [item for item in answer.json()["items"] if item["device_no"] == "D-1"]


@pytest.mark.usefixtures("one_device")
async def test_band_is_set_and_removed(
    client: httpx.AsyncClient, admin: dict[str, str], connection: Connection
) -> None:
    """What is left out stays, the same again leaves no trace; the audit has the reasons, sealed."""
    change = FREEZER | {"device_no": "D-1", "model_no": "L-1", "place": "vehicle", "interval_seconds": 300}
    [line] = _of_device(await client.put(BANDS, json=change, headers=admin))
    assert line == {
        "band_id": line["band_id"],
        "kind": "logger",
        "model_no": "L-1",
        "site_kind": None,
        "device_no": "D-1",
        "goods_zh": "冷冻肉",
        "goods_en": "frozen meat",
        "place": "vehicle",
        "low_c": -30,
        "high_c": -15,
        "tolerated_seconds": 1800,
        "door_seconds": 600,
        "interval_seconds": 300,
        "basis": "规程",
    }
    key = {"device_no": "D-1", "model_no": "L-1"}
    [same] = _of_device(await client.put(BANDS, json=FREEZER | key | {"reason": "再来"}, headers=admin))
    assert same == line
    [warmer] = _of_device(await client.put(BANDS, json=FREEZER | key | {"high_c": -12, "reason": "改"}, headers=admin))
    assert warmer == line | {"high_c": -12}
    assert _of_device(await client.get(BANDS, headers=admin)) == [warmer]
    gone = await client.delete(f"{BANDS}/{line['band_id']}", params={"reason": "撤"}, headers=admin)
    assert [item["kind"] for item in gone.json()["items"]] == ["door_sensor", "logger"]
    query = "SELECT reason FROM audit WHERE entity = 'coldchain_bands' AND actor = 'fleet_admin' ORDER BY audit_id"
    assert connection.execute(query.encode()).fetchall() == [("冷冻库",), ("改",), ("撤",)]
    assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"kind": "toaster"}, 404),
        ({"kind": "kiosk"}, 409),
        ({"model_no": "X"}, 404),
        ({"device_no": "X"}, 404),
        ({"device_no": "D 1"}, 422),
        ({"kind": "door_sensor", "device_no": "D-1"}, 409),
        ({"site_kind": "shop"}, 422),
        ({"place": "shop"}, 422),
        ({"high_c": -29.5}, 409),
        ({"low_c": -274}, 422),
        ({"high_c": "NaN"}, 422),
        ({"tolerated_seconds": -1}, 422),
        ({"door_seconds": 0}, 422),
        ({"interval_seconds": 59}, 422),
        ({"interval_seconds": 43_201}, 422),
        ({"goods_zh": ""}, 422),
        ({"goods_en": " "}, 409),
        ({"basis": " "}, 422),
        ({"reason": " "}, 422),
        ({"colour": "x"}, 422),
    ],
)
async def test_band_is_refused(
    client: httpx.AsyncClient, admin: dict[str, str], changed: dict[str, Any], status: int
) -> None:
    """As a problem that says what to do, and nothing is changed."""
    before = (await client.get(BANDS, headers=admin)).json()
    answer = await client.put(BANDS, json=FREEZER | changed, headers=admin)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.get(BANDS, headers=admin)).json() == before


@pytest.mark.parametrize("name", ["low_c", "high_c", "goods_zh", "goods_en", "basis", "reason"])
async def test_band_wants_all_of_it(client: httpx.AsyncClient, admin: dict[str, str], name: str) -> None:
    """Goods in both languages and the basis as well."""
    told = {key: value for key, value in FREEZER.items() if key != name}
    assert (await client.put(BANDS, json=told, headers=admin)).status_code == 422


async def test_general_band_is_not_removed(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    """Nor one that is not there, nor any without a reason."""
    number = (await client.get(BANDS)).json()["items"][-1]["band_id"]
    refused = await client.delete(f"{BANDS}/{number}", params={"reason": "x"}, headers=admin)
    assert (refused.status_code, "general one of logger" in refused.json()["detail"]) == (409, True)
    assert (await client.delete(f"{BANDS}/999999", params={"reason": "x"}, headers=admin)).status_code == 404
    assert (await client.delete(f"{BANDS}/{number}", headers=admin)).status_code == 422
    assert len((await client.get(BANDS)).json()["items"]) == 2


async def test_who_may(client: httpx.AsyncClient, as_role: Callable[..., dict[str, str]]) -> None:
    """Everybody who works with the fleet reads; fleet administrators alone change."""
    for role in ("viewer", "operator", "approver", "auditor"):
        headers = as_role(role)
        assert (await client.get(BANDS, headers=headers)).status_code == 200
        assert (await client.put(BANDS, json=FREEZER, headers=headers)).status_code == 403
        removed = await client.delete(f"{BANDS}/1", params={"reason": "x"}, headers=headers)
        assert removed.status_code == 403
    assert (await client.get(BANDS, headers=as_role("broker"))).status_code == 403


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize("scope", [Scope(None, ("410100001",)), Scope(("4101",), None)], ids=["sites", "regions"])
async def test_caller_of_some_sites_sees_no_bands(
    client: httpx.AsyncClient, connection: Connection, settings: Settings, scope: Scope
) -> None:
    """The list names devices of everywhere, and a band is of the whole city."""
    with acting(connection, Actor("admin", "test"), keys=Keys.of(settings)):
        connection.execute("INSERT INTO users (name, roles) VALUES ('li', '{viewer,fleet_admin}')")
        _, text = api_keys.make(connection, "li", ["viewer", "fleet_admin"], owner="li", scope=scope)
    key = {"Authorization": f"Bearer {text}"}
    answers = [
        await client.get(BANDS, headers=key),
        await client.put(BANDS, json=FREEZER | {"device_no": "D-1"}, headers=key),
        await client.delete(f"{BANDS}/1", params={"reason": "x"}, headers=key),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "D-1" not in answers[0].text
