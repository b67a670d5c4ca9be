"""Codes that are read: at the gate, at the till, on inspection, and at kiosks by the few who still do. Pure."""

import random
from typing import Final, Literal

from deploy.simulator.city import Device

Purpose = Literal["inbound", "outbound", "sale", "lookup", "inspection"]

PURPOSES: Final[dict[str, tuple[Purpose, ...]]] = {
    "scanner": ("inbound", "inbound", "outbound"),
    "handheld": ("inspection", "inbound"),
    "kiosk": ("lookup",),
    "card_reader": ("inbound", "sale"),
}
SYMBOLOGY: Final = {"kiosk": "qr", "handheld": "qr", "scanner": "qr", "card_reader": "m1_card"}
RESULTS: Final = ("ok", "unknown", "error")
RESULT_WEIGHTS: Final = (965, 28, 7)


def scan(rng: random.Random, device: Device) -> dict[str, object]:
    """The fields of the next record."""
    at_till = device.role == "scanner" and device.site.kind == "supermarket"
    purpose: Purpose = "sale" if at_till else rng.choice(PURPOSES[device.role])
    result = rng.choices(RESULTS, RESULT_WEIGHTS)[0]
    return {
        "code": _code(rng, device, at_till=at_till),
        "purpose": purpose,
        "result": result,
        "symbology": "ean13" if at_till else SYMBOLOGY[device.role],
        "elapsed_ms": int(rng.lognormvariate(4.6, 0.6)) + (2000 if result == "error" else 0),
    }


def _code(rng: random.Random, device: Device, *, at_till: bool) -> str:
    if at_till:
        body = f"69{rng.randrange(10**10):010d}"
        return body + str(ean_check(body))
    if device.role == "card_reader":
        # A card's number is somebody's: only a digest leaves the reader.
        return f"{rng.getrandbits(64):016x}"
    return f"{device.site.site_no}{rng.randrange(1, 80):04d}{rng.randrange(10**7):07d}"


def ean_check(digits: str) -> int:
    """The check digit of a 12-digit EAN body."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return -total % 10
