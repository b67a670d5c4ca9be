"""Look-ups of the QR page over HTTP: told once or twice, one by one or many, and refused when they cannot be."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fleet.business_day import day_of

pytestmark = pytest.mark.anyio

TODAY = day_of(datetime.now(UTC))
MANY = "/api/v1/site-lookups"


def _one(day: object = TODAY) -> str:
    return f"/api/v1/sites/S1/lookups/{day}"


async def test_day_is_told_and_told_again(client: httpx.AsyncClient, city: Any) -> None:
    """The same twice changes nothing, not even in the audit; another number replaces it."""
    city.site("S1")
    answers = [
        (await client.put(_one(), json={"channel": "qr", "lookups": number})).json() for number in (120, 120, 130)
    ]
    assert [(one["created"], one["changed"], one["unchanged"]) for one in answers] == [(1, 0, 0), (0, 0, 1), (0, 1, 0)]
    [item] = (await client.get(MANY)).json()["items"]
    assert (item["site_no"], item["day"], item["channel"], item["lookups"]) == ("S1", str(TODAY), "qr", 130)
    row = city.connection.execute("SELECT count(*) FROM audit WHERE entity = 'site_lookups'").fetchone()
    assert row == (2,)


async def test_many_are_told_as_a_list_or_as_lines(
    client: httpx.AsyncClient, city: Any, walk: Callable[..., Any]
) -> None:
    """All or none, and listed by site, day and channel, page by page."""
    city.site("S1")
    city.site("S2")
    rows = [
        {"site_no": site_no, "day": str(TODAY - timedelta(days=days)), "channel": channel, "lookups": days}
        for site_no in ("S2", "S1")
        for days in (1, 0)
        for channel in ("web", "qr")
    ]
    told = await client.post(MANY, json=rows[:4])
    assert (told.status_code, told.json()["created"]) == (200, 4), told.text
    lines = "\n".join(str(row).replace("'", '"') for row in rows)
    told = await client.post(MANY, content=f"{lines}\n", headers={"Content-Type": "application/x-ndjson"})
    assert told.json() == {"told": 8, "created": 4, "changed": 0, "unchanged": 4}
    pages = await walk(client, MANY, {"limit": 3})
    found = [(one["site_no"], one["day"], one["channel"]) for page in pages for one in page]
    assert found == sorted((row["site_no"], row["day"], row["channel"]) for row in rows)
    chosen = await client.get(MANY, params={"site_no": "S1", "channel": "qr", "from": str(TODAY), "to": str(TODAY)})
    assert len(chosen.json()["items"]) == 1


async def test_what_cannot_be_is_refused_row_by_row(client: httpx.AsyncClient, city: Any) -> None:
    """Days to come and of long ago, strange sites, two numbers of the same; nothing is written."""
    city.site("S1")
    row = {"site_no": "S1", "day": str(TODAY), "channel": "qr", "lookups": 1}
    wrong = [
        row,
        row | {"day": str(TODAY + timedelta(days=1))},
        row | {"day": "2000-01-01"},
        row | {"site_no": "S9"},
        row | {"lookups": 2},
    ]
    answer = await client.post(MANY, json=wrong)
    assert answer.status_code == 409
    for said in ("row 2: ", "still to come", "row 3: ", "too long ago", "row 4: ", "no site", "row 5: row 1 tells"):
        assert said in answer.json()["detail"]
    assert (await client.get(MANY)).json()["items"] == []
    unknown = await client.put("/api/v1/sites/S9/lookups/2026-01-01", json={"channel": "qr", "lookups": 1})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/api/v1/problems#unknown-entry")
    for body in (
        {"channel": "sms", "lookups": 1},
        {"channel": "qr", "lookups": -1},
        {"channel": "qr", "lookups": 10**9},
    ):
        assert (await client.put(_one(), json=body)).status_code == 422
    for content, media in ((b"[", "application/json"), (b"[]", "application/json"), (b"1", "text/plain")):
        answer = await client.post(MANY, content=content, headers={"Content-Type": media})
        assert answer.status_code in (415, 422)


async def test_who_may_not_is_refused(client: httpx.AsyncClient, as_role: Callable[..., dict[str, str]]) -> None:
    """A viewer reads."""
    headers = as_role("viewer")
    assert (await client.put(_one(), json={"channel": "qr", "lookups": 1}, headers=headers)).status_code == 403
    assert (await client.get(MANY, headers=headers)).status_code == 200
