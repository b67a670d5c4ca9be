"""What moves would do to the ledger, or did: the answer that people and programs read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Final

from fleet.errors import refuse
from fleet.lifecycle.device import Device
from fleet.lifecycle.move import MoveKind
from fleet.lifecycle.states import State

# States are told as the way that was gone; sealed bytes say nothing, and what was masked stands beside them.
UNSHOWN: Final = frozenset({"custodian_phone_sealed", "state"})


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a move is refused. *column* is the field to look at; *unknown* that it names what the ledger does not hold.

    *state* and *allowed* are given when a state may not follow the present one.
    """

    row: int
    device_no: str
    column: str
    sentence: str
    unknown: bool = False
    state: State | None = None
    allowed: tuple[State, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a device that gets another value."""

    column: str
    before: str | float | date | None
    after: str | float | date | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A device that a move changes: the states it goes through, from the present one, and its other fields."""

    row: int
    device_no: str
    states: tuple[State, ...]
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of moves. With errors nothing is applied, and *changed* says what the good ones would do."""

    move: MoveKind
    moves: int
    changed: tuple[Changed, ...]
    errors: tuple[Complaint, ...]
    applied: bool = False

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong with any move."""
        return not self.errors

    def settle(self) -> "Report":
        """The report itself when nothing is wrong. Raises RefusedError of the sort of its first complaint."""
        if self.errors:
            refuse(self.errors[0].device_no, self.errors)
        return self


def changed(row: int, before: Device, after: Device, states: Sequence[State]) -> Changed:
    """What a move changes of a device."""
    return Changed(row, before.device_no, (before.state, *states), tuple(_fields(before, after)))


def _fields(before: Device, after: Device) -> Iterable[FieldChange]:
    for one in fields(Device):
        old, new = getattr(before, one.name), getattr(after, one.name)
        if old != new and one.name not in UNSHOWN:
            yield FieldChange(one.name, old, new)
