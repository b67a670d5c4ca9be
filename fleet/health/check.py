"""What a check is: a number of a device, the steps at which it costs points, and the words it is told in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fleet.health.facts import Facts

Number = int | float | str
Unit = Literal["pct", "days", "hours", "times", "seconds", "records", "dbm", "version"]


@dataclass(frozen=True, slots=True)
class Step:
    """From *threshold* on, itself included, a device loses *points*."""

    threshold: float
    points: int


def steps(*pairs: tuple[float, int]) -> tuple[Step, ...]:
    """Steps from pairs of a threshold and the points it costs, the mildest first."""
    return tuple(Step(threshold, points) for threshold, points in pairs)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at.

    *measure* is pure; None where the device has no such thing, or too little was heard to say. *steps* lead from the
    mildest to the worst, the last one reached counts. *window_days* is 0 for what is so just now. The sentences may
    name {number}, {threshold} and {window}.
    """

    name: str
    name_zh: str
    name_en: str
    measured_zh: str
    measured_en: str
    unit: Unit
    window_days: int
    steps: tuple[Step, ...]
    measure: Callable[[Facts], float | None]
    sentence_zh: str
    sentence_en: str
    remedy_zh: str
    remedy_en: str
    # Trouble is a low number.
    low: bool = False
    digits: int = 0
    # None for all.
    kinds: frozenset[str] | None = None
    # What stands for the number and the threshold in the reason, where the measure is only a yes.
    shown: Callable[[Facts], tuple[Number, Number]] | None = None

    def applies_to(self, kind: str) -> bool:
        """Whether devices of *kind* are looked at."""
        return self.kinds is None or kind in self.kinds

    def reached(self, number: float) -> Step | None:
        """The last step that *number* has reached; None where it costs nothing."""
        found = None
        for step in self.steps:
            if number > step.threshold if self.low else number < step.threshold:
                break
            found = step
        return found
