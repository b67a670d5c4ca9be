"""The audit over HTTP: the list of changes, the history of a device, and what it was on a day."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio
AUDIT = "/api/v1/audit"
BEGIN = "SELECT set_config('tracefleet.actor', 'wang', false), set_config('tracefleet.reason', 'moved', false)"


@pytest.fixture
def moved(city: Any) -> Any:
    """D-1, moved from site 1 to site 2 by Wang, with a new IMEI that nobody may see; and D-2."""
    first, second, model = city.site("1"), city.site("2"), city.model("M", "logger")
    city.device("D-1", model, first, imei_sealed=b"sealed", imei_masked="****1")
    city.device("D-2", model, first)
    city.connection.execute(BEGIN)
    city.connection.execute("UPDATE devices SET site_id = %s, imei_sealed = 'anew' WHERE device_no = 'D-1'", (second,))
    city.add("device_holds", device_id=1, kind="dispute", reason="who owns it")
    return city


@pytest.mark.usefixtures("moved")
async def test_change_names_who_why_and_each_field(client: httpx.AsyncClient) -> None:
    """References by number; what is sealed only as changed; null while it waits for its seal."""
    answer = await client.get(AUDIT, params={"entity": "devices", "label": "D-1", "actor": "wang"})
    [change] = answer.json()["items"]
    assert (change["action"], change["reason"], change["seal_no"]) == ("update", "moved", None)
    assert change["origin"].startswith("database")
    assert change["at"].endswith("Z")
    assert change["differences"] == [
        {"field": "site_no", "before": "1", "after": "2", "hidden": False},
        {"field": "imei", "before": None, "after": None, "hidden": True},
    ]
    assert b"anew".hex() not in answer.text


async def test_pages_have_every_change_once(client: httpx.AsyncClient, moved: Any, walk: Any) -> None:
    """The newest first; what comes meanwhile is not in them."""
    expected = [row[0] for row in moved.connection.execute("SELECT audit_id FROM audit ORDER BY audit_id DESC")]
    pages = await walk(
        client, AUDIT, {"limit": 3}, lambda: moved.connection.execute("UPDATE models SET vendor = vendor || '.'")
    )
    assert [line["audit_id"] for page in pages for line in page] == expected


async def test_list_filters_by_time_and_operation(client: httpx.AsyncClient, moved: Any) -> None:
    """Times have an offset; an operation that is no UUID, and a filter that is none, are refused."""
    moved.connection.execute("SELECT set_config('tracefleet.operation', 'f0000000-0000-4000-8000-000000000001', false)")
    moved.device("D-3", 1, 1)
    operation = {"operation": "f0000000-0000-4000-8000-000000000001"}
    assert [line["label"] for line in (await client.get(AUDIT, params=operation)).json()["items"]] == ["D-3"]
    assert (await client.get(AUDIT, params={"until": "2020-01-01T00:00:00Z"})).json()["items"] == []
    since = {"since": "2020-01-01T00:00:00Z", "limit": "2"}
    assert len((await client.get(AUDIT, params=since)).json()["items"]) == 2
    for params in ({"operation": "1"}, {"since": "2020-01-01"}, {"table": "x"}, {"cursor": "abc"}):
        assert (await client.get(AUDIT, params=params)).status_code == 422


async def test_history_has_what_hangs_on_the_device(client: httpx.AsyncClient, moved: Any, walk: Any) -> None:
    """Its holds, also when it is gone; not those of another whose id begins alike."""
    for number in range(3, 14):
        moved.device(f"D-{number}", 1, 1)
    moved.connection.execute(
        "INSERT INTO device_holds (device_id, kind, reason)"
        " SELECT device_id, 'dispute', 'x' FROM devices WHERE device_id >= 10"
    )
    moved.connection.execute("DELETE FROM devices WHERE device_no = 'D-1'")
    pages = await walk(client, "/api/v1/devices/D-1/history", {"limit": 2})
    lines = [line for page in pages for line in page]
    assert sorted((line["action"], line["entity"]) for line in lines) == [
        ("delete", "device_holds"), ("delete", "devices"),
        ("insert", "device_holds"), ("insert", "devices"), ("update", "devices"),
    ]  # fmt: skip
    answer = await client.get("/api/v1/devices/D-99/history")
    assert (answer.status_code, answer.json()["type"]) == (404, "/api/v1/problems#unknown-device")


async def test_device_is_told_as_it_was_on_a_day(client: httpx.AsyncClient, moved: Any) -> None:
    """At the end of the day in China; nothing that is sealed."""
    with moved.connection.transaction():
        moved.connection.execute("SET LOCAL session_replication_role = replica")
        moved.connection.execute("UPDATE audit SET at = '2026-01-10 16:30Z' WHERE action = 'insert'")
    answer = await client.get("/api/v1/devices/D-1/on/2026-01-11")
    told = answer.json()
    assert (told["day"], told["since"]) == ("2026-01-11", "2026-01-10T16:30:00Z")
    assert (told["fields"]["site_no"], told["fields"]["model_no"], told["fields"]["imei_masked"]) == ("1", "M", "****1")
    assert not [name for name in told["fields"] if "sealed" in name]
    later = await client.get("/api/v1/devices/D-1/on/9998-12-31")
    assert later.json()["fields"]["site_no"] == "2"
    early = await client.get("/api/v1/devices/D-1/on/2026-01-10")
    assert (early.status_code, early.json()["type"]) == (404, "/api/v1/problems#no-such-state")
    assert "came into the ledger on 2026-01-11" in early.json()["detail"]
    assert (await client.get("/api/v1/devices/D-1/on/9999-12-31")).status_code == 422


async def test_audit_is_for_those_who_have_to_do_with_it(
    client: httpx.AsyncClient, as_role: Callable[..., dict[str, str]]
) -> None:
    """An auditor's key and an operator's; a viewer's is refused."""
    assert (await client.get("/api/v1/audit", headers=as_role("auditor"))).status_code == 200
    assert (await client.get("/api/v1/audit", headers=as_role("viewer"))).status_code == 403
