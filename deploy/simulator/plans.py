"""Which sites a city of so many devices has, and what stands in them. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from deploy.simulator.dice import Dice

# With fewer devices than this, three small sites share them; from here on sites have their real size.
SMALL_CITY: Final = 240
_SMALL_SHARES: Final = (("wet_market", 0.6), ("cold_store", 0.2), ("supermarket", 0.2))
_ORDER: Final = ("wet_market", "cold_store", "supermarket", "wholesale_market", "wet_market", "wet_market")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device goes: its role, whether a merchant stands behind it, and what its place is called if not."""

    role: str
    needs_merchant: bool = False
    stall_no: str | None = None


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A site to be: its kind and its places, the most typical first."""

    kind: str
    places: tuple[Place, ...]


def site_plans(devices: int, seed: int) -> Iterator[SitePlan]:
    """Sites with together at least *devices* places; the last one may be larger than what is left."""
    rng = Dice(seed).for_("sites")
    if devices < SMALL_CITY:
        yield from _small(devices)
        return
    left = devices
    for kind in cycle(_ORDER):
        if left <= 0:
            return
        plan = SitePlan(kind, _places(kind, rng))
        left -= len(plan.places)
        yield plan


def _small(devices: int) -> Iterator[SitePlan]:
    left = devices
    for number, (kind, share) in enumerate(_SMALL_SHARES, 1):
        # Each of the three gets one as long as there are any: three devices speak all the streams.
        size = left if number == len(_SMALL_SHARES) else min(left, max(1, round(devices * share)))
        if number == 1:
            size = min(size, max(1, devices - 2))
        if size:
            yield SitePlan(kind, _shrunk(kind, size))
        left -= size


def _shrunk(kind: str, size: int) -> tuple[Place, ...]:
    """The plan of a full site cut to *size*: every role in its proportion, the site's own roles first."""
    full = _mixes(kind, _USUAL[kind])
    total = sum(count for _, count in full)
    places = [place for place, count in full for _ in range(max(1, round(count * size / total)))]
    # Rounding may leave too few; the first role is the one a site always has more of.
    return tuple([*places, *[full[0][0]] * size][:size])


_USUAL: Final = {"wet_market": 110, "wholesale_market": 45, "supermarket": 12, "cold_store": 28}
_SPREAD: Final = {
    "wet_market": (80, 160),
    "wholesale_market": (30, 60),
    "supermarket": (8, 16),
    "cold_store": (20, 40),
}


def _places(kind: str, rng: random.Random) -> tuple[Place, ...]:
    size = rng.randint(*_SPREAD[kind])
    return tuple(place for place, count in _mixes(kind, size) for _ in range(count))


def _mixes(kind: str, size: int) -> tuple[tuple[Place, int], ...]:
    """Roles and how many of each, for a site with *size* of its main role."""
    if kind == "wet_market":
        return (
            (Place("counter_scale", needs_merchant=True), size),
            (Place("scanner", stall_no="入口"), 3),
            (Place("handheld", stall_no="办公室"), 2),
            (Place("kiosk", stall_no="大厅"), 3),
            (Place("store_logger", stall_no="冷藏间"), 4),
            (Place("card_reader", stall_no="入口"), 2),
            (Place("gateway", stall_no="机房"), 1),
        )
    if kind == "wholesale_market":
        return (
            (Place("platform_scale", needs_merchant=True), size),
            (Place("card_reader", stall_no="地磅房"), 6),
            (Place("store_logger", stall_no="冷库"), 10),
            (Place("handheld", stall_no="查验点"), 4),
            (Place("scanner", stall_no="大门"), 4),
            (Place("kiosk", stall_no="大厅"), 2),
            (Place("gateway", stall_no="机房"), 1),
        )
    if kind == "supermarket":
        return (
            (Place("scanner", stall_no="收银台"), size),
            (Place("counter_scale", needs_merchant=True), size),
            (Place("store_logger", stall_no="冷柜"), size),
            (Place("handheld", stall_no="收货区"), 2),
            (Place("kiosk", stall_no="大厅"), 1),
        )
    return (
        (Place("store_logger", stall_no="库房"), size),
        (Place("truck_logger", stall_no="冷藏车"), max(4, size // 4)),
        (Place("door_sensor", stall_no="库门"), max(2, size // 8)),
        (Place("handheld", stall_no="月台"), 2),
        (Place("gateway", stall_no="机房"), 1),
    )
