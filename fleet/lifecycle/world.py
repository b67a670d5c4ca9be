"""What planning moves goes by, and what it comes to: all of it read before, so that planning itself is pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date

from fleet.lifecycle.device import Device
from fleet.lifecycle.gate import Gate
from fleet.lifecycle.move import Move
from fleet.lifecycle.report import Complaint
from fleet.lifecycle.states import State


@dataclass(frozen=True, slots=True)
class World:
    """The devices that moves name, and whatever else they name, as the ledger has it on the day *today*.

    *sites* by number with their status; *serials* the devices that have a factory number, by vendor and number.
    *for_cases*: the moves are steps of the devices' own cases.
    """

    devices: Mapping[str, Device]
    today: date
    gates: Mapping[str, Gate] = field(default_factory=dict)
    sites: Mapping[str, str] = field(default_factory=dict)
    merchants: AbstractSet[str] = frozenset()
    serials: Mapping[tuple[str, str], AbstractSet[str]] = field(default_factory=dict)
    for_cases: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """What a move makes of one device: as it was, as it shall be, and the states it goes through after the first."""

    before: Device
    after: Device
    states: tuple[State, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of one move: its effects, or complaints and none. *succeeds*: the second takes the first's place."""

    move: Move
    effects: tuple[Effect, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    succeeds: bool = False


def refused(move: Move, complaints: Sequence[Complaint]) -> Outcome:
    """A move that is not made."""
    return Outcome(move, complaints=tuple(complaints))
