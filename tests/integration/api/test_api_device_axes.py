"""One device in full and lists by its axes: filters, counts by axis, and that SQL judges as the pure functions do."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, get_args

import httpx
import pytest

from fleet.business_day import day_of
from fleet.lifecycle import metrology
from fleet.lifecycle.metrology import Metrology, Verification

pytestmark = pytest.mark.anyio
DEVICES = "/api/v1/devices"


def line(city: Any, device_id: int, state: str = "online", heard_at: datetime | None = None) -> None:
    """What a device's line said."""
    now = datetime.now(UTC)
    row = {"boot_id": 1, "boot_at": now, "state": state, "state_at": now, "told_at": now, "last_heard_at": heard_at}
    city.add("device_presence", device_id=device_id, **row)


@pytest.fixture
def fleet(city: Any) -> dict[str, int]:
    """Devices that differ in one thing each."""
    site = city.site("410100001")
    scale, logger, gateway = city.model("TS", "trace_scale"), city.model("CL", "logger"), city.model("GW", "gateway")
    merchant = city.add("merchants", "merchant_id", merchant_code="M1", name="Wang")
    party = city.add("parties", "party_id", party_no="OP-1", name="运维", kind="operator")
    ids = {"GATE": city.device("GATE", gateway, site)}
    ids["OWNED"] = city.device("OWNED", scale, site, owner_type="merchant", merchant_id=merchant)
    ids["OLD"] = city.device("OLD", scale, site, acquired_on=date(2018, 8, 27), verified_until=date(2020, 1, 1))
    ids["NEW"] = city.device("NEW", logger, site, acquired_on=date(2018, 8, 28), gateway_id=ids["GATE"])
    ids["HELD"] = city.device("HELD", logger, site, state="suspended")
    city.add("device_responsibilities", device_id=ids["NEW"], duty="operation", party_id=party)
    now = datetime.now(UTC)
    city.add("device_holds", device_id=ids["HELD"], kind="evidence", reason="x", begins_at=now - timedelta(days=1))
    city.add("device_holds", device_id=ids["HELD"], kind="evidence", reason="y", begins_at=now - timedelta(days=1))
    past = {"begins_at": now - timedelta(days=9), "ends_at": now - timedelta(days=1)}
    city.add("device_holds", device_id=ids["OLD"], kind="dispute", reason="over", **past)
    line(city, ids["OWNED"], heard_at=now - timedelta(minutes=2))
    line(city, ids["OLD"], "offline", heard_at=now - timedelta(days=8))
    line(city, ids["NEW"])
    return ids


FILTERED: list[tuple[dict[str, str], set[str]]] = [
    ({"owner_type": "merchant"}, {"OWNED"}),
    ({"model_no": "CL"}, {"NEW", "HELD"}),
    ({"merchant_code": "M1"}, {"OWNED"}),
    ({"merchant_code": "M2"}, set()),
    ({"party": "OP-1"}, {"NEW"}),
    ({"verification": "overdue"}, {"OLD"}),
    ({"verification": "unknown"}, {"OWNED"}),
    ({"verification": "not_applicable"}, {"GATE", "NEW", "HELD"}),
    ({"acquired_before": "2018-08-28"}, {"OLD"}),
    ({"acquired_after": "2018-08-27"}, {"NEW"}),
    ({"has_hold": "true"}, {"HELD"}),
    ({"has_hold": "false"}, {"GATE", "OWNED", "OLD", "NEW"}),
    ({"gateway": "GATE"}, {"NEW"}),
    ({"connectivity": "online"}, {"OWNED", "NEW"}),
    ({"connectivity": "offline"}, {"OLD"}),
    ({"connectivity": "never"}, {"GATE", "HELD"}),
    ({"last_heard": "never"}, {"GATE", "HELD", "NEW"}),
    ({"last_heard": "within_1h"}, {"OWNED"}),
    ({"last_heard": "over_7d"}, {"OLD"}),
    ({"last_heard": "over_30d"}, set()),
    ({"last_heard": "never", "connectivity": "online"}, {"NEW"}),
    ({"has_hold": "true", "verification": "not_applicable", "q": "HE", "state": "suspended"}, {"HELD"}),
]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(("params", "expected"), FILTERED)
async def test_list_is_filtered_counted_and_counted_by_axis(
    client: httpx.AsyncClient, params: dict[str, str], expected: set[str]
) -> None:
    """Page, total and every facet are of the same devices."""
    body = (await client.get(DEVICES, params={**params, "facets": "true"})).json()
    assert {item["device_no"] for item in body["items"]} == expected
    assert body["total"] == len(expected)
    assert {name: sum(counts.values()) for name, counts in body["facets"].items()} == dict.fromkeys(
        ("state", "kind", "connectivity", "metrology"), len(expected)
    )
    counted = (await client.get(DEVICES, params={**params, "count": "true"})).json()
    assert (counted["total"], counted["facets"]) == (len(expected), None)
    for name, field in (("state", "state"), ("kind", "kind"), ("connectivity", "connectivity")):
        seen = [item[field] for item in body["items"]]
        assert body["facets"][name] == {value: seen.count(value) for value in set(seen)}


