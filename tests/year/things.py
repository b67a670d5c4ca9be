"""What the world of the year is made of: sites, models and devices, how each behaves and when that changes."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final

from tests.year.calendar import ALWAYS, BEGINS, ENDS, Opening, Span, losing, these

# From a day on it does otherwise in these respects.
Changes = tuple[tuple[date, Mapping[str, Any]], ...]
OFF: Final[Mapping[str, Any]] = {"loss": 1.0}
# Whoever is on for less than half of the day is so by chance.
USED_LOSS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Closure:
    """Days on which a site is closed, both included, as it was filed."""

    begins_on: date
    ends_on: date
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Site:
    """A node enterprise. Without *opening* it never closes; *lookups* are those of its QR page, a day."""

    site_no: str
    name_zh: str
    name_en: str
    kind: str
    opening: Opening | None = None
    closures: tuple[Closure, ...] = ()
    power_cuts: tuple[Span, ...] = ()
    # On these days its store is so many degrees warmer.
    warmth: Mapping[date, float] = field(default_factory=dict)
    lookups: int = 0
    # The day of the year's verification of all its scales.
    verifies_on: date | None = None

    def open_slots(self, day: date) -> int:
        """The slots of *day* in which people trade there."""
        if any(closure.begins_on <= day <= closure.ends_on for closure in self.closures):
            return 0
        return self.opening.slots(day) if self.opening else ALWAYS


@dataclass(frozen=True, slots=True)
class Model:
    """A product of a vendor, as the ledger has it on the first day."""

    model_no: str
    kind: str
    service_life_months: int = 120
    min_firmware: str | None = None
    support_ends_on: date | None = None
    transport_security: str = "tls"
    withdrawn_on: date | None = None


@dataclass(frozen=True, slots=True)
class Habit:
    """What a device does on a day.

    It makes a record of *stream* in each of *slots* in which it runs, on one day in *every*, and one of its status at
    the first. *loss* is the share of the day in which it does not run; while it is not *linked* it keeps what it made
    for later. With *bulk*, what it makes of its stream goes out only one day in so many.
    """

    stream: str | None = None
    slots: tuple[int, ...] = ()
    every: int = 1
    purpose: str = "sale"
    # Sales with a weight; otherwise what it weighs is void.
    is_valid: bool = True
    loss: float = 0.015
    is_linked: bool = True
    by_hours: bool = True
    on_mains: bool = True
    bulk: int = 0
    firmware: str = "2.4.1"
    battery_pct: float | None = None
    battery_a_day: float = 0.0
    base_c: float = -20.0
    # How its probe fails: one reading in so many cannot be read; or it is far off; or it reads the same all the time.
    fault_every: int = 0
    jump_every: int = 0
    is_stuck: bool = False
    # On one day in so many it sends something that cannot be read.
    refused_every: int = 0
    # It was powered up when this began.
    boots: bool = False
    boots_nightly: bool = False

    def runs(self, chance: random.Random) -> int:
        """The slots of a day in which it runs: when it is used it is on, unless it is dying."""
        return losing(self.loss, chance, keep=these(self.slots) if self.loss <= USED_LOSS else 0)


@dataclass(frozen=True, slots=True)
class Happening:
    """On *day* somebody enters into the ledger that the device changed its state, or *values* of its columns."""

    day: date
    to_state: str | None = None
    reason: str = ""
    cost_fen: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Truth:
    """A reason for which a device ought to go, from when until when it holds; *until* None: for good.

    It is seen at the latest *grace* days after *since*, and gone at the latest as many after *until*.
    """

    rule: str
    since: date
    until: date | None = None
    grace: int = 3
    # So many days earlier is no mistake: where a share of chance passes a threshold.
    early: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """A device, what it does, what becomes of it, and what is true of it."""

    device_no: str
    model: Model
    site: Site
    cohort: str
    habit: Habit
    columns: Mapping[str, Any] = field(default_factory=dict)
    changes: Changes = ()
    happenings: tuple[Happening, ...] = ()
    truths: tuple[Truth, ...] = ()
    # Whether the reasons together are enough for a flag.
    is_flagged: bool = False
    # Registered and put into service on this day; before the year when None.
    first_day: date | None = None
    replaces: str | None = None

    def phases(self) -> Iterator[tuple[date, date, Habit]]:
        """Its habits, one after the other, each with its first and last day."""
        begins = self.first_day or BEGINS
        habit = self.habit
        for day, change in self.changes:
            if day > begins:
                yield begins, day - timedelta(days=1), habit
            begins, habit = day, replace(habit, boots=False)
            habit = replace(habit, **change)
        yield begins, ENDS, habit
