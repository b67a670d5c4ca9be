"""The series of a place around a swap, and who stood there."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)


@pytest.fixture
async def swapped(client: httpx.AsyncClient, city: Any, connection: psycopg.Connection[Any]) -> datetime:
    """When D-2 took the place of D-1; both have records of every second for 10 s around it."""
    model, site = city.model("L-1", "logger"), city.site("410100001")
    old = city.device("D-1", model, site, state="in_service", stall_no="A-1")
    new = city.device("D-2", model, site, state="in_stock")
    connection.execute("UPDATE device_placements SET since = now() - interval '1 day' WHERE device_id = %s", (old,))
    answer = await client.post("/api/v1/devices/D-1/swap", json={"new_device_no": "D-2", "reason": "换机"})
    assert answer.status_code == 200, answer.text
    row = connection.execute("SELECT since FROM device_placements WHERE predecessor_id = %s", (old,)).fetchone()
    assert row is not None
    at: datetime = row[0].astimezone(UTC)
    for device in (old, new):
        boot = city.boot(device)
        for second in range(-10, 11):
            city.record("status", device, boot, second + 10, at + second * SECOND)
    return at


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_records_around_a_swap_are_one_series(
    client: httpx.AsyncClient, swapped: datetime, walk: Callable[..., Any], order: str
) -> None:
    """Of each second one record, by whoever stood there; nothing twice and nothing missing, over pages."""
    span = {"from": (swapped - 20 * SECOND).isoformat(), "to": (swapped + 20 * SECOND).isoformat()}
    params = span | {"lineage": "true", "limit": "4", "order": order}
    pages = await walk(client, "/api/v1/devices/D-2/records/status", params)
    told = [(item["device_no"], item["seq"]) for page in pages for item in page]
    expected = [("D-1", seq) for seq in range(10)] + [("D-2", seq) for seq in range(10, 21)]
    assert told == (expected if order == "asc" else expected[::-1])
    assert len(pages) > 1


@pytest.mark.usefixtures("swapped")
async def test_lineage_tells_who_stood_there(client: httpx.AsyncClient) -> None:
    """The same from either end: one goes when the other comes; an unknown device is 404."""
    for device_no in ("D-1", "D-2"):
        answer = await client.get(f"/api/v1/devices/{device_no}/lineage")
        assert answer.status_code == 200, answer.text
        [place] = [place for place in answer.json()["places"] if place["stall_no"] == "A-1"]
        first, second = place["devices"]
        assert (first["device_no"], second["device_no"]) == ("D-1", "D-2")
        assert (first["until"], second["until"]) == (second["since"], None)
    assert (await client.get("/api/v1/devices/D-404/lineage")).status_code == 404


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 5, 100])
async def test_devices_that_replace_each_other_by_turns_read_as_one(
    client: httpx.AsyncClient, city: Any, walk: Any, order: str, limit: int
) -> None:
    """A, B and A again, each speaking all the time: every moment once, from the one that stood there."""
    begun, hour = datetime(2026, 11, 20, 8, 7, 30, tzinfo=UTC), timedelta(hours=1)
    model, site = city.model("L-1", "logger"), city.site("410100001")
    first = city.device("A", model, site, stall_no="X", state="in_service")
    second = city.device("B", model, site, state="in_stock")
    city.connection.execute("DELETE FROM device_placements")
    for device, since, until, before in ((first, 0, 1, None), (second, 1, 2, first), (first, 2, None, second)):
        city.connection.execute(
            "INSERT INTO device_placements (device_id, site_id, stall_no, since, until, predecessor_id)"
            " VALUES (%s, %s, 'X', %s, %s, %s)",
            (device, site, begun + since * hour, None if until is None else begun + until * hour, before),
        )
    for device in (first, second):
        boot = city.boot(device, f"b{device}")
        for number in range(24):
            city.record("coldchain", device, boot, number, begun + number * hour / 6, probe=None)
    asked = {"from": begun.isoformat(), "to": (begun + 4 * hour).isoformat(), "order": order, "limit": limit}
    path = "/api/v1/devices/A/records/coldchain"
    pages = await walk(client, path, {**asked, "lineage": "true", "resolution": "raw"})
    expected = [("B" if number in range(6, 12) else "A", number) for number in range(24)]
    found = [(item["device_no"], item["seq"]) for page in pages for item in page]
    assert found == (expected if order == "asc" else expected[::-1])
