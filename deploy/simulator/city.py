"""The city: regions, sites, merchants, models, and devices with their places.

Pure: a number of devices and a seed give the same city always. ``ledger`` writes it down, machines live in it.
"""

import random
from dataclasses import dataclass, replace
from typing import Final

from deploy.simulator.dice import Dice, chance
from deploy.simulator.goods import WET_MARKET_LINES, WHOLESALE_LINES
from deploy.simulator.plans import Place, SitePlan, site_plans
from deploy.simulator.regions import REGIONS, Region
from fleet.ledger.identities import luhn

STREETS: Final = (
    ("人民路", "Renmin Road"),
    ("建设路", "Jianshe Road"),
    ("中原路", "Zhongyuan Road"),
    ("顺河街", "Shunhe Street"),
    ("北关", "Beiguan"),
    ("东大街", "East Street"),
    ("黄河路", "Huanghe Road"),
    ("花园路", "Huayuan Road"),
    ("文化路", "Wenhua Road"),
    ("南阳路", "Nanyang Road"),
    ("桐柏路", "Tongbai Road"),
    ("嵩山路", "Songshan Road"),
)
SITE_WORDS: Final = {
    "wet_market": ("农贸市场", "Wet Market"),
    "wholesale_market": ("农产品批发市场", "Wholesale Market"),
    "supermarket": ("生活超市", "Supermarket"),
    "cold_store": ("冷库", "Cold Store"),
}
SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
TRADES: Final = {
    "pork": "鲜肉店",
    "beef_and_mutton": "牛羊肉铺",
    "poultry": "禽蛋行",
    "vegetables": "蔬菜摊",
    "herbs": "药材行",
}


@dataclass(frozen=True, slots=True)
class Model:
    """What a ledger says of a model. The vendors exist here only, and say so."""

    model_no: str
    kind: str
    vendor: str
    # The two letters of its devices' numbers.
    letters: str
    firmware: str
    life_months: int
    security: str = "tls"


MODELS: Final = {
    model.model_no: model
    for model in (
        Model("YH-ACS15", "trace_scale", "豫衡（仿真）", "SC", "2.4.1", 72),
        Model("YH-TCS150", "trace_scale", "豫衡（仿真）", "SC", "2.3.9", 96),
        Model("SL-TH20", "logger", "嵩岭冷链（仿真）", "TH", "1.8.0", 48),
        Model("SL-TV5", "logger", "嵩岭冷链（仿真）", "TH", "1.9.2", 48),
        Model("SL-DR1", "door_sensor", "嵩岭冷链（仿真）", "DR", "1.2.0", 48),
        Model("DH-S1", "scanner", "大禾物联（仿真）", "SN", "5.0.3", 60),
        Model("DH-M7", "handheld", "大禾物联（仿真）", "HH", "11.2", 60),
        Model("DH-K2", "kiosk", "大禾物联（仿真）", "KS", "0.9.7", 72, "none"),
        Model("DH-C3", "card_reader", "大禾物联（仿真）", "CR", "3.1.4", 60),
        Model("DH-G1", "gateway", "大禾物联（仿真）", "GW", "4.4.0", 72),
    )
}
MODEL_OF_ROLE: Final = {
    "counter_scale": "YH-ACS15",
    "platform_scale": "YH-TCS150",
    "store_logger": "SL-TH20",
    "truck_logger": "SL-TV5",
    "door_sensor": "SL-DR1",
    "scanner": "DH-S1",
    "handheld": "DH-M7",
    "kiosk": "DH-K2",
    "card_reader": "DH-C3",
    "gateway": "DH-G1",
}
# Bought, registered, and never unpacked, or unplugged since: the ledger does not know that yet.
ASLEEP: Final = {"kiosk": 0.45, "counter_scale": 0.03}


@dataclass(frozen=True, slots=True)
class Site:
    """A node enterprise."""

    site_no: str
    name_zh: str
    name_en: str
    kind: str
    region_code: str


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who stands behind a stall, and the line of goods."""

    merchant_code: str
    name: str
    line: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the ledger, with its character: *role* is what it is used for, *is_asleep* that nobody uses it.

    A stranger is a device that speaks and that no ledger knows; a retired one, one that the ledger has put out of use
    and that speaks on.
    """

    index: int
    device_no: str
    role: str
    site: Site
    stall_no: str | None = None
    merchant: Merchant | None = None
    is_asleep: bool = False
    is_stranger: bool = False
    is_retired: bool = False

    @property
    def model(self) -> Model:
        """Its model."""
        return MODELS[MODEL_OF_ROLE[self.role]]


