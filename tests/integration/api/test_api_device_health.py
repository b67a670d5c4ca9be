"""``/api/v1/health`` and ``/api/v1/devices/{device_no}/health``."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb

from fleet.business_day import today
from fleet.health.catalogue import CHECKS
from fleet.health.days_of_health import close_day
from fleet.health.evaluating import evaluate
from tests.integration.api.conftest import City

pytestmark = pytest.mark.anyio


def reason(check: str, points: int) -> dict[str, object]:
    """A reason as it is stored."""
    return {"check": check, "number": 71.5, "threshold": 80, "unit": "pct", "window": 7, "points": points}


@pytest.fixture
def market(city: City) -> City:
    """Six devices at two sites: two well, two ill, one out of service, one in stock."""
    kiosk, logger = city.model("K-1", "kiosk"), city.model("L-1", "logger")
    here, there = city.site("410100001"), city.site("410200001", region_code="410205")
    rows: list[tuple[str, int, int, str, int | None, list[dict[str, object]]]] = [
        ("D-1", kiosk, here, "online", 100, []),
        ("D-2", logger, here, "online", 85, [reason("battery_low", 15)]),
        ("D-3", kiosk, there, "silent", 30, [reason("silent", 45), reason("availability", 25)]),
        ("D-4", logger, there, "late", 65, [reason("availability", 35)]),
        ("D-5", kiosk, there, "silent", None, []),
    ]
    now = datetime.now(UTC)
    for device_no, model_id, site_id, presence, score, reasons in rows:
        city.add(
            "device_health",
            device_id=city.device(device_no, model_id, site_id, state="in_service" if score is not None else "faulty"),
            evaluated_at=now,
            presence=presence,
            presence_since=now,
            excused_by=None if score is not None else "not_in_service",
            score=score,
            reasons=Jsonb(reasons),
        )
    city.device("D-6", kiosk, here, state="in_stock")
    return city


@pytest.mark.usefixtures("market")
async def test_list_is_the_worst_first_page_by_page(client: httpx.AsyncClient, walk: Any) -> None:
    """Those without a score last, and what stands nowhere not at all."""
    pages = await walk(client, "/api/v1/health", {"limit": "2"})
    assert [item["device_no"] for page in pages for item in page] == ["D-3", "D-4", "D-2", "D-1", "D-5"]
    told = (await client.get("/api/v1/health")).json()
    assert told["bands"] == {"good": 2, "fair": 1, "poor": 1, "none": 1}
    assert [told["items"][0][name] for name in ("score", "band", "presence")] == [30, "poor", "silent"]
    assert [one["points"] for one in told["items"][0]["reasons"]] == [45, 25]


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({"site_no": "410100001"}, ["D-2", "D-1"]),
    ({"region_code": "4102"}, ["D-3", "D-4", "D-5"]),
    ({"kind": "logger"}, ["D-4", "D-2"]),
    ({"presence": "silent"}, ["D-3", "D-5"]),
    ({"check": "availability"}, ["D-3", "D-4"]),
    ({"check": "availability", "kind": "kiosk"}, ["D-3"]),
    ({"max_score": "65"}, ["D-3", "D-4"]),
    ({"excused": "true"}, ["D-5"]),
    ({"excused": "false", "kind": "kiosk"}, ["D-3", "D-1"]),
]


@pytest.mark.usefixtures("market")
async def test_list_is_filtered(client: httpx.AsyncClient) -> None:
    """What is given counts together, and is counted."""
    for asked, found in FILTERS:
        told = (await client.get("/api/v1/health", params=asked)).json()
        assert [item["device_no"] for item in told["items"]] == found, asked
        assert sum(told["bands"].values()) == len(found)


async def test_list_refuses_what_it_does_not_know(client: httpx.AsyncClient) -> None:
    """A misspelt filter never shows everything."""
    for asked in ({"check": "bad_luck"}, {"max_score": "101"}, {"cursor": "x"}, {"site": "1"}):
        assert (await client.get("/api/v1/health", params=asked)).status_code == 422, asked


async def test_health_of_a_device_is_explained(client: httpx.AsyncClient, city: City, one_device: int) -> None:
    """Number, threshold and window, sentence and remedy in both languages, as it was judged."""
    now = datetime.now(UTC)
    city.connection.execute("UPDATE devices SET state_since = now() - INTERVAL '9 days'")
    city.latest(one_device, "status", now, {"backlog": 6000})
    evaluate(city.connection, now=now)
    told = (await client.get("/api/v1/devices/D-1/health")).json()
    assert (told["presence"], told["score"], told["band"], told["excused_by"]) == ("never_seen", 25, "poor", None)
    backlog = next(one for one in told["reasons"] if one["check"] == "backlog")
    assert [backlog[name] for name in ("number", "threshold", "unit", "window_days", "points")] == [
        6000,
        5000,
        "records",
        0,
        15,
    ]
    assert "6000" in backlog["sentence_zh"]
    assert "6000" in backlog["sentence_en"]
    assert backlog["remedy_zh"]
    assert backlog["remedy_en"]


@pytest.mark.usefixtures("market")
async def test_device_that_was_not_judged_has_no_health(client: httpx.AsyncClient) -> None:
    """It is known, and all is null; an unknown number is not found."""
    told = (await client.get("/api/v1/devices/D-6/health")).json()
    assert (told["state"], told["score"], told["presence"], told["reasons"]) == ("in_stock", None, None, [])
    for path in ("health", "health/days"):
        assert (await client.get(f"/api/v1/devices/X-1/{path}")).status_code == 404


@pytest.mark.usefixtures("one_device")
async def test_history_is_told_by_day(client: httpx.AsyncClient, city: City) -> None:
    """The oldest first, between two days that belong to it."""
    last = today(datetime.now(UTC))
    city.connection.execute("UPDATE devices SET state_since = now() - INTERVAL '9 days'")
    for back in (3, 2, 1):
        day = last - timedelta(days=back)
        city.connection.execute("DELETE FROM device_health")
        evaluate(city.connection, now=datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
        close_day(city.connection, day)
    told = (await client.get("/api/v1/devices/D-1/health/days")).json()
    assert [day["day"] for day in told["days"]] == [str(last - timedelta(days=back)) for back in (3, 2, 1)]
    assert {(day["score"], day["band"], day["reasons"][0]["check"]) for day in told["days"]} == {
        (40, "poor", "never_seen")
    }
    one = str(last - timedelta(days=2))
    told = (await client.get("/api/v1/devices/D-1/health/days", params={"from": one, "to": one})).json()
    assert (told["from"], told["to"], len(told["days"])) == (one, one, 1)


@pytest.mark.usefixtures("one_device")
async def test_history_is_of_a_span(client: httpx.AsyncClient) -> None:
    """Neither upside down nor longer than what is kept; no day is too early to ask for."""
    for first, last in (("2026-06-02", "2026-06-01"), ("2020-01-01", "2026-06-01")):
        answer = await client.get("/api/v1/devices/D-1/health/days", params={"from": first, "to": last})
        assert (answer.status_code, answer.json()["type"].rsplit("#", 1)[-1]) == (422, "bad-span")
    answer = await client.get("/api/v1/devices/D-1/health/days", params={"to": str(date.min)})
    assert (answer.status_code, answer.json()["days"]) == (200, [])


async def test_catalogue_tells_what_each_check_means(client: httpx.AsyncClient) -> None:
    """Without a device and without a database row."""
    told = (await client.get("/api/v1/health/checks")).json()
    assert [check["check"] for check in told] == [check.name for check in CHECKS]
    availability = next(check for check in told if check["check"] == "availability")
    assert (availability["low"], availability["window_days"], availability["kinds"]) == (True, 7, None)
    assert availability["steps"][0] == {"threshold": 95.0, "points": 5}
