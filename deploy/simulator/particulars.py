"""What the ledger knows of the city's things besides their places: dates, values, owners, hours. Pure, and invented.

Phones are of a block that is given to nobody; parties and vendors say that they are simulated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from deploy.simulator.city import City, Device, Merchant, Site

# As busy as deploy.simulator.hours has them.
OPENING_HOURS: Final[Mapping[str, str]] = {
    "wet_market": "1-7 05:00-19:30",
    "wholesale_market": "1-7 01:00-14:00",
    "supermarket": "1-7 07:00-21:30",
    "cold_store": "1-7 00:00-24:00",
}
# Bought with the subsidies of the pilot cities, all before the notice that ended the buying of kiosks and trace scales.
FIRST_BOUGHT: Final = date(2015, 1, 5)
LAST_BOUGHT: Final = date(2018, 7, 20)
FIRST_VERIFIED: Final = date(2026, 1, 5)
_SCALES: Final[Mapping[str, tuple[int, int, int]]] = {
    # Most, least and interval in grams, as nameplates have them.
    "counter_scale": (15_000, 40, 5),
    "platform_scale": (150_000, 1000, 50),
}
_YUAN: Final[Mapping[str, str]] = {
    "counter_scale": "2680.00",
    "platform_scale": "6200.00",
    "store_logger": "460.00",
    "truck_logger": "890.00",
    "door_sensor": "120.50",
    "scanner": "980.00",
    "handheld": "3450.00",
    "kiosk": "12800.00",
    "card_reader": "320.00",
    "gateway": "1150.00",
}
OPERATOR_NO: Final = "P-OPERATOR"
SUPPLIER: Final = "中原追溯设备（仿真）"


@dataclass(frozen=True, slots=True)
class Party:
    """Who answers for devices."""

    party_no: str
    name: str
    kind: str
    site_no: str | None = None


def parties(city: City) -> tuple[Party, ...]:
    """The operator of the system, and each site for what stands there."""
    of_sites = (Party(custodian_of(site), site.name_zh, "site", site.site_no) for site in city.sites)
    return Party(OPERATOR_NO, "追溯运维（仿真）", "operator"), *of_sites


def custodian_of(site: Site) -> str:
    """The number of the party that a site is."""
    return f"P-{site.site_no}"


def phone_of(merchant: Merchant) -> str:
    """A phone that rings nowhere."""
    return f"1380000{int(merchant.merchant_code[-5:]) % 10_000:04}"


def memberships(city: City) -> Iterator[tuple[str, str, str]]:
    """Site, merchant and stall, each once, in the order of the devices that stand there."""
    trading = ((d.site.site_no, d.merchant.merchant_code, d.stall_no or "") for d in city.devices if d.merchant)
    yield from dict.fromkeys(trading)


def responsibilities(city: City) -> Iterator[tuple[str, str, str]]:
    """Device, duty and party: the operator keeps it running, the site keeps it."""
    for device in (*city.devices, city.spare):
        yield device.device_no, "operation", OPERATOR_NO
        yield device.device_no, "custody", custodian_of(device.site)


@dataclass(frozen=True, slots=True)
class Papers:
    """The days and the money of a device's purchase."""

    acquired_on: date
    accepted_on: date
    installed_on: date
    owner_type: str
    fund_source: str
    original_value_yuan: str


def papers_of(device: Device) -> Papers:
    """As the invoice and the acceptance would have them."""
    place = max(device.index, 0)
    span = (LAST_BOUGHT - FIRST_BOUGHT).days
    # What stands at one site was bought together.
    acquired_on = FIRST_BOUGHT + timedelta(days=int(device.site.site_no[-5:]) * 97 % span)
    is_own = device.site.kind == "supermarket" or (device.merchant is not None and place % 9 == 0)
    owner = "government" if not is_own else "merchant" if device.merchant else "site"
    return Papers(
        acquired_on,
        acquired_on + timedelta(days=20),
        acquired_on + timedelta(days=26 + place % 20),
        owner,
        "self_raised" if is_own else "central_subsidy" if place % 3 else "local",
        _YUAN[device.role],
    )


@dataclass(frozen=True, slots=True)
class Metrology:
    """What a scale's nameplate and its last certificate say."""

    accuracy_class: str
    max_g: int
    min_g: int
    interval_g: int
    verification_no: str
    verified_on: date
    verified_until: date
    verification_result: str = "passed"


def metrology_of(device: Device) -> Metrology | None:
    """None for what is no scale. One scale in seventeen has missed its last verification."""
    if device.role not in _SCALES:
        return None
    most, least, interval = _SCALES[device.role]
    verified_on = FIRST_VERIFIED + timedelta(days=device.index * 13 % 300)
    if device.index % 17 == 0:
        verified_on -= timedelta(days=370)
    number = f"JD{verified_on.year}-{device.device_no[10:]}"
    return Metrology("III", most, least, interval, number, verified_on, verified_on + timedelta(days=364))