@dataclass(frozen=True, slots=True)
class City:
    """Everything there is. Devices stand in the order of their sites; strangers are not among them."""

    regions: tuple[Region, ...]
    sites: tuple[Site, ...]
    merchants: tuple[Merchant, ...]
    models: tuple[Model, ...]
    devices: tuple[Device, ...]
    strangers: tuple[Device, ...]

    def without(self, numbers: frozenset[str]) -> "City":
        """The city in which the devices of these numbers are retired."""
        devices = (replace(device, is_retired=device.device_no in numbers) for device in self.devices)
        return replace(self, devices=tuple(devices))

    @property
    def spare(self) -> Device:
        """A logger on the shelf of the first site, which never speaks: for a person's own first message."""
        site = self.sites[0]
        return Device(-1, _device_no(site.region_code, "TH", 900_001), "store_logger", site)


def build(devices: int, seed: int, *, strangers: int = 0) -> City:
    """The city of *seed* with so many devices, and so many that the ledger does not know."""
    builder = _Builder(Dice(seed))
    left = devices
    for plan in site_plans(devices, seed):
        left -= builder.add(plan, at_most=left)
    return City(
        REGIONS,
        tuple(builder.sites),
        tuple(builder.merchants),
        tuple(MODELS.values()),
        tuple(builder.devices),
        tuple(builder.stranger(number) for number in range(strangers)),
    )


class _Builder:
    """Numbers things as it adds them: sites within their region, merchants within their site, devices within both."""

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._serials: dict[str, int] = {}
        self.sites: list[Site] = []
        self.merchants: list[Merchant] = []
        self.devices: list[Device] = []

    def add(self, plan: SitePlan, *, at_most: int) -> int:
        """Add a site with as many of its devices as are still wanted, and return how many they are."""
        site = self._site(plan.kind)
        rng = self._dice.for_("site", len(self.sites))
        merchant: Merchant | None = None
        stall_no: str | None = None
        places = plan.places[:at_most]
        for place in places:
            # A merchant has one scale, sometimes two.
            if place.needs_merchant and (merchant is None or chance(rng, 0.8)):
                merchant = self._merchant(site, rng)
                stall_no = f"{'ABCD'[len(self.merchants) % 4]}{self._serial(site.site_no + 'stall'):03d}"
            traded = place.needs_merchant
            self._device(site, place, merchant if traded else None, stall_no if traded else None, rng)
        return len(places)

    def stranger(self, number: int) -> Device:
        """A counter scale that nobody registered, at the first site."""
        site = self.sites[0]
        device_no = _device_no(site.region_code, "SC", 900_001 + number)
        merchant = Merchant(f"{site.site_no}9999", "未登记", "vegetables")
        index = len(self.devices) + number
        return Device(index, device_no, "counter_scale", site, "Z999", merchant, is_stranger=True)

    def _site(self, kind: str) -> Site:
        rng = self._dice.for_("region", len(self.sites))
        # The first sites stand in the capital, so that the smallest city is one city.
        region = REGIONS[1] if len(self.sites) < 3 else rng.choices(REGIONS, [region.weight for region in REGIONS])[0]  # noqa: PLR2004 - the first three
        serial = self._serial(region.region_code)
        street_zh, street_en = STREETS[serial % len(STREETS)]
        word_zh, word_en = SITE_WORDS[kind]
        site = Site(
            f"{region.region_code}{serial:03d}",
            f"{region.name_zh[:-1]}{street_zh}{word_zh}",
            f"{region.name_en} {street_en} {word_en}",
            kind,
            region.region_code,
        )
        self.sites.append(site)
        return site

    def _merchant(self, site: Site, rng: random.Random) -> Merchant:
        lines = WHOLESALE_LINES if site.kind == "wholesale_market" else WET_MARKET_LINES
        line = rng.choices(list(lines), list(lines.values()))[0]
        code = f"{site.site_no}{self._serial(site.site_no):04d}"
        merchant = Merchant(code, f"{rng.choice(SURNAMES)}记{TRADES[line]}", line)
        self.merchants.append(merchant)
        return merchant

    def _device(
        self, site: Site, place: Place, merchant: Merchant | None, stall_no: str | None, rng: random.Random
    ) -> None:
        letters = MODELS[MODEL_OF_ROLE[place.role]].letters
        device_no = _device_no(site.region_code, letters, self._serial(site.region_code + letters))
        # The first of a kind is always awake: the smallest city is alive.
        is_asleep = chance(rng, ASLEEP.get(place.role, 0)) and not device_no[:-2].endswith("000001")
        self.devices.append(
            Device(len(self.devices), device_no, place.role, site, stall_no or place.stall_no, merchant, is_asleep)
        )

    def _serial(self, series: str) -> int:
        self._serials[series] = self._serials.get(series, 0) + 1
        return self._serials[series]


def _device_no(region_code: str, letters: str, serial: int) -> str:
    """TD-region-kind-serial-check; the check digit is Luhn's over the digits of region and serial."""
    digits = f"{region_code}{serial:06d}"
    return f"TD-{region_code}-{letters}-{serial:06d}-{luhn(digits)}"
