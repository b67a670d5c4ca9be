"""Programmes over HTTP: made, read on any day, exported; and who may."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fleet.business_day import day_of

pytestmark = pytest.mark.anyio

ADDRESS = "/api/v1/programmes"
TODAY = day_of(datetime.now(UTC))
BEGINS = TODAY - timedelta(days=10)
ORDER = {
    "programme_no": "P-1",
    "name_zh": "郑州查询机淘汰",
    "name_en": "Kiosks",
    "region_code": "4101",
    "kinds": ["kiosk"],
    "begins_on": BEGINS.isoformat(),
    "due_on": (TODAY + timedelta(days=30)).isoformat(),
    "reason": "81号文",
}


@pytest.fixture
def kiosks(city: Any) -> list[int]:
    """Three kiosks of long ago, the first of which went four days ago."""
    site_id, model_id = city.site("410100001"), city.model("QM-1", "kiosk")
    ids = [
        city.device(f"K-{number}", model_id, site_id, created_at=datetime(2025, 1, 1, tzinfo=UTC))
        for number in (1, 2, 3)
    ]
    city.connection.execute("UPDATE devices SET state = 'disposed' WHERE device_no = 'K-1'")
    city.add(
        "device_transitions",
        device_id=ids[0],
        from_state="pending_disposal",
        to_state="disposed",
        actor="t",
        at=datetime.now(UTC) - timedelta(days=4),
    )
    return ids


@pytest.fixture
def admin(as_role: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The headers of a fleet administrator."""
    return as_role("fleet_admin")


async def test_programme_is_made_and_read_on_any_day(
    client: httpx.AsyncClient, admin: dict[str, str], kiosks: list[int]
) -> None:
    """Figures, blockers with remedies, forecast; the list and the address say the same."""
    assert len(kiosks) == 3
    made = await client.post(ADDRESS, json=ORDER, headers=admin)
    assert (made.status_code, made.json()["programme_no"]) == (201, "P-1"), made.text
    [line] = (await client.get(ADDRESS)).json()["items"]
    told = (await client.get(f"{ADDRESS}/P-1")).json()
    assert told["figures"] == line["figures"]
    figures = told["figures"]
    assert [figures[name] for name in ("devices", "target", "retired", "remaining")] == [3, 3, 1, 2]
    assert figures["rate"] == pytest.approx(1 / 3)
    assert figures["forecast"]["lately"]["per_week"] == 0.6
    assert [(one["reason"], one["devices"]) for one in told["blockers"]] == [("not_flagged", 2), ("no_owner", 2)]
    assert all(one["remedy_zh"] and one["remedy_en"] for one in told["blockers"])
    then = (await client.get(f"{ADDRESS}/P-1", params={"on": str(TODAY - timedelta(days=5))})).json()
    assert (then["figures"]["retired"], then["figures"]["day"]) == (0, str(TODAY - timedelta(days=5)))
    listed = (await client.get(f"{ADDRESS}/P-1/blockers")).json()
    assert listed["blockers"] == told["blockers"]


async def test_burn_down_and_devices_are_listed(
    client: httpx.AsyncClient, admin: dict[str, str], kiosks: list[int], walk: Callable[..., Any]
) -> None:
    """A point a day; devices page by page, all or those of one blocker."""
    assert len(kiosks) == 3
    await client.post(ADDRESS, json=ORDER, headers=admin)
    points = (await client.get(f"{ADDRESS}/P-1/progress")).json()["points"]
    assert [point["remaining"] for point in points] == [3] * 6 + [2] * 5
    few = {"from": str(TODAY - timedelta(days=1)), "to": str(TODAY)}
    assert len((await client.get(f"{ADDRESS}/P-1/progress", params=few)).json()["points"]) == 2
    pages = await walk(client, f"{ADDRESS}/P-1/devices", {"limit": 2})
    assert [[one["device_no"] for one in page] for page in pages] == [["K-1", "K-2"], ["K-3"]]
    pages = await walk(client, f"{ADDRESS}/P-1/devices", {"limit": 1, "blocker": "no_owner"})
    assert [one["device_no"] for page in pages for one in page] == ["K-2", "K-3"]
    assert (await client.get(f"{ADDRESS}/P-1/devices", params={"blocker": "x"})).status_code == 422


