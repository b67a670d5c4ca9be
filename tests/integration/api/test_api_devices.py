"""The ledger over HTTP: lists, filters, cursors, one device, its latest values, sites."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

import httpx
import pytest

from api import cursors
from api.devices import DevicePosition
from api.ledger import Kind

pytestmark = pytest.mark.anyio
DEVICES = "/api/v1/devices"
AT = datetime(2026, 11, 23, 8, 0, 0, 123000, tzinfo=UTC)


@pytest.fixture
def fleet(city: Any) -> Any:
    """Two sites; scales S-01 … S-07 at the first, loggers L_1, L_2 and Lx1 at the second."""
    market, store = city.site("410100001"), city.site("411200007", region_code="411202", kind="cold_store")
    scale, logger = city.model("TS-30", "trace_scale"), city.model("CL-2", "logger")
    for number in range(1, 8):
        city.device(f"S-{number:02}", scale, market, state="faulty" if number == 7 else "in_service", stall_no="A-1")
    for device_no in ("L_1", "L_2", "Lx1"):
        city.device(device_no, logger, store)
    return city


async def _numbers(client: httpx.AsyncClient, **params: object) -> set[str]:
    answer = await client.get(DEVICES, params=params)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return {item["device_no"] for item in answer.json()["items"]}


async def test_list_shows_ledger_and_presence(client: httpx.AsyncClient, city: Any, one_device: int) -> None:
    """A line names kind, model, site, region, state and presence; times end in Z."""
    city.add(
        "device_presence",
        device_id=one_device,
        boot_id=1,
        boot_at=AT,
        state="online",
        state_at=AT,
        told_at=AT,
        last_heard_at=AT,
        clock_offset_ms=-250,
    )
    body = (await client.get(DEVICES)).json()
    assert body == {
        "items": [
            {
                "device_no": "D-1",
                "name": None,
                "kind": "logger",
                "model_no": "L-1",
                "site_no": "410100001",
                "region_code": "410105",
                "stall_no": None,
                "merchant_code": None,
                "state": "in_service",
                "presence": "online",
                "last_heard_at": "2026-11-23T08:00:00.123000Z",
                "connectivity": "online",
                "freshness": "silent",
                "metrology": "not_applicable",
                "holds": [],
            }
        ],
        "next_cursor": None,
        "total": None,
        "facets": None,
    }


FILTERED: list[tuple[dict[str, str], set[str]]] = [
    ({"site_no": "411200007"}, {"L_1", "L_2", "Lx1"}),
    ({"site_no": "nowhere"}, set()),
    ({"kind": "trace_scale", "state": "faulty"}, {"S-07"}),
    ({"kind": "kiosk"}, set()),
    ({"region_code": "4112"}, {"L_1", "L_2", "Lx1"}),
    ({"region_code": "411202"}, {"L_1", "L_2", "Lx1"}),
    ({"region_code": "411203"}, set()),
    ({"q": "S-0"}, {f"S-{number:02}" for number in range(1, 8)}),
    ({"q": "L_"}, {"L_1", "L_2"}),
    ({"q": "S-0", "limit": "500", "state": "faulty"}, {"S-07"}),
]


@pytest.mark.usefixtures("fleet")
async def test_list_when_filtered(client: httpx.AsyncClient) -> None:
    """Every filter narrows the list; an underscore is no wildcard."""
    assert [(params, await _numbers(client, **params)) for params, _ in FILTERED] == FILTERED


async def test_list_when_the_kind_is_unknown(client: httpx.AsyncClient, city: Any) -> None:
    """422 that names those there are, which are the database's."""
    answer = await client.get(DEVICES, params={"kind": "no_such_kind"})
    assert answer.status_code == 422
    kinds = {kind for (kind,) in city.connection.execute("SELECT kind FROM kinds").fetchall()}
    assert set(get_args(Kind)) == kinds
    assert [error["name"] for error in answer.json()["errors"]] == ["kind"]
    assert all(f"'{kind}'" in answer.json()["errors"][0]["detail"] for kind in kinds)


