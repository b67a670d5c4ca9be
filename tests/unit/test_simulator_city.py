"""The simulated city: repeatable, believable, and writable as a ledger."""

import csv
import io
from collections import Counter
from datetime import time
from pathlib import Path

import pytest

from deploy.simulator.city import build
from deploy.simulator.hours import CityClock, busyness
from deploy.simulator.ledger import HEADERS, sheets, write_sheets
from fleet.ledger.identities import luhn
from fleet.ledger.nouns import LEDGERS


def test_city_when_the_seed_is_the_same() -> None:
    """One seed, one city, to the last byte of its ledger."""
    assert sheets(build(700, 3)) == sheets(build(700, 3))


def test_city_when_the_seed_differs() -> None:
    """Another seed gives another city of the same size."""
    one, other = build(700, 3), build(700, 4)
    assert len(one.devices) == len(other.devices) == 700
    assert sheets(one)["devices"] != sheets(other)["devices"]


@pytest.mark.parametrize("devices", [1, 2, 3, 7, 50, 239, 240, 5000])
def test_city_has_as_many_devices_as_asked_for(devices: int) -> None:
    """Neither more nor fewer, each with a number of its own."""
    numbers = [device.device_no for device in build(devices, 1).devices]
    assert len(numbers) == len(set(numbers)) == devices


def test_city_of_three_has_all_streams() -> None:
    """A scale, a logger and a scanner speak weighing, coldchain and scan; every device speaks status and presence."""
    assert {device.model.kind for device in build(3, 1).devices} == {"trace_scale", "logger", "scanner"}
    assert not any(device.is_asleep for device in build(3, 1).devices)


def test_city_of_real_size_has_wet_markets_with_80_to_160_scales() -> None:
    """As many as Yinchuan and Taiyuan counted; the last site may be cut short."""
    city = build(3000, 5)
    scales = Counter(
        device.site.site_no
        for device in city.devices
        if device.role == "counter_scale" and device.site.kind == "wet_market"
    )
    whole = [count for site_no, count in scales.items() if site_no != city.sites[-1].site_no]
    assert len(whole) > 5
    assert all(80 <= count <= 160 for count in whole)
    assert {site.kind for site in city.sites} == {"wet_market", "wholesale_market", "supermarket", "cold_store"}


def test_device_numbers_follow_the_ledgers_pattern() -> None:
    """TD-region-kind-serial-check, the check digit over region and serial."""
    for device in build(400, 2).devices:
        prefix, region, kind, serial, check = device.device_no.split("-")
        assert (prefix, region, len(kind), len(serial)) == ("TD", device.site.region_code, 2, 6)
        assert int(check) == luhn(region + serial)


def test_luhn_of_a_known_number() -> None:
    """7992739871 has the check digit 3."""
    assert luhn("7992739871") == 3


def test_codes_have_the_lengths_of_the_trade() -> None:
    """Nine digits for a node, thirteen for a merchant, beginning with its node's."""
    city = build(1000, 8)
    nodes = {site.site_no for site in city.sites}
    assert {len(node) for node in nodes} == {9}
    assert all(len(m.merchant_code) == 13 and m.merchant_code[:9] in nodes for m in city.merchants)


def test_strangers_are_not_in_the_ledger() -> None:
    """They speak, and no sheet knows them."""
    city = build(10, 1, strangers=2)
    listed = sheets(city)["devices"].decode()
    assert len(city.strangers) == 2
    assert not any(stranger.device_no in listed for stranger in city.strangers)


def test_sheets_have_the_columns_of_the_ledger() -> None:
    """Every header is one that the import reads, and each row refers to rows that stand before it."""
    rows = {
        noun: list(csv.DictReader(io.StringIO(content.decode()))) for noun, content in sheets(build(300, 1)).items()
    }
    for noun, header in HEADERS.items():
        assert set(header) <= {column.name for column in LEDGERS[noun].columns}
    order = list(LEDGERS)
    assert list(HEADERS) == sorted(HEADERS, key=order.index)
    assert {row["site_no"] for row in rows["devices"]} <= {row["site_no"] for row in rows["sites"]}
    assert {row["model_no"] for row in rows["devices"]} <= {row["model_no"] for row in rows["models"]}
    assert {row["merchant_code"] for row in rows["devices"]} - {""} == {
        row["merchant_code"] for row in rows["merchants"]
    }
    assert {row["party_no"] for row in rows["responsibilities"]} == {row["party_no"] for row in rows["parties"]}
    assert {row["device_no"] for row in rows["responsibilities"]} == {row["device_no"] for row in rows["devices"]}
    assert {row["region_code"] for row in rows["sites"]} <= {row["region_code"] for row in rows["regions"]}


def test_sheets_are_written_in_the_order_of_their_import(tmp_path: Path) -> None:
    """Regions first, devices last."""
    folder = tmp_path / "new"
    assert [path.name for path in write_sheets(build(5, 1), folder)] == [f"{noun}.csv" for noun in HEADERS]


@pytest.mark.parametrize(
    ("kind", "hour", "expected"),
    [("wet_market", 7.5, 1.0), ("wet_market", 3.0, 0.0), ("wet_market", 23.0, 0.0), ("wholesale_market", 5.0, 1.0)],
)
def test_busyness_of_a_site_by_the_hour(kind: str, hour: float, expected: float) -> None:
    """The wet market's peak is in the morning, the wholesale market's before it; at night they are closed."""
    assert busyness(kind, hour) == pytest.approx(expected)


def test_city_clock_shows_the_asked_for_time_at_the_start() -> None:
    """And goes on from there, whatever the real hour is."""
    now = 1_795_000_000.0
    clock = CityClock.starting_at(time(7, 30), now)
    assert clock.hour(now) == pytest.approx(7.5)
    assert clock.hour(now + 3600) == pytest.approx(8.5)


def test_city_clock_when_not_moved_is_local_time() -> None:
    """Midnight UTC is eight in the morning."""
    assert CityClock().hour(0) == 8
