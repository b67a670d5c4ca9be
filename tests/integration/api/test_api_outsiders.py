"""``/api/v1/fleet/…``, ``/api/v1/tombstones`` and the deletion of drafts."""

from collections.abc import Callable

import httpx
import pytest

from tests.integration.api.conftest import City

pytestmark = pytest.mark.anyio
LISTS = ("strangers", "ghosts", "shared-credentials", "client-ids", "retired")


async def test_ghosts_are_told_page_by_page(client: httpx.AsyncClient, city: City) -> None:
    """In the order of their numbers, with the total and the remedy in both languages."""
    model, site = city.model("L-1", "logger"), city.site("410100001")
    for number in range(5):
        city.device(f"D-{number}", model, site)
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/api/v1/fleet/ghosts", params={"limit": "2", **cursor})).json()
        found += [item["device_no"] for item in page["items"]]
        assert (page["total"], bool(page["remedy"]["zh"]), bool(page["remedy"]["en"])) == (5, True, True)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == [f"D-{number}" for number in range(5)]


@pytest.mark.parametrize("name", LISTS)
async def test_list_is_empty_where_nothing_is_wrong(client: httpx.AsyncClient, name: str) -> None:
    """And a cursor of another list is refused."""
    page = await client.get(f"/api/v1/fleet/{name}")
    assert (page.status_code, page.json()["total"], page.json()["items"]) == (200, 0, [])


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
