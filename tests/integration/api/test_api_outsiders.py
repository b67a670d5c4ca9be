"""``/api/v1/fleet/…``, ``/api/v1/tombstones`` and the deletion of drafts."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from tests.integration.api.conftest import City, writers_of

pytestmark = pytest.mark.anyio
LISTS = ("strangers", "ghosts", "shared-credentials", "client-ids", "retired")


async def test_ghosts_are_told_page_by_page(client: httpx.AsyncClient, city: City, walk: Any) -> None:
    """In the order of their numbers, with the total and the remedy in both languages."""
    model, site = city.model("L-1", "logger"), city.site("410100001")
    for number in range(5):
        city.device(f"D-{number}", model, site)
    pages = await walk(client, "/api/v1/fleet/ghosts", {"limit": "2"})
    assert [item["device_no"] for page in pages for item in page] == [f"D-{number}" for number in range(5)]
    told = (await client.get("/api/v1/fleet/ghosts")).json()
    assert (told["total"], bool(told["remedy"]["zh"]), bool(told["remedy"]["en"])) == (5, True, True)


@pytest.mark.parametrize("name", LISTS)
async def test_list_is_empty_where_nothing_is_wrong(client: httpx.AsyncClient, name: str) -> None:
    """And a cursor that is none of it is refused."""
    page = await client.get(f"/api/v1/fleet/{name}")
    assert (page.status_code, page.json()["total"], page.json()["items"]) == (200, 0, [])
    assert (await client.get(f"/api/v1/fleet/{name}", params={"cursor": "x"})).status_code == 422


async def test_stranger_is_adopted(client: httpx.AsyncClient, city: City) -> None:
    """Registered by the rules of every import; 422 with the report where one is broken."""
    city.model("L-1", "logger")
    city.site("410100001")
    wrong = await client.post(
        "/api/v1/fleet/strangers/X-1/adopt", json={"model_no": "L-9", "site_no": "410100001", "reason": "seen"}
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["column"]) == (422, "model_no")
    done = await client.post(
        "/api/v1/fleet/strangers/X-1/adopt", json={"model_no": "L-1", "site_no": "410100001", "reason": "seen"}
    )
    assert done.status_code == 200, done.text
    assert (done.json()["report"]["applied"], done.json()["replay"]["letters"]) == (True, 0)
    assert (await client.get("/api/v1/devices/X-1")).json()["state"] == "in_service"


async def test_adoption_stores_what_was_said_before(client: httpx.AsyncClient, city: City) -> None:
    """The quarantine of the stranger, and of nobody else."""
    city.model("L-1", "logger")
    city.site("410100001")
    record = {"at": datetime.now(UTC).isoformat(), "temperature_c": 3.5}
    message = {"v": 1, "boot": "b", "seq": 1, "records": [record]}
    lines = [{"device_no": number, "stream": "coldchain", "message": message} for number in ("X-1", "X-2")]
    await writers_of(client).registry.loaded.wait()
    sent = await client.post(
        "/api/v1/telemetry",
        content=b"\n".join(map(orjson.dumps, lines)),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert sent.status_code == 200, sent.text
    assert (await client.get("/api/v1/fleet/strangers")).json()["total"] == 2
    order = {"model_no": "L-1", "site_no": "410100001", "reason": "seen"}
    done = await client.post("/api/v1/fleet/strangers/X-1/adopt", json=order)
    assert (done.json()["replay"]["letters"], done.json()["replay"]["stored"]) == (1, 1)
    assert [item["device_no"] for item in (await client.get("/api/v1/fleet/strangers")).json()["items"]] == ["X-2"]
    assert (await client.post("/api/v1/fleet/strangers/X-1/adopt", json=order)).status_code == 409


async def test_retired_number_is_never_issued_again(client: httpx.AsyncClient, city: City) -> None:
    """Not when its row is gone, either."""
    city.device("R-1", city.model("L-1", "logger"), city.site("410100001"))
    city.connection.execute("UPDATE devices SET state = 'lost'")
    city.connection.execute("DELETE FROM devices")
    new = {"model_no": "L-1", "site_no": "410100001"}
    again = await client.post("/api/v1/devices", json={"device_no": "R-1", **new})
    assert (again.status_code, "never issued again" in again.text) == (422, True)
    adopted = await client.post("/api/v1/fleet/strangers/R-1/adopt", json={"reason": "seen", **new})
    assert (adopted.status_code, "never issued again" in adopted.text) == (422, True)


async def test_draft_is_deleted_and_a_retired_number_is_told(
    client: httpx.AsyncClient, city: City, as_role: Callable[..., dict[str, str]]
) -> None:
    """Drafts only; whoever may not gets 403."""
    model, site = city.model("L-1", "logger"), city.site("410100001")
    city.device("D-1", model, site, state="draft")
    city.device("D-2", model, site, state="disposed")
    viewer = as_role("viewer")
    assert (await client.delete("/api/v1/devices/D-1?reason=x", headers=viewer)).status_code == 403
    assert (await client.delete("/api/v1/devices/D-1?reason=x")).status_code == 204
    assert (await client.delete("/api/v1/devices/D-1?reason=x")).status_code == 404
    assert (await client.delete("/api/v1/devices/D-2?reason=x")).status_code == 409
    [stone] = (await client.get("/api/v1/tombstones")).json()["items"]
    assert (stone["device_no"], stone["state"]) == ("D-2", "disposed")


async def test_client_ids_are_told_page_by_page(client: httpx.AsyncClient, city: City, walk: Any) -> None:
    """By client id and user name, both of them the key."""
    for name in ("X", "Y", "Z"):
        city.connection.execute(
            "INSERT INTO refused_accesses (username, client_id, host, reason, first_at, last_at, accesses)"
            " VALUES (%s, 'same', 'h', 'unknown_device', now(), now(), 1)",
            (name,),
        )
    pages = await walk(client, "/api/v1/fleet/client-ids", {"limit": "1"})
    assert [item["username"] for page in pages for item in page] == ["X", "Y", "Z"]
