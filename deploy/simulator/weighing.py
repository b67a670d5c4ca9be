"""Trades on a scale. Pure: a draw, the scale, its clock and its last trade give the next one."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from deploy.simulator.city import Device
from deploy.simulator.dice import chance
from deploy.simulator.goods import LINES, Goods
from deploy.simulator.hours import DAY_SECONDS, LOCAL

# The scale interval e and the capacity (class III); a platform scale sells by the crate.
INTERVAL_G: Final = {"counter_scale": 5, "platform_scale": 50}
CAPACITY_G: Final = {"counter_scale": 15_000, "platform_scale": 150_000}
CRATE: Final = 25
RETURNED: Final = 0.007
VOIDED: Final = 0.005
PRINTED: Final = 0.92
UNSTABLE: Final = 0.004
TARES_G: Final = {"counter_scale": (0, 0, 5, 10), "platform_scale": (0, 1500, 2000)}


def amount_fen(net_g: int, unit_price_fen_per_kg: int) -> int:
    """Price times weight, rounded half up to the fen, as a price-computing scale shows it. Neither may be negative."""
    return (net_g * unit_price_fen_per_kg + 500) // 1000


def trade(
    rng: random.Random, device: Device, clock_seconds: float, count: int, last: Mapping[str, object] | None
) -> dict[str, object]:
    """The fields of the next record: a sale, or now and then the return or the cancelling of *last*.

    Weight and amount are never negative: the kind says which way the money went. *count* numbers the device's messages,
    *clock_seconds* is Unix time as the device knows it.
    """
    local = datetime.fromtimestamp(clock_seconds, UTC) + LOCAL
    trade_no = f"{device.stall_no}-{local:%y%m%d%H%M%S}-{count % 1000:03d}"
    fate = rng.random()
    if last is not None and last["kind"] == "sale" and fate < RETURNED + VOIDED:
        kind = "return" if fate < RETURNED else "void"
        return dict(last) | {"trade_no": trade_no, "kind": kind, "ref_trade_no": last["trade_no"]}
    merchant = device.merchant
    if merchant is None:
        raise ValueError(f"{device.device_no} has no merchant, so nobody trades on it")
    goods = rng.choice(LINES[merchant.line])
    net_g = _net_g(rng, device.role, goods)
    tare_g = rng.choice(TARES_G[device.role])
    price = _price(device, goods)
    # Opaque 20 digits: the merchant's 13 and a serial that starts anew every 1000 days.
    serial = f"{int(clock_seconds // DAY_SECONDS) % 1000:03d}{count % 10_000:04d}"
    return {
        "trade_no": trade_no,
        "kind": "sale",
        "net_g": net_g,
        "unit_price_fen_per_kg": price,
        "amount_fen": amount_fen(net_g, price),
        "stable": not chance(rng, UNSTABLE),
        "gross_g": net_g + tare_g,
        "tare_g": tare_g,
        "printed": chance(rng, PRINTED),
        "trace_code": merchant.merchant_code + serial,
        "stall_no": device.stall_no,
        "merchant_code": merchant.merchant_code,
        "plu": goods.plu,
        "goods_code": goods.goods_code,
        "goods_name": goods.name,
        "batch_no": f"{merchant.merchant_code[-4:]}{local:%y%m%d}{goods.plu}",
    }


def _net_g(rng: random.Random, role: str, goods: Goods) -> int:
    usual = goods.usual_g * (CRATE if role == "platform_scale" else 1)
    interval = INTERVAL_G[role]
    return min(CAPACITY_G[role], max(interval, round(usual * rng.lognormvariate(0, 0.5) / interval) * interval))


def _price(device: Device, goods: Goods) -> int:
    # Every stall has its own idea of a price and keeps to it; wholesale is cheaper.
    share = 0.92 + device.index * 37 % 17 / 100
    if device.role == "platform_scale":
        share *= 0.7
    return max(10, round(goods.fen_per_kg * share / 10) * 10)