@pytest.mark.usefixtures("fleet")
async def test_list_counts_when_asked(client: httpx.AsyncClient) -> None:
    """The total counts what matches on all pages."""
    body = (await client.get(DEVICES, params={"kind": "trace_scale", "limit": 2, "count": "true"})).json()
    assert (len(body["items"]), body["total"]) == (2, 7)


async def test_pages_hold_every_device_once_when_devices_are_added(
    client: httpx.AsyncClient, fleet: Any, walk: Callable[..., Any]
) -> None:
    """What was there at the start is seen exactly once, however many come meanwhile."""
    before = await _numbers(client)
    ids = fleet.connection.execute("SELECT min(model_id), min(site_id) FROM models, sites").fetchone()
    new = iter(range(1000))
    pages = await walk(client, DEVICES, {"limit": 3}, lambda: fleet.device(f"M-{next(new)}", *ids))
    seen = [item["device_no"] for page in pages for item in page]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)
    assert [len(page) for page in pages[:-1]] == [3] * (len(pages) - 1)


@pytest.mark.usefixtures("fleet")
async def test_cursor_is_refused_when_filters_change(client: httpx.AsyncClient) -> None:
    """A cursor belongs to its list, and only the limit may change."""
    cursor = (await client.get(DEVICES, params={"limit": 2, "q": "S"})).json()["next_cursor"]
    assert (await client.get(DEVICES, params={"limit": 5, "q": "S", "cursor": cursor})).status_code == 200
    for params in ({"q": "L"}, {}, {"q": "S", "kind": "logger"}):
        answer = await client.get(DEVICES, params={"cursor": cursor, **params})
        assert (answer.status_code, answer.json()["type"]) == (422, "/api/v1/problems#bad-cursor")
    assert (await client.get("/api/v1/sites", params={"cursor": cursor})).status_code == 422


async def test_cursor_is_refused_when_damaged(client: httpx.AsyncClient) -> None:
    """Nothing that was never a cursor is a mistake of the server."""
    for cursor in ("x", "AAAA", "abc=", "*", "é", "A" * 1024, "A" * 2000, ""):
        assert (await client.get(DEVICES, params={"cursor": cursor})).status_code == 422, cursor


async def test_cursor_is_refused_when_it_holds_what_no_list_gives(client: httpx.AsyncClient) -> None:
    """A forged cursor with the right check still has to hold a device number."""
    forged = cursors.seal(DevicePosition.model_construct(device_no="a\x00b"), of=("devices",))
    assert (await client.get(DEVICES, params={"cursor": forged})).status_code == 422


WRONG: list[dict[str, Any]] = [
    {"limit": 0},
    {"limit": 501},
    {"limit": "many"},
    {"limit": 10**30},
    {"state": "broken"},
    {"region_code": "41010"},
    {"region_code": "41' OR 1=1"},
    {"site_no": ""},
    {"site_no": "a\x00b"},
    {"kind": "k" * 129},
    {"q": "%"},
    {"count": "perhaps"},
    {"stat": "faulty"},
    {"has_hold": "perhaps"},
    {"acquired_before": "20180827"},
    {"acquired_after": "2018-02-30"},
    {"gateway": "a.b"},
    {"connectivity": "asleep"},
    {"last_heard": "yesterday"},
    {"verification": "expired"},
    {"owner_type": "nobody"},
    {"facets": "perhaps"},
]


async def test_list_when_a_parameter_is_wrong(client: httpx.AsyncClient) -> None:
    """422 names the parameter; a misspelt one is not ignored."""
    for params in WRONG:
        answer = await client.get(DEVICES, params=params)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["name"] for error in answer.json()["errors"]] == list(params)


