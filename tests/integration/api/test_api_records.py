"""A device's records over HTTP: spans, order, cursors, resolutions, figures."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api import cursors
from api.records import RecordPosition
from api.span import Span
from store.records import TELEMETRY

pytestmark = pytest.mark.anyio
RECORDS = "/api/v1/devices/D-1/records"
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def rfc(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def during(length: timedelta = HOUR, start: datetime = START) -> dict[str, str]:
    return {"from": rfc(start), "to": rfc(start + length)}


async def _get(client: httpx.AsyncClient, stream: str, **params: str) -> dict[str, Any]:
    answer = await client.get(f"{RECORDS}/{stream}", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
def boot(city: Any, one_device: int) -> int:
    return int(city.boot(one_device))


async def test_records_when_nothing_is_asked(client: httpx.AsyncClient, city: Any, one_device: int, boot: int) -> None:
    """The last hour, newest first, what a clock wrote a little ahead included."""
    now = datetime.now(UTC)
    for seq, at in enumerate((now - 2 * HOUR, now - 50 * MINUTE, now, now + MINUTE)):
        city.record("status", one_device, boot, seq, at)
    body = await _get(client, "status")
    assert [item["seq"] for item in body["items"]] == [3, 2, 1]
    assert (body["order"], body["resolution"], body["next_cursor"]) == ("desc", "raw", None)


async def test_span_is_half_open(client: httpx.AsyncClient, city: Any, one_device: int, boot: int) -> None:
    """A record at `from` is in, one at `to` is not; offsets other than Z are understood."""
    for seq, at in enumerate((START - SECOND, START, START + MINUTE, START + HOUR)):
        city.record("status", one_device, boot, seq, at)
    local = {"from": "2026-11-20T16:00:00+08:00", "to": "2026-11-20T17:00:00+08:00", "order": "asc"}
    body = await _get(client, "status", **local)
    assert [item["seq"] for item in body["items"]] == [1, 2]
    assert (body["from"], body["to"]) == ("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z")


@pytest.mark.parametrize("stream", list(TELEMETRY))
async def test_record_shows_every_field(
    client: httpx.AsyncClient, city: Any, one_device: int, boot: int, stream: str
) -> None:
    """The identity, when it came, and all fields of the stream, null where the device said nothing."""
    city.record(stream, one_device, boot, 9, START)
    [item] = (await _get(client, stream, **during()))["items"]
    record = item.pop("record")
    assert list(record) == list(TELEMETRY[stream].columns)
    assert TELEMETRY[stream].model.model_validate(record).model_dump() == record
    assert item == {
        "at": "2026-11-20T08:00:00Z",
        "boot": "b1",
        "seq": 9,
        "received_at": "2026-11-20T08:00:01Z",
        "clock_ahead": False,
    }


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 500])
async def test_pages_hold_every_record_once_when_times_tie(
    client: httpx.AsyncClient, city: Any, one_device: int, walk: Callable[..., Any], order: str, limit: int
) -> None:
    """Records of one instant, of two boots, neither doubled nor lost at the edge of a page."""
    boots = [city.boot(one_device, name) for name in ("b1", "b2")]
    expected: list[tuple[str, str, int]] = []
    for at in (START, START, START + MINUTE):
        for number, boot in enumerate(boots):
            for _ in range(2):
                seq = len(expected)
                city.record("scan", one_device, boot, seq, at)
                expected.append((rfc(at), f"b{number + 1}", seq))
    pages = await walk(client, f"{RECORDS}/scan", {**during(), "order": order, "limit": limit})
    seen = [(item["at"], item["boot"], item["seq"]) for page in pages for item in page]
    assert seen == sorted(expected, reverse=order == "desc")


async def test_pages_of_births_and_deaths(
    client: httpx.AsyncClient, city: Any, one_device: int, boot: int, walk: Callable[..., Any]
) -> None:
    """Presence has no sequence number; a birth and a death of one instant are still two items."""
    for state in ("offline", "online"):
        city.add("presence", device_id=one_device, boot_id=boot, state=state, at=START)
    pages = await walk(client, f"{RECORDS}/presence", {**during(timedelta(days=30)), "limit": 1, "order": "asc"})
    assert [page[0] for page in pages] == [
        {"at": "2026-11-20T08:00:00Z", "boot": "b1", "state": state} for state in ("online", "offline")
    ]


async def test_pages_when_records_arrive_meanwhile(
    client: httpx.AsyncClient, city: Any, one_device: int, boot: int, walk: Callable[..., Any]
) -> None:
    """The last hour does not move while it is read: what was there is seen once, newer records are not."""
    now = datetime.now(UTC)
    for seq in range(6):
        city.record("status", one_device, boot, seq, now - seq * MINUTE)
    new = iter(range(100, 200))
    pages = await walk(
        client,
        f"{RECORDS}/status",
        {"limit": 2},
        lambda: city.record("status", one_device, boot, next(new), now + timedelta(seconds=next(new))),
    )
    assert [item["seq"] for page in pages for item in page] == [0, 1, 2, 3, 4, 5]


async def test_pages_of_buckets_when_there_are_probes(
    client: httpx.AsyncClient, city: Any, one_device: int, boot: int, walk: Callable[..., Any]
) -> None:
    """Every probe has its own bucket; pages of one keep them apart, in both orders."""
    for seq, probe in enumerate(("b", "a", None, "a")):
        at = START + HOUR * (seq // 3)
        city.record("coldchain", one_device, boot, seq, at, probe=probe)
    expected = [("08", ""), ("08", "a"), ("08", "b"), ("09", "a")]
    for order in ("asc", "desc"):
        params = {**during(2 * HOUR), "resolution": "1h", "limit": 1, "order": order}
        pages = await walk(client, f"{RECORDS}/coldchain", params)
        seen = [(page[0]["bucket_at"][11:13], page[0]["probe"]) for page in pages]
        assert seen == (expected if order == "asc" else expected[::-1])


LIMITS = [
    ("coldchain", timedelta(hours=6), "raw"),
    ("coldchain", timedelta(hours=6, seconds=1), "5m"),
    ("coldchain", timedelta(days=3), "5m"),
    ("coldchain", timedelta(days=3, seconds=1), "1h"),
    ("coldchain", timedelta(days=400), "1h"),
    ("weighing", timedelta(hours=6), "raw"),
    ("weighing", timedelta(hours=6, seconds=1), "1h"),
    ("scan", timedelta(hours=6, seconds=1), "1h"),
    ("status", timedelta(days=400), "raw"),
    ("presence", timedelta(days=400), "raw"),
]


@pytest.mark.usefixtures("boot")
async def test_resolution_is_chosen_by_span(client: httpx.AsyncClient) -> None:
    """On both sides of each limit, for streams with two roll-ups, one and none."""
    used = [
        (stream, length, (await _get(client, stream, **during(length)))["resolution"]) for stream, length, _ in LIMITS
    ]
    assert used == LIMITS


async def test_resolution_when_asked_for(client: httpx.AsyncClient, city: Any, one_device: int, boot: int) -> None:
    """By name, whatever the span; a roll-up the stream has not is refused with those it has."""
    city.record("coldchain", one_device, boot, 0, START)
    assert (await _get(client, "coldchain", **during(timedelta(days=9)), resolution="raw"))["resolution"] == "raw"
    assert (await _get(client, "coldchain", **during(MINUTE), resolution="1h"))["resolution"] == "1h"
    for stream, asked in (("weighing", "5m"), ("status", "1h"), ("presence", "5m")):
        answer = await client.get(f"{RECORDS}/{stream}", params=during() | {"resolution": asked})
        assert (answer.status_code, answer.json()["type"]) == (422, "/api/v1/problems#no-such-resolution")


async def test_buckets_hold_the_figures(client: httpx.AsyncClient, city: Any, one_device: int, boot: int) -> None:
    """The bucket that `from` falls into is whole; a fault is no reading."""
    city.record("coldchain", one_device, boot, 0, START, temperature_c=1.0, door_open=True)
    city.record("coldchain", one_device, boot, 1, START + MINUTE, temperature_c=4.0)
    city.record(
        "coldchain", one_device, boot, 2, START + 2 * MINUTE, temperature_c=None, fault="open", humidity_pct=None
    )
    body = await _get(client, "coldchain", **during(start=START + MINUTE), resolution="5m")
    assert body["from"] == "2026-11-20T08:00:00Z"
    assert body["items"] == [
        {
            "bucket_at": "2026-11-20T08:00:00Z",
            "probe": "a",
            "samples": 3,
            "readings": 2,
            "faults": 1,
            "temperature_c_avg": 2.5,
            "temperature_c_min": 1.0,
            "temperature_c_max": 4.0,
            "humidity_pct_avg": 81.0,
            "door_open_samples": 1,
            "battery_pct_min": None,
        }
    ]


async def test_hours_of_scales_and_scanners(client: httpx.AsyncClient, city: Any, one_device: int, boot: int) -> None:
    """Sales are summed in grams and fen, beyond 32 bits; scans by purpose and result."""
    for seq in range(3):
        city.record("weighing", one_device, boot, seq, START, net_g=2**31 - 1, amount_fen=10**15, printed=True)
        city.record("scan", one_device, boot, seq, START, result="unknown")
    city.record("weighing", one_device, boot, 3, START, kind="void", stable=False)
    [hour] = (await _get(client, "weighing", **during(), resolution="1h"))["items"]
    assert (hour["sales"], hour["voids"], hour["unstable"], hour["printed"]) == (3, 1, 1, 3)
    assert (hour["net_g"], hour["amount_fen"]) == (3 * (2**31 - 1), 3 * 10**15)
    [hour] = (await _get(client, "scan", **during(), resolution="1h"))["items"]
    assert (hour["scans"], hour["lookups"], hour["unknown"], hour["elapsed_ms_avg"]) == (3, 3, 3, 120.0)


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"from": "2026-11-20T08:00:00Z", "to": "2026-11-20T08:00:00Z"}, "bad-span"),
    ({"from": "2026-11-20T09:00:00Z", "to": "2026-11-20T08:00:00Z"}, "bad-span"),
    ({"from": "2025-01-01T00:00:00Z", "to": "2026-11-20T08:00:00Z"}, "bad-span"),
    ({"from": "9999-12-31T23:00:00Z"}, "bad-span"),
    ({"from": "0001-01-01T00:00:00Z"}, "bad-span"),
    ({"from": "2026-11-20T08:00:00"}, "invalid-request"),
    ({"from": "2026-11-20"}, "invalid-request"),
    ({"from": "1763625600"}, "invalid-request"),
    ({"from": "2026-11-20T08:00:00 08:00"}, "invalid-request"),
    ({"from": "2026-02-30T08:00:00Z"}, "invalid-request"),
    ({"from": "2026-11-20T08:00:00+99:99"}, "invalid-request"),
    ({"from": "10000-01-01T00:00:00Z"}, "invalid-request"),
    ({"from": "0000-01-01T00:00:00Z"}, "invalid-request"),
    ({"from": "0001-01-01T00:00:00+01:00"}, "invalid-request"),
    ({"to": "9999-12-31T23:59:59-01:00"}, "invalid-request"),
    ({"from": "infinity"}, "invalid-request"),
    ({"from": "2026-11-20T08:00:00Z\x00"}, "invalid-request"),
    ({"order": "sideways"}, "invalid-request"),
    ({"resolution": "1d"}, "invalid-request"),
    ({"limit": "0"}, "invalid-request"),
    ({"form": "2026-11-20T08:00:00Z"}, "invalid-request"),
]


@pytest.mark.usefixtures("boot")
async def test_records_when_a_parameter_is_wrong(client: httpx.AsyncClient) -> None:
    """Each gets its kind of problem; a time that no calendar holds is a 422."""
    found = []
    for params, _ in REFUSED:
        answer = await client.get(f"{RECORDS}/status", params=params)
        assert answer.status_code == 422, params
        found.append((params, answer.json()["type"].rpartition("#")[2]))
    assert found == REFUSED
    assert (await client.get(f"{RECORDS}/no_stream")).status_code == 422


@pytest.mark.usefixtures("boot")
async def test_records_at_the_ends_of_the_calendar(client: httpx.AsyncClient) -> None:
    """The first and the last hour there are, in every resolution, are empty and no mistake."""
    for resolution in ("raw", "5m", "1h"):
        for params in (
            {"from": "0001-01-01T00:00:00Z", "to": "0001-01-01T00:30:00Z"},
            {"to": "0001-01-01T00:30:00Z"},
            {"from": "9999-12-31T23:30:00Z", "to": "9999-12-31T23:59:59.999999Z"},
        ):
            assert (await _get(client, "coldchain", resolution=resolution, **params))["items"] == []


async def test_cursor_is_refused_when_forged_or_foreign(
    client: httpx.AsyncClient, city: Any, one_device: int, boot: int
) -> None:
    """Of another stream, order or span; outside its span; or with a span longer than any."""
    for seq in range(3):
        city.record("status", one_device, boot, seq, START + seq * SECOND)
    cursor = (await _get(client, "status", **during(), limit="1"))["next_cursor"]
    foreign = [
        ("scan", during()),
        ("status", during() | {"order": "asc"}),
        ("status", during() | {"resolution": "raw"}),
        ("status", during(2 * HOUR)),
        ("status", {}),
    ]
    span = Span(from_at=START, to_at=START + HOUR)
    of = ("records", "D-1", "status", "desc", "auto", "", "")
    forged = [
        RecordPosition.model_construct(span=span, at=START - 2 * HOUR, boot_id=1, seq=1, probe=""),
        RecordPosition.model_construct(span=span, at=START, boot_id=2**63, seq=1, probe=""),
        RecordPosition.model_construct(span=span, at=START, boot_id=1, seq=-1, probe=""),
        RecordPosition.model_construct(span=span, at=START, boot_id=1, seq=1, probe="\x00"),
        RecordPosition.model_construct(
            span=Span.model_construct(from_at=START, to_at=START + timedelta(days=5000)),
            at=START,
            boot_id=1,
            seq=1,
            probe="",
        ),
    ]
    attempts = [(stream, params | {"cursor": cursor}) for stream, params in foreign]
    attempts += [("status", {"cursor": cursors.seal(position, of=of)}) for position in forged]
    for stream, params in attempts:
        answer = await client.get(f"{RECORDS}/{stream}", params=params)
        assert (answer.status_code, answer.json()["type"]) == (422, "/api/v1/problems#bad-cursor"), (stream, params)
    assert (await client.get(f"{RECORDS}/status", params=during() | {"cursor": cursor})).status_code == 200
