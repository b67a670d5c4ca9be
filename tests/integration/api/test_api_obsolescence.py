"""``/api/v1/rules``, ``/findings``, ``/flags`` and a device's explanation."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.business_day import today
from fleet.keys import Keys
from fleet.obsolescence.evaluating import evaluate
from store.settings import Settings
from tests.integration.api.conftest import City
from tests.integration.obsolescence.conftest import DAY, after

pytestmark = pytest.mark.anyio
AsRole = Callable[..., dict[str, str]]


OLD = datetime(2018, 1, 1, tzinfo=UTC)


@pytest.fixture
def kiosks(city: City, connection: psycopg.Connection[Any], settings: Settings) -> City:
    """Two kiosks at one site and one at another, flagged on DAY as far as the share goes; a scale that is sound."""
    kiosk, scale = city.model("K", "kiosk"), city.model("S", "trace_scale")
    here, there = city.site("410100001"), city.site("410200001", "410203")
    for device_no, site in (("K-1", here), ("K-2", here), ("K-3", there)):
        city.device(device_no, kiosk, site, acquired_on=date(2016, 1, 1), created_at=OLD)
    city.device("D-1", scale, here, acquired_on=date(2016, 1, 1), created_at=OLD)
    with acting(connection, Actor("fleet", "fleet"), keys=Keys.of(settings)):
        evaluate(connection, day=DAY, now=after(DAY))
    return city


@pytest.mark.usefixtures("kiosks")
async def test_findings_are_listed_and_explained(client: httpx.AsyncClient) -> None:
    """By rule, site, region, kind and device, page by page; each with all of its evidence."""
    first = (await client.get("/api/v1/findings", params={"limit": 2, "open": True})).json()
    assert [item["device_no"] for item in first["items"]] == ["K-3", "K-2"]
    rest = await client.get("/api/v1/findings", params={"limit": 2, "open": True, "cursor": first["next_cursor"]})
    assert [item["device_no"] for item in rest.json()["items"]] == ["K-1"]
    for given, many in (
        ({"rule": "forbidden_kind"}, 3),
        ({"rule": "dormant"}, 0),
        ({"site_no": "410100001"}, 2),
        ({"region_code": "4102"}, 1),
        ({"kind": "kiosk", "device_no": "K-1"}, 1),
        ({"open": False}, 0),
    ):
        assert len((await client.get("/api/v1/findings", params=given)).json()["items"]) == many, given
    number = first["items"][0]["finding_id"]
    evidence = (await client.get(f"/api/v1/findings/{number}")).json()
    assert evidence["numbers"]["kind"] == "kiosk"
    assert evidence["query"].startswith("SELECT m.kind")
    assert evidence["basis"] == "豫商办文〔2018〕81号"
    assert (await client.get("/api/v1/findings/999")).status_code == 404
    assert (await client.get("/api/v1/findings", params={"rules": "x"})).status_code == 422


@pytest.mark.usefixtures("kiosks")
async def test_flags_and_verdicts_have_their_sentence(client: httpx.AsyncClient) -> None:
    """Flagged, held back by the share of its site, and sound."""
    flags = (await client.get("/api/v1/flags")).json()["items"]
    assert {flag["device_no"] for flag in flags} == {"K-1", "K-3"}
    assert flags[0]["rules"] == ["forbidden_kind"]
    assert len((await client.get("/api/v1/flags", params={"region_code": "4102"})).json()["items"]) == 1
    flagged = (await client.get("/api/v1/devices/K-1/explanation")).json()
    assert (flagged["verdict"], flagged["sentence_zh"][:7]) == ("flagged", "建议淘汰该查询")
    held = (await client.get("/api/v1/devices/K-2/explanation")).json()
    assert (held["verdict"], held["held_back_by"]) == ("watch", "site_share")
    assert "would be flagged, held back" in held["sentence_en"]
    sound = (await client.get("/api/v1/devices/D-1/explanation")).json()
    assert (sound["verdict"], sound["sentence_zh"]) == ("sound", "该追溯秤没有淘汰理由。")
    assert (await client.get("/api/v1/devices/D-9/explanation")).status_code == 404


async def test_device_that_came_after_the_last_run_is_not_called_sound(client: httpx.AsyncClient, kiosks: City) -> None:
    """Nobody has judged it: of a kiosk that came today nothing is known."""
    kiosks.device("K-9", kiosks.model("K9", "kiosk"), kiosks.site("410100009"))
    new = (await client.get("/api/v1/devices/K-9/explanation")).json()
    assert (new["verdict"], new["judged_on"], new["sentence_zh"]) == ("unjudged", None, "尚未评估。")


async def test_rules_are_read_by_all_and_changed_by_the_administrator(
    client: httpx.AsyncClient, as_role: AsRole
) -> None:
    """With the schema of what may be set; a new version under its reason; every mistake at once."""
    told = (await client.get("/api/v1/rules", params={"on": "2026-01-01"})).json()
    assert len(told["items"]) == 12
    [dormant] = [rule for rule in told["items"] if rule["rule"] == "dormant"]
    assert dormant["parameter_schema"]["properties"]["days"]["maximum"] == 400
    order = {"effective_from": today().isoformat(), "parameters": {"days": 90}, "reason": "trial"}
    assert (await client.post("/api/v1/rules/dormant", json=order)).status_code == 403
    admin = as_role("fleet_admin")
    added = await client.post("/api/v1/rules/dormant", json=order, headers=admin)
    assert (added.status_code, added.json()["version"], added.json()["parameters"]["days"]) == (200, 2, 90)
    wrong = order | {"effective_from": "2020-01-01", "parameters": {"days": 0, "x": 1}}
    refused = await client.post("/api/v1/rules/dormant", json=wrong, headers=admin)
    assert refused.status_code == 409
    assert all(word in refused.json()["detail"] for word in ("past", "days", "x:"))
    assert (await client.post("/api/v1/rules/ugly", json=order, headers=admin)).status_code == 404
    known = (await client.get("/api/v1/rules/dormant")).json()
    assert [version["version"] for version in known["items"]] == [1, 2]


async def test_policy_is_changed_by_the_administrator(client: httpx.AsyncClient, as_role: AsRole) -> None:
    """A new version, which counts from its day on."""
    soon = today() + timedelta(days=3)
    order = {"effective_from": soon.isoformat(), "watch_score": 20, "flag_score": 50, "site_share_pct": 10}
    order |= {"reason": "trial"}
    assert (await client.post("/api/v1/rule-policy", json=order)).status_code == 403
    added = await client.post("/api/v1/rule-policy", json=order, headers=as_role("fleet_admin"))
    assert (added.status_code, added.json()["version"]) == (200, 2)
    now = (await client.get("/api/v1/rule-policy")).json()
    assert (now["in_force"]["version"], len(now["items"])) == (1, 2)
    then = (await client.get("/api/v1/rule-policy", params={"on": soon.isoformat()})).json()
    assert then["in_force"]["flag_score"] == 50
    assert (await client.get("/api/v1/rule-policy", params={"on": "2011-01-01"})).status_code == 409


@pytest.mark.usefixtures("kiosks")
async def test_other_rules_are_tried_and_nothing_is_written(client: httpx.AsyncClient, as_role: AsRole) -> None:
    """Who would be flagged, who spared; a viewer may not ask the whole fleet."""
    order: dict[str, Any] = {"begins_on": DAY.isoformat(), "ends_on": DAY.isoformat()}
    order["rules"] = {"forbidden_kind": {"is_enabled": False}}
    told = await client.post("/api/v1/rules/what-if", json=order)
    assert told.status_code == 200, told.text
    assert (told.json()["would_flag"], told.json()["as_they_are"], told.json()["spared_count"]) == (0, 3, 3)
    assert told.json()["spared"][0]["sentence_en"].startswith("This query kiosk ought to be retired")
    order["rules"] = {"ugly": {}}
    assert (await client.post("/api/v1/rules/what-if", json=order)).status_code == 409
    refused = await client.post("/api/v1/rules/what-if", json=order, headers=as_role("viewer"))
    assert refused.status_code == 403