async def test_device_shows_ledger_model_site_and_presence(client: httpx.AsyncClient, city: Any) -> None:
    """One device in full, with the current boot."""
    merchant = city.add("merchants", "merchant_id", merchant_code="M1", name="Wang")
    device = city.device(
        "S-1", city.model("TS-30", "trace_scale"), city.site("1"), merchant_id=merchant, stall_no="B-2"
    )
    boot = city.boot(device, "cafe01")
    city.add(
        "device_presence",
        device_id=device,
        boot_id=boot,
        boot_at=AT,
        state="offline",
        state_at=AT,
        told_at=AT,
        last_heard_at=AT,
        clock_offset_ms=-250,
    )
    body = (await client.get(f"{DEVICES}/S-1")).json()
    at = "2026-11-23T08:00:00.123000Z"
    assert body["presence"] == {
        "state": "offline",
        "state_at": at,
        "last_heard_at": at,
        "clock_offset_ms": -250,
        "boot": "cafe01",
        "boot_at": at,
    }
    assert (body["merchant_code"], body["stall_no"], body["state"]) == ("M1", "B-2", "in_service")
    assert body["model"] == {
        "model_no": "TS-30",
        "kind": "trace_scale",
        "vendor": "Example",
        "streams": ["weighing", "scan", "status", "presence"],
    }
    assert body["site"]["name_zh"] == "金水农贸市场"


@pytest.mark.usefixtures("one_device")
async def test_device_when_never_heard(client: httpx.AsyncClient) -> None:
    """The presence is there, and empty; so are the latest values."""
    assert set((await client.get(f"{DEVICES}/D-1")).json()["presence"].values()) == {None}
    assert (await client.get(f"{DEVICES}/D-1/latest")).json() == {"device_no": "D-1", "latest": []}


async def test_device_when_unknown(client: httpx.AsyncClient) -> None:
    """404 as a problem of its own kind."""
    for rest in ("", "/latest", "/records/coldchain"):
        answer = await client.get(f"{DEVICES}/D-404{rest}")
        assert answer.status_code == 404
        assert answer.json() == {
            "type": "/api/v1/problems#unknown-device",
            "title": "No such device",
            "status": 404,
            "detail": "No device has the number 'D-404'. "
            "Look the number up at `/api/v1/devices`; numbers are case-sensitive.",
        }


async def test_device_when_the_number_is_odd(client: httpx.AsyncClient) -> None:
    """No number is odd enough for a 500."""
    for number in ("a%00b", "a" * 65, "%E8%AE%BE", "a b", "a.b", "..%2f..", "%ff%fe", "a/b/c/d"):
        for rest in ("", "/latest", "/records/scan"):
            assert (await client.get(f"{DEVICES}/{number}{rest}")).status_code in {404, 422}, (number, rest)


async def test_latest_shows_every_stream_and_probe(client: httpx.AsyncClient, city: Any, one_device: int) -> None:
    """The newest record of each, its fields as the device sent them."""
    city.latest(one_device, "coldchain", AT, {"temperature_c": 2.5, "probe": "a"}, probe="a")
    city.latest(one_device, "coldchain", AT, {"temperature_c": None, "fault": "open circuit", "probe": "b"}, probe="b")
    city.latest(one_device, "status", AT, {"uptime_s": 60, "firmware": "固件 1"})
    body = (await client.get(f"{DEVICES}/D-1/latest")).json()
    assert [(item["stream"], item["probe"]) for item in body["latest"]] == [
        ("coldchain", "a"),
        ("coldchain", "b"),
        ("status", None),
    ]
    assert body["latest"][1]["record"] == {"temperature_c": None, "fault": "open circuit", "probe": "b"}
    assert body["latest"][2]["record"]["firmware"] == "固件 1"
    assert (body["latest"][0]["at"], body["latest"][0]["seq"]) == ("2026-11-23T08:00:00.123000Z", 7)


@pytest.mark.usefixtures("fleet")
async def test_sites_count_their_devices(client: httpx.AsyncClient, walk: Callable[..., Any]) -> None:
    """Sites by number, a page at a time."""
    pages = await walk(client, "/api/v1/sites", {"limit": 1})
    assert [(page[0]["site_no"], page[0]["devices"]) for page in pages] == [("410100001", 7), ("411200007", 3)]
