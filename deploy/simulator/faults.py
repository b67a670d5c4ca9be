"""What goes wrong in the field and how often: outages, reboots, deaths, clocks, repetitions. Pure and repeatable."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from deploy.simulator.city import Device
from deploy.simulator.clocks import DeviceClock
from deploy.simulator.dice import Dice, chance

Level = Literal["none", "some", "many"]
Kind = Literal["outage", "reboot", "death"]


@dataclass(frozen=True, slots=True)
class Rates:
    """How often: faults in a device's hour, and shares of devices or messages."""

    outages: float
    reboots: float
    deaths: float
    drifting: float
    clockless: float
    resent: float
    conflicting: float


RATES: Final[dict[Level, Rates]] = {
    "none": Rates(0, 0, 0, 0, 0, 0, 0),
    "some": Rates(0.6, 0.3, 0.02, 0.04, 0.05, 0.005, 0.0002),
    "many": Rates(6, 3, 0.3, 0.15, 0.1, 0.03, 0.003),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls a device, so many seconds after the start of the run, and for how long (for ever: None)."""

    after_seconds: float
    device: int
    kind: Kind
    seconds: float | None


def faults(dice: Dice, devices: int, level: Level) -> Iterator[Fault]:
    """The faults of a fleet in the order of time, without end; none at all at level ``none``."""
    rates = RATES[level]
    kinds: dict[Kind, float] = {"outage": rates.outages, "reboot": rates.reboots, "death": rates.deaths}
    per_second = sum(kinds.values()) * devices / 3600
    if not per_second:
        return
    after_seconds = 0.0
    number = 0
    while True:
        rng = dice.for_("fault", number)
        after_seconds += rng.expovariate(per_second)
        kind = rng.choices(list(kinds), list(kinds.values()))[0]
        lasts = {"outage": rng.uniform(5, 90), "reboot": rng.uniform(2, 10), "death": None}[kind]
        yield Fault(after_seconds, rng.randrange(devices), kind, lasts)
        number += 1


def clock_of(dice: Dice, device: Device, level: Level) -> DeviceClock:
    """How *device* tells the time: on a fleet without faults always right, though not always as text."""
    rates = RATES[level]
    rng = dice.for_("clock", device.index)
    as_text = chance(rng, 0.8)
    if device.model.kind in ("logger", "door_sensor") and chance(rng, rates.clockless):
        return DeviceClock(has_clock=False)
    if not chance(rng, rates.drifting):
        return DeviceClock(as_text=as_text)
    # Mostly a minute or two, sometimes hours: within what a server accepts, and beyond what it believes.
    ahead_seconds = rng.choice((-1, 1)) * rng.lognormvariate(4.0, 1.2)
    return DeviceClock(
        as_text=as_text, ahead_seconds=max(-36_000, min(36_000, ahead_seconds)), drift_ppm=rng.gauss(0, 80)
    )
