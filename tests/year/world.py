"""The fleet of the year: its sites, and 2,000 devices of which most are sound and some are what a rule looks for.

Each cohort says what is done to its devices and what is therefore true of them; whatever room it leaves is filled with
ordinary ones.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from tests.year.calendar import SLOTS, Opening, Span, at, between, on_day
from tests.year.things import Closure, Device, Habit, Model, Site

EVERY_DAY: Final = frozenset(range(1, 8))
NEW_YEAR: Final = date(2025, 1, 29)
# Ours: nothing was heard of anybody, and what devices kept came when it was over.
PLATFORM_OUTAGE: Final = Span(at(date(2025, 4, 14), 14), at(date(2025, 4, 21), 9))
# Of a market each: one that nobody tells of, and one so long that somebody does, on its third day.
POWER_CUT: Final = Span(at(date(2025, 6, 3), 9), at(date(2025, 6, 10), 7))
DECLARED_CUT: Final = Span(at(date(2025, 7, 20), 11), at(date(2025, 7, 31), 10))
COMPRESSOR_FAILED: Final = {date(2025, 7, 10): 9.0, date(2025, 7, 11): 24.0, date(2025, 7, 12): 26.0}
# From here on the vendor asks for more of this model's firmware.
MIN_FIRMWARE_DAY: Final = on_day(120)

MODELS: Final = {
    model.model_no: model
    for model in (
        Model("SC-A", "trace_scale"),
        Model("SC-B", "trace_scale"),
        Model("SC-C", "trace_scale", transport_security="none"),
        Model("SC-D", "trace_scale", withdrawn_on=on_day(240)),
        Model("SC-E", "trace_scale", support_ends_on=on_day(180)),
        Model("KS-A", "kiosk"),
        Model("HH-A", "handheld"),
        Model("CR-A", "card_reader"),
        Model("SN-A", "scanner"),
        Model("LG-A", "logger", service_life_months=96),
        Model("LG-B", "logger", service_life_months=96, min_firmware="3.0.0"),
        Model("DR-A", "door_sensor", service_life_months=96),
        Model("GW-A", "gateway"),
    )
}
ORDINARY_MODEL: Final = {
    "trace_scale": "SC-A", "kiosk": "KS-A", "handheld": "HH-A", "card_reader": "CR-A", "scanner": "SN-A",
    "logger": "LG-A", "door_sensor": "DR-A", "gateway": "GW-A",
}  # fmt: skip

# What stands at a site of each sort.
STOCK: Final[dict[str, dict[str, int]]] = {
    "W": {"trace_scale": 102, "kiosk": 2, "handheld": 4, "gateway": 1},
    "H": {"trace_scale": 40, "handheld": 20, "card_reader": 9, "gateway": 1},
    "S": {"trace_scale": 6, "kiosk": 6, "scanner": 6},
    "K": {"trace_scale": 6, "kiosk": 24},
    "C": {"logger": 36, "door_sensor": 4, "gateway": 1},
    "G": {"trace_scale": 4, "handheld": 3, "card_reader": 2},
    "L": {"trace_scale": 16, "handheld": 10, "card_reader": 4},
    "X": {"trace_scale": 2, "kiosk": 1},
}


def sites() -> list[Site]:
    """All of them. W markets, H wholesale by night, S supermarkets, K a hall of kiosks, C cold stores, G schools,
    L slaughterhouses, X shops.
    """  # noqa: D205 - one sentence
    return [
        *(_market(number) for number in range(1, 11)),
        *(
            _site(f"H{n}", "批发市场", "wholesale_market", Opening(frozenset(range(1, 7)), 22 * 60, 8 * 60))
            for n in (1, 2, 3)
        ),
        *(
            _site(f"S{n}", "超市", "supermarket", Opening(EVERY_DAY, 8 * 60, 22 * 60), lookups=120 if n % 2 else 6)
            for n in range(1, 11)
        ),
        _site("K1", "查询大厅", "supermarket", Opening(EVERY_DAY, 8 * 60, 20 * 60), lookups=300),
        *(_site(f"C{n}", "冷库", "cold_store", None, warmth=COMPRESSOR_FAILED if n == 4 else {}) for n in range(1, 9)),
        *(
            _site(
                f"G{n}", "学校食堂", "group_caterer", Opening(frozenset(range(1, 6)), 7 * 60, 15 * 60), closures=_SCHOOL
            )
            for n in range(1, 11)
        ),
        *(_site(f"L{n}", "屠宰厂", "slaughterhouse", None) for n in (1, 2)),
        *(_site(f"X{n}", "专卖店", "specialty_shop", Opening(EVERY_DAY, 9 * 60, 18 * 60)) for n in range(1, 5)),
    ]


_SCHOOL: Final = (
    Closure(date(2025, 1, 13), date(2025, 2, 16), "holiday", "寒假"),
    Closure(date(2025, 7, 5), date(2025, 8, 31), "holiday", "暑假"),
)


def _market(number: int) -> Site:
    week = Closure(NEW_YEAR - timedelta(days=1), NEW_YEAR + timedelta(days=5), "holiday", "春节")
    closures = {
        3: (Closure(NEW_YEAR - timedelta(days=7), NEW_YEAR + timedelta(days=17), "filed", "春节停业报备"),),
        7: (week, Closure(date(2025, 3, 10), date(2025, 5, 25), "maintenance", "升级改造")),
    }.get(number, (week,))
    weekdays = frozenset(range(2, 8)) if number == 5 else EVERY_DAY
    return _site(
        f"W{number}",
        "农贸市场",
        "wet_market",
        Opening(weekdays, 6 * 60, 19 * 60),
        closures=closures,
        power_cuts={8: (POWER_CUT,), 6: (DECLARED_CUT,)}.get(number, ()),
        verifies_on=on_day(40 + 23 * number),
    )


def _site(site_no: str, name_zh: str, kind: str, opening: Opening | None, **more: Any) -> Site:
    more.setdefault("verifies_on", on_day(100 + sum(map(ord, site_no)) % 180))
    return Site(site_no, f"{name_zh}{site_no}", f"{kind} {site_no}", kind, opening, **more)


def work_slots(site: Site, count: int) -> tuple[int, ...]:
    """So many slots, evenly over the hours in which *site* is open on a weekday."""
    opening = site.opening
    if opening is None:
        first, length = 0, SLOTS
    else:
        first, length = opening.opens // 5, (opening.closes - opening.opens) // 5 % SLOTS
    return tuple((first + length * (2 * n + 1) // (2 * count)) % SLOTS for n in range(count))


def ordinary_habit(kind: str, site: Site) -> Habit:
    """What a sound device of *kind* does at *site*."""
    match kind:
        case "trace_scale":
            return Habit("weighing", work_slots(site, 1), boots_nightly=site.site_no == "W2")
        case "kiosk":
            return Habit("scan", work_slots(site, 6), purpose="lookup")
        case "handheld":
            return Habit("scan", work_slots(site, 1), purpose="inbound", loss=0.04, battery_pct=80)
        case "card_reader" | "scanner":
            return Habit("scan", work_slots(site, 1))
        case "logger" | "door_sensor":
            slots = work_slots(site, 3 if kind == "logger" else 2)
            return Habit("coldchain", slots, on_mains=False, battery_pct=100, battery_a_day=-0.05)
        case _:
            return Habit(by_hours=False)


@dataclass(slots=True)
class Room:
    """Where devices may still be put: how many of each kind, at each site."""

    places: dict[tuple[str, str], int]
    sites: dict[str, Site]
    chance: random.Random
    used: int = 0

    @classmethod
    def of(cls, all_sites: Sequence[Site], chance: random.Random) -> "Room":
        """All of it."""
        places = {(site.site_no, kind): count for site in all_sites for kind, count in STOCK[site.site_no[0]].items()}
        return cls(places, {site.site_no: site for site in all_sites}, chance)

    def device(self, cohort: str, kind: str, among: str, **given: Any) -> Device:
        """An ordinary device of *kind* at the emptiest of the sites *among*, named by letter or number."""
        named = among.split()
        free = [
            (left, no)
            for (no, of), left in self.places.items()
            if of == kind and left and (no in named or no[0] in named)
        ]
        share, site_no = max((left / STOCK[no[0]][kind], no) for left, no in free)
        assert share > 0
        self.places[site_no, kind] -= 1
        self.used += 1
        site = self.sites[site_no]
        model = MODELS[given.pop("model_no", ORDINARY_MODEL[kind])]
        device = Device(
            f"Y-{kind[:2].upper()}-{self.used:04}",
            model,
            site,
            cohort,
            ordinary_habit(kind, site),
            self._columns(kind, site),
        )
        columns = dict(device.columns) | given.pop("columns", {})
        return replace(device, columns=columns, habit=replace(device.habit, **given.pop("habit", {})), **given)

    def fill(self) -> Iterator[Device]:
        """Ordinary devices on all that is left."""
        for (site_no, kind), left in self.places.items():
            for _ in range(left):
                yield self.device("ordinary", kind, site_no)

    def _columns(self, kind: str, site: Site) -> dict[str, Any]:
        # Before the notice, and so that no life ends within the year; sensors do not last as long.
        bought = date(2018, 8, 20) if kind not in ("logger", "door_sensor") else date(2021, 5, 1)
        bought -= timedelta(days=self.chance.randrange(300))
        columns: dict[str, Any] = {
            "acquired_on": bought,
            "commissioned_on": bought + timedelta(days=20),
            "installed_on": bought + timedelta(days=20),
            "original_value_fen": 360_000,
            "owner_type": self.chance.choice(["government", "site", "merchant"]),
            "stall_no": f"A-{self.used}",
        }
        if kind == "kiosk":
            columns["exemption_document"] = "豫商函〔2019〕12号"
        if kind == "trace_scale" and site.verifies_on:
            columns |= {
                "verified_on": site.verifies_on - timedelta(days=355),
                "verified_until": site.verifies_on + timedelta(days=10),
                "verification_result": "passed",
            }
        return columns


def open_time(site: Site, day: date) -> int:
    """The slots of *day* in which *site* is open and nothing is wrong that is not of its devices."""
    cuts = [cut.slots(day) for cut in site.power_cuts]
    slots = site.open_slots(day) & ~PLATFORM_OUTAGE.slots(day)
    for cut in cuts:
        slots &= ~cut
    return slots & between(0, SLOTS)
