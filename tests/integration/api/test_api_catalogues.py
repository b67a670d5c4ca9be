"""Merchants, parties, sites in full, and what the ledger goes by."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
def market(city: Any) -> int:
    """A market with two merchants, one of whom trades at another site, too."""
    market, other = city.site("410100001"), city.site("410100002")
    for code, masked in (("M1", "138****5678"), ("M2", None)):
        merchant = city.add("merchants", "merchant_id", merchant_code=code, name=code, phone_masked=masked)
        city.add("site_merchants", site_id=market, merchant_id=merchant, stall_no="A-1")
    city.add("site_merchants", site_id=other, merchant_id=merchant)
    return int(market)


@pytest.mark.usefixtures("market")
async def test_merchants_are_listed_by_site_and_shown_with_theirs(
    client: httpx.AsyncClient, walk: Callable[..., Any]
) -> None:
    """A page at a time; personal data masked; an unknown one is a 404."""
    pages = await walk(client, "/api/v1/merchants", {"limit": 1, "site_no": "410100001"})
    assert [[item["merchant_code"] for item in page] for page in pages] == [["M1"], ["M2"]]
    assert pages[0][0]["phone"] == "138****5678"
    body = (await client.get("/api/v1/merchants/M2")).json()
    assert [(one["site_no"], one["stall_no"]) for one in body["sites"]] == [("410100001", "A-1"), ("410100002", None)]
    assert (await client.get("/api/v1/merchants/M9")).status_code == 404
    assert (await client.get("/api/v1/merchants", params={"status": "gone"})).status_code == 422


async def test_parties_are_listed_by_kind_and_shown_with_their_duties(client: httpx.AsyncClient, city: Any) -> None:
    """For how many devices each bears which duty."""
    device = city.device("D-1", city.model("L", "logger"), city.site("1"))
    party = city.add("parties", "party_id", party_no="OP-1", name="运维", kind="operator")
    city.add("parties", party_no="GOV-1", name="商务局", kind="government")
    city.add("device_responsibilities", device_id=device, duty="operation", party_id=party)
    items = (await client.get("/api/v1/parties", params={"kind": "operator"})).json()["items"]
    assert [item["party_no"] for item in items] == ["OP-1"]
    assert (await client.get("/api/v1/parties/OP-1")).json()["duties"] == {"operation": 1}
    assert (await client.get("/api/v1/parties/OP-9")).status_code == 404


async def test_site_shows_hours_closures_merchants_and_devices(
    client: httpx.AsyncClient, city: Any, market: int
) -> None:
    """Devices by state; closures long past are left to the audit."""
    today = date.today()  # noqa: DTZ011 - either day does
    for days, kind in ((0, "filed"), (-800, "holiday")):
        day = today + timedelta(days=days)
        city.add("site_closures", site_id=market, begins_on=day, ends_on=day, kind=kind, reason="春节")
    city.connection.execute("UPDATE sites SET opening_hours = '1-7 06:00-18:00' WHERE site_id = %s", (market,))
    model = city.model("L", "logger")
    for number, state in enumerate(("in_service", "in_service", "faulty")):
        city.device(f"D-{number}", model, market, state=state)
    body = (await client.get("/api/v1/sites/410100001")).json()
    assert (body["opening_hours"], body["status"], body["merchants"]) == ("1-7 06:00-18:00", "active", 2)
    assert body["devices"] == {"in_service": 2, "faulty": 1}
    assert [one["kind"] for one in body["closures"]] == ["filed"]
    assert (await client.get("/api/v1/sites/9")).status_code == 404


async def test_regions_are_those_of_the_day(client: httpx.AsyncClient, city: Any) -> None:
    """410728 became 410783; a code within two spans is shown once."""
    city.add("regions", region_code="410728", name_zh="长垣县", name_en="Changyuan", valid_to=date(2019, 9, 1))
    city.add("regions", region_code="410783", name_zh="长垣市", name_en="Changyuan", valid_from=date(2019, 9, 1))

    async def codes(**params: str) -> list[str]:
        answer = await client.get("/api/v1/regions", params=params)
        return [item["region_code"] for item in answer.json()["items"]]

    assert await codes(on="2019-08-31") == ["410728"]
    assert await codes(on="2019-09-01") == ["410783"]
    assert await codes() == ["410783"]
    assert (await client.get("/api/v1/regions", params={"on": "0"})).status_code == 422


async def test_models_profiles_and_gates_are_shown(client: httpx.AsyncClient, city: Any) -> None:
    """Models with their devices; profiles of a region and above, each saying whether it is verified; both gates."""
    city.device("D-1", city.model("L", "logger"), city.site("1"))
    city.model("TS", "trace_scale")
    models = (await client.get("/api/v1/models")).json()["items"]
    assert [(one["model_no"], one["devices"]) for one in models] == [("L", 1), ("TS", 0)]
    profiles = (await client.get("/api/v1/code-profiles", params={"region_code": "410100"})).json()["items"]
    assert {(one["region_code"], one["subject"], one["verified"]) for one in profiles} == {
        ("41", subject, False) for subject in ("site", "merchant", "trace", "goods")
    }
    assert (await client.get("/api/v1/code-profiles", params={"region_code": "420100"})).json()["items"] == []
    gates = (await client.get("/api/v1/registration-gates")).json()["items"]
    assert [(one["kind"], one["acquired_after"]) for one in gates] == [
        ("kiosk", "2018-08-27"),
        ("trace_scale", "2018-08-27"),
    ]