async def test_sheets_are_sent_as_files(client: httpx.AsyncClient, admin: dict[str, str], kiosks: list[int]) -> None:
    """CSV and a workbook, of any day."""
    assert len(kiosks) == 3
    await client.post(ADDRESS, json=ORDER, headers=admin)
    sheet = await client.get(f"{ADDRESS}/P-1/export.csv", params={"on": str(TODAY), "language": "en"})
    assert sheet.headers["content-disposition"] == 'attachment; filename="P-1.csv"'
    assert "completed (%),33.33\r\n" in sheet.text
    book = await client.get(f"{ADDRESS}/P-1/export.xlsx")
    assert (book.status_code, book.content[:2]) == (200, b"PK")
    assert (await client.head(f"{ADDRESS}/P-1/export.csv")).status_code == 200


async def test_programme_is_changed_and_ended(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    """What its figures go by is not changed after the beginning; null takes a target away."""
    await client.post(ADDRESS, json=ORDER | {"target": 5}, headers=admin)
    changed = await client.patch(f"{ADDRESS}/P-1", json={"target": None, "name_en": "K", "reason": "r"}, headers=admin)
    assert (changed.json()["target"], changed.json()["name_en"], changed.json()["name_zh"]) == (
        None,
        "K",
        "郑州查询机淘汰",
    )
    refused = await client.patch(f"{ADDRESS}/P-1", json={"region_code": "4102", "reason": "r"}, headers=admin)
    assert (refused.status_code, refused.json()["type"]) == (409, "/api/v1/problems#rule-broken")
    ended = await client.patch(f"{ADDRESS}/P-1", json={"end": True, "reason": "done"}, headers=admin)
    assert ended.json()["ended_on"] == str(TODAY)
    again = await client.patch(f"{ADDRESS}/P-1", json={"end": True, "reason": "done"}, headers=admin)
    assert again.status_code == 409


async def test_who_may_not_is_refused(client: httpx.AsyncClient, as_role: Callable[..., dict[str, str]]) -> None:
    """Everybody reads, the fleet's administrators change; without a key nobody does."""
    for headers in ({}, as_role("operator"), as_role("viewer")):
        assert (await client.post(ADDRESS, json=ORDER, headers=headers)).status_code == 403
        assert (await client.patch(f"{ADDRESS}/P-1", json={"reason": "r"}, headers=headers)).status_code == 403
        assert (await client.get(ADDRESS, headers=headers)).status_code == 200


async def test_what_is_not_there_is_a_problem(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    """Unknown numbers, days to come, spans upside down, cursors of another list."""
    assert (await client.get(f"{ADDRESS}/P-9")).json()["type"] == "/api/v1/problems#unknown-entry"
    await client.post(ADDRESS, json=ORDER, headers=admin)
    for day in (str(TODAY + timedelta(days=1)), "9999-12-31", "0001-01-01"):
        for path in ("", "/blockers", "/devices", "/export.csv"):
            answer = await client.get(f"{ADDRESS}/P-1{path}", params={"on": day})
            assert (answer.status_code, answer.json()["type"]) == (409, "/api/v1/problems#rule-broken"), path
    for span in ({"from": str(TODAY), "to": str(BEGINS)}, {"from": "0001-01-01"}, {"to": "9999-12-31"}):
        assert (await client.get(f"{ADDRESS}/P-1/progress", params=span)).status_code == 409, span
    assert (await client.get(ADDRESS, params={"cursor": "x"})).status_code == 422
