"""What a device says of itself. Pure."""

import random
from dataclasses import dataclass
from typing import Final

from deploy.simulator.city import Device
from deploy.simulator.dice import chance

_ON_BATTERY: Final = frozenset({"logger", "door_sensor", "handheld"})
# Paper runs out where receipts are printed.
_PRINTS: Final = frozenset({"trace_scale", "kiosk"})
_OUT_OF_PAPER: Final = 0.02


@dataclass(frozen=True, slots=True)
class Condition:
    """What the device knows about itself; without a clock it knows no offset."""

    uptime_s: int
    backlog: int
    clock_offset_ms: int | None
    has_failed_probe: bool
    battery_pct: float


def report(rng: random.Random, device: Device, condition: Condition) -> dict[str, object]:
    """The fields of a status record."""
    kind = device.model.kind
    errors = ["probe_open_circuit"] if condition.has_failed_probe else []
    if kind in _PRINTS and chance(rng, _OUT_OF_PAPER):
        errors.append("paper_out")
    fields: dict[str, object] = {
        "uptime_s": condition.uptime_s,
        "firmware": device.model.firmware,
        "rssi_dbm": round(max(-110.0, min(-35.0, rng.gauss(-67, 9))), 1),
        "storage_free_pct": round(rng.uniform(35, 95), 1),
        "backlog": condition.backlog,
        "errors": errors,
    }
    if condition.clock_offset_ms is not None:
        fields["clock_offset_ms"] = condition.clock_offset_ms
    if kind in _ON_BATTERY:
        fields["battery_pct"] = round(condition.battery_pct, 1)
    return fields
