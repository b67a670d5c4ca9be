"""From facts to a score with its reasons. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, LiteralString, TypedDict, get_args

from fleet.health.catalogue import CHECKS
from fleet.health.check import Check, Number
from fleet.health.facts import Facts

FULL: Final = 100
# What a device gone mad tells is shown as no more than this; JSON has room for it everywhere.
LARGEST: Final = 10**12
# What a score is called; whose score is none is in no band of these.
GOOD: Final = 80
FAIR: Final = 60
Band = Literal["good", "fair", "poor", "none"]
BANDS: Final[tuple[Band, ...]] = get_args(Band)
# The same in SQL, of the score `h.score`.
BAND_IN_SQL: Final[LiteralString] = """CASE WHEN h.score IS NULL THEN 'none' WHEN h.score >= 80 THEN 'good'
    WHEN h.score >= 60 THEN 'fair' ELSE 'poor' END"""


class Reason(TypedDict):
    """What costs a device points, as it is stored: the sentences are those of the check."""

    check: str
    number: Number
    threshold: Number
    unit: str
    window: int
    points: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """*score* is None where nothing is expected of the device; *reasons* are the worst first."""

    score: int | None
    reasons: list[Reason]


NOTHING_EXPECTED: Final = Judgement(None, [])
WELL: Final = Judgement(FULL, [])


def judge(facts: Facts) -> Judgement:
    """How well the device is.

    Nothing is expected of one that is out of service, nor of one whose place was closed, or out of reach for no fault
    of its own, all through the window. Closed for the night alone, it is as well as it was by day.
    """
    if facts.state != "in_service" or facts.expected_slots == 0:
        return NOTHING_EXPECTED
    reasons: list[Reason] | None = None
    lost = 0
    for check, measure, mildest, low in _looks(facts.kind):
        number = measure(facts)
        if number is None or (number > mildest if low else number < mildest):
            continue
        reason = _reason(check, facts, number)
        lost += reason["points"]
        if reasons is None:
            reasons = []
        reasons.append(reason)
    if reasons is None:
        return WELL
    reasons.sort(key=lambda reason: (-reason["points"], reason["check"]))
    return Judgement(max(FULL - lost, 0), reasons)


def band_of(score: int | None) -> Band:
    """What a score is called."""
    if score is None:
        return "none"
    return "good" if score >= GOOD else "fair" if score >= FAIR else "poor"


@cache
def _looks(kind: str) -> tuple[tuple[Check, Callable[[Facts], float | None], float, bool], ...]:
    """What is looked at in devices of *kind*, with the first step apart: a hundred thousand devices mostly pass it."""
    return tuple(
        (check, check.measure, check.steps[0].threshold, check.low) for check in CHECKS if check.applies_to(kind)
    )


def _reason(check: Check, facts: Facts, number: float) -> Reason:
    step = check.reached(number)
    if step is None:
        raise ValueError(f"{check.name} costs nothing at {number}")
    number = min(max(number, -LARGEST), LARGEST)
    shown = round(number, check.digits) if check.digits else round(number)
    told, threshold = check.shown(facts) if check.shown else (shown, _whole(step.threshold))
    return Reason(
        check=check.name,
        number=told,
        threshold=threshold,
        unit=check.unit,
        window=check.window_days,
        points=step.points,
    )


def _whole(threshold: float) -> int | float:
    return int(threshold) if float(threshold).is_integer() else threshold
