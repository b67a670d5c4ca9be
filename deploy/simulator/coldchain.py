"""Cold stores and trucks: doors that open, compressors that fail, defrosting, probes that cannot read. Pure.

A step is one minute of the store's life and gives one reading.
"""

import random
from dataclasses import dataclass, replace
from typing import Final

from deploy.simulator.city import Device
from deploy.simulator.dice import chance

STEP_SECONDS: Final = 60.0
MOST_READINGS: Final = 20
AMBIENT_C: Final = 24.0
# Chances in a minute, the door's at the busiest hour.
DOOR_OPENS: Final = 0.04
COMPRESSOR_FAILS: Final = 0.0004
DEFROST_BEGINS: Final = 1 / 360
PROBE_FAILS: Final = 0.0008
# How fast the air moves to where it is drawn, as a share of the difference in a minute.
DRAW: Final = {"door": 0.03, "compressor": 0.006, "defrost": 0.1, "cooling": 0.12}
FROZEN_C: Final = (-20.0, -19.0)
CHILLED_C: Final = (2.0, 3.0)
UNUSUAL_C: Final = 4.0
# The middle of the city; trucks stay within some 30 km of it.
CENTRE: Final = (34.75, 113.65)


@dataclass(frozen=True, slots=True)
class Cold:
    """How a store or a truck is now; the counts are minutes that something still lasts."""

    setpoint_c: float
    temperature_c: float
    humidity_pct: float = 85.0
    door_minutes: int = 0
    compressor_minutes: int = 0
    defrost_minutes: int = 0
    probe_minutes: int = 0
    battery_pct: float = 96.0
    lat: float = CENTRE[0]
    lon: float = CENTRE[1]

    @property
    def is_unusual(self) -> bool:
        """Whether readings should come one by one, not in batches."""
        return self.door_minutes > 0 or abs(self.temperature_c - self.setpoint_c) > UNUSUAL_C


def is_frozen(device: Device) -> bool:
    """Whether *device* watches frozen goods, and not chilled ones: every other one does, in stores and trucks alike."""
    return device.role in {"store_logger", "truck_logger"} and device.index % 2 == 0


def beginning(rng: random.Random, device: Device) -> Cold:
    """The state in which *device* is found."""
    setpoint = 12.0 if device.role == "door_sensor" else rng.choice(FROZEN_C if is_frozen(device) else CHILLED_C)
    return Cold(
        setpoint,
        setpoint + rng.uniform(-0.8, 0.8),
        humidity_pct=rng.uniform(78, 92),
        battery_pct=rng.uniform(55, 100),
        lat=CENTRE[0] + rng.uniform(-0.2, 0.2),
        lon=CENTRE[1] + rng.uniform(-0.2, 0.2),
    )


def step(rng: random.Random, cold: Cold, device: Device, busyness: float) -> tuple[Cold, dict[str, object]]:
    """One minute later, and the reading then."""
    events = _lasting(rng, cold, busyness)
    cold = replace(_warmed(rng, events), battery_pct=max(3.0, cold.battery_pct - 0.001))
    if device.role == "truck_logger":
        cold = replace(cold, lat=cold.lat + rng.gauss(0, 0.002), lon=cold.lon + rng.gauss(0, 0.002))
    return cold, _reading(cold, device)


def readings_until_next(rng: random.Random, cold: Cold) -> int:
    """How many readings the next message will hold: one when something is the matter, else a batch."""
    return 1 if cold.is_unusual else rng.randint(3, MOST_READINGS)


def _lasting(rng: random.Random, cold: Cold, busyness: float) -> Cold:
    def minutes(left: int, begins: float, shortest: int, longest: int) -> int:
        if left:
            return left - 1
        return rng.randint(shortest, longest) if chance(rng, begins) else 0

    # Somebody forgets to close the door one time in twenty.
    longest_open = 20 if chance(rng, 0.05) else 4
    return replace(
        cold,
        door_minutes=minutes(cold.door_minutes, DOOR_OPENS * busyness, 1, longest_open),
        compressor_minutes=minutes(cold.compressor_minutes, COMPRESSOR_FAILS, 40, 240),
        defrost_minutes=minutes(cold.defrost_minutes, DEFROST_BEGINS, 12, 25),
        probe_minutes=minutes(cold.probe_minutes, PROBE_FAILS, 2, 30),
    )


def _warmed(rng: random.Random, cold: Cold) -> Cold:
    if cold.door_minutes:
        target, draw = AMBIENT_C, DRAW["door"]
    elif cold.compressor_minutes:
        target, draw = AMBIENT_C, DRAW["compressor"]
    elif cold.defrost_minutes:
        target, draw = cold.setpoint_c + 6, DRAW["defrost"]
    else:
        target, draw = cold.setpoint_c, DRAW["cooling"]
    humidity = cold.humidity_pct + (1.5 if cold.door_minutes else (85 - cold.humidity_pct) * 0.05) + rng.gauss(0, 0.4)
    return replace(
        cold,
        temperature_c=cold.temperature_c + (target - cold.temperature_c) * draw + rng.gauss(0, 0.08),
        humidity_pct=min(99.0, max(40.0, humidity)),
    )


def _reading(cold: Cold, device: Device) -> dict[str, object]:
    reading: dict[str, object] = {
        "temperature_c": None if cold.probe_minutes else round(cold.temperature_c, 1),
        "probe": "door" if device.role == "door_sensor" else "air",
        "humidity_pct": round(cold.humidity_pct, 1),
        "door_open": cold.door_minutes > 0,
        "battery_pct": round(cold.battery_pct, 1),
    }
    if cold.probe_minutes:
        reading["fault"] = "probe_open_circuit"
    if device.role == "truck_logger":
        reading |= {
            "lat": round(cold.lat, 6),
            "lon": round(cold.lon, 6),
            "external_power": cold.compressor_minutes == 0,
        }
    return reading