@pytest.mark.usefixtures("fleet")
async def test_line_shows_each_axis_apart(client: httpx.AsyncClient) -> None:
    """A device on line that never reported anything live, one overdue and silent, one held twice by one kind."""
    items = (await client.get(DEVICES)).json()["items"]
    axes = {
        item["device_no"]: [item[axis] for axis in ("state", "connectivity", "freshness", "metrology", "holds")]
        for item in items
    }
    assert axes["NEW"] == ["in_service", "online", None, "not_applicable", []]
    assert axes["OLD"] == ["in_service", "offline", "silent", "overdue", []]
    assert axes["HELD"] == ["suspended", "never", None, "not_applicable", ["evidence"]]
    assert axes["OWNED"][2] == "fresh"


async def test_device_shows_every_field_of_the_ledger(client: httpx.AsyncClient, city: Any) -> None:
    """By groups; the value in the books and the axes as of today; who answers, what it replaced and by what it was."""
    site, scale = city.site("1"), city.model("TS", "trace_scale")
    party = city.add("parties", "party_id", party_no="OP-1", name="运维", kind="operator")
    old = city.device("S-0", scale, site, state="disposed")
    gateway = city.device("GW-1", city.model("GW", "gateway"), site)
    given: dict[str, dict[str, Any]] = {
        "identity": {"name": "1 号秤", "factory_no": "00012", "mac": "A4:CF:12:00:3B:07", "hardware_version": "2"},
        "asset": {
            "asset_no": "A-1",
            "owner_type": "government",
            "original_value_fen": 600000,
            "depreciation_months": 1,
            "acquired_on": "2015-01-01",
        },
        "place": {"address": "一楼", "lat": 34.7, "lon": 113.6, "custodian": "李", "installed_on": "2015-02-01"},
        "metrology": {"max_g": 30000, "interval_g": 10, "verified_until": "2020-01-01", "is_fair_scale": True},
        "connectivity": {"protocol": "mqtt", "sim_plan": "30M"},
        "lifecycle": {"exemption_document": "豫商〔2019〕1 号", "commissioned_on": "2015-03-01"},
    }
    masked = {"imei_masked": "***********7518", "iccid_masked": "8986**", "custodian_phone_masked": "138****5678"}
    columns = {name: value for group in given.values() for name, value in group.items()}
    device = city.device(
        "S-1", scale, site, gateway_id=gateway, predecessor_id=old, state_reason="新装", **columns, **masked
    )
    city.device("S-2", scale, site, predecessor_id=device)
    city.add("device_responsibilities", device_id=device, duty="use", party_id=party)
    city.add("device_responsibilities", device_id=device, duty="supervision", party_id=party)
    hold_id = city.add("device_holds", "hold_id", device_id=device, kind="dispute", reason="投诉")
    city.add("credentials", device_id=device, kind="password", secret_sha256=b"1" * 32)
    city.add("credentials", device_id=device, kind="certificate", certificate_sha256=b"2" * 32)
    body = (await client.get(f"{DEVICES}/S-1")).json()
    for group, values in given.items():
        assert {name: body[group][name] for name in values} == values
    assert (body["identity"]["imei"], body["identity"]["iccid"]) == ("***********7518", "8986**")
    assert body["place"]["custodian_phone"] == "138****5678"
    assert body["asset"]["net_value_fen"] == 0
    assert body["metrology"]["status"] == "overdue"
    assert body["freshness"] == {"status": None, "seconds": None, "expected_seconds": 300}
    wanted = {"status": "never", "gateway_no": "GW-1", "valid_credentials": 2, "certificates_sha256": ["32" * 32]}
    assert {name: body["connectivity"][name] for name in wanted} == wanted
    lifecycle = body["lifecycle"]
    assert (lifecycle["state"], lifecycle["reason"]) == ("in_service", "新装")
    assert (lifecycle["predecessor_no"], lifecycle["successor_no"]) == ("S-0", "S-2")
    assert [(one["duty"], one["party_no"]) for one in body["responsibilities"]] == [
        ("supervision", "OP-1"),
        ("use", "OP-1"),
    ]
    assert [(one["hold_id"], one["kind"], one["ends_at"]) for one in body["holds"]] == [(hold_id, "dispute", None)]


async def test_metrology_in_sql_is_that_of_the_pure_function(client: httpx.AsyncClient, city: Any) -> None:
    """Every kind of verification, shown in the list, filtered by and counted, against the function."""
    site, today = city.site("1"), day_of(datetime.now(UTC))
    models = {kind: city.model(kind, kind) for kind in ("trace_scale", "logger")}
    expected = {}
    grid = product(models, (None, -400, -1, 0, 30, 31, 400), (None, "passed", "failed", "withdrawn"))
    for number, (kind, days, result) in enumerate(grid):
        until = None if days is None else today + timedelta(days=days)
        city.device(f"D-{number}", models[kind], site, verified_until=until, verification_result=result)
        expected[f"D-{number}"] = metrology.judge(kind, Verification(until, result), today=today)
    body = (await client.get(DEVICES, params={"limit": 500, "facets": "true"})).json()
    assert {item["device_no"]: item["metrology"] for item in body["items"]} == expected
    for word in get_args(Metrology):
        wanted = {device_no for device_no, judged in expected.items() if judged == word}
        filtered = (await client.get(DEVICES, params={"limit": 500, "verification": word})).json()["items"]
        assert {item["device_no"] for item in filtered} == wanted
        assert body["facets"]["metrology"][word] == len(wanted)
