"""What other rules would flag over a period that is past, beside the rules as they are; nothing is written."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final

from psycopg import Connection

from fleet.business_day import begin_of
from fleet.errors import RefusedError
from fleet.obsolescence.course import Course, WouldFlag
from fleet.obsolescence.facts import Windows
from fleet.obsolescence.gathering import gather
from fleet.obsolescence.holding import held_on
from fleet.obsolescence.rules import RULES, windows
from fleet.obsolescence.versions import Policy, RuleVersion, apply_change, policy_on, versions_on

# Each asks the whole fleet, which takes seconds for 100,000 devices.
STEPS_MAX: Final = 400
# Windows reach back from the first.
FIRST_DAY: Final = date(2012, 1, 1)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be tried: by rule, whatever a new version might say otherwise (`parameters` among it); of the policy.

    *as_of*: begin with the versions that count on that day, which may be to come.
    """

    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    as_of: date | None = None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer. *added* and *spared* are told beside the rules as they are on the last day of the period."""

    begins_on: date
    ends_on: date
    days: tuple[date, ...]
    flagged: tuple[WouldFlag, ...]
    added: tuple[WouldFlag, ...]
    spared: tuple[WouldFlag, ...]
    as_they_are: int
    by_rule: Mapping[str, int]
    by_kind: Mapping[str, int]
    # By prefecture: the first four digits.
    by_region: Mapping[str, int]


def what_if(
    connection: Connection[Any], changes: Changes, *, begins_on: date, ends_on: date, today: date, step_days: int = 7
) -> WhatIf:
    """Judge every *step_days*-th day of the period, the last one among them, by the rules as they are and as changed.

    Findings clear, come back and are kept as in runs on these days, outages and kept devices hold flags back; only the
    share of a site does not. Raises RefusedError with every error at once, and
    for a day that is not over.
    """
    days = _days(begins_on, ends_on, step_days, today)
    as_is = Course(versions_on(connection, ends_on), policy_on(connection, ends_on))
    tried = Course(*_changed(connection, changes, ends_on))
    looks = _windows(as_is), _windows(tried)
    for day in days:
        held = held_on(connection, day, now=begin_of(day + timedelta(days=1)))
        for course, look in zip((as_is, tried), looks, strict=True):
            course.go_on(day, gather(connection, day, look), held)
    return _answer(days, begins_on, as_is, tried)


def _days(begins_on: date, ends_on: date, step_days: int, today: date) -> tuple[date, ...]:
    if begins_on < FIRST_DAY:
        raise RefusedError(f"no day before {FIRST_DAY} can be judged.")
    if ends_on >= today:
        raise RefusedError(f"{ends_on} is not over: only days that are past can be judged.")
    if ends_on < begins_on or step_days < 1:
        raise RefusedError("the period ends before it begins, or its steps are no days: correct them.")
    steps = (ends_on - begins_on).days // step_days
    if steps >= STEPS_MAX:
        raise RefusedError(f"{steps + 1} days are too many to judge, {STEPS_MAX} are the most: take longer steps.")
    return tuple(ends_on - timedelta(days=step_days * n) for n in range(steps, -1, -1))


def _windows(course: Course) -> Windows:
    return windows({rule: version.parameters for rule, version in course.versions.items()})


def _changed(connection: Connection[Any], changes: Changes, ends_on: date) -> tuple[dict[str, RuleVersion], Policy]:
    as_of = changes.as_of or ends_on
    versions, policy = versions_on(connection, as_of), policy_on(connection, as_of)
    errors = [f"{rule} is no rule; the rules are {', '.join(RULES)}" for rule in changes.rules if rule not in versions]
    for rule, change in changes.rules.items():
        if rule in versions:
            others = {name: value for name, value in change.items() if name != "parameters"}
            versions[rule], complaints = apply_change(versions[rule], change.get("parameters") or {}, others)
            errors += [f"{rule}: {complaint}" for complaint in complaints]
    unknown = changes.policy.keys() - {"watch_score", "flag_score"}
    errors += [f"{name} of the policy cannot be tried" for name in sorted(unknown)]
    policy = policy if unknown else replace(policy, **changes.policy)
    if policy.flag_score < policy.watch_score:
        errors.append(f"flag_score {policy.flag_score} is below watch_score {policy.watch_score}")
    if errors:
        raise RefusedError(f"nothing was tried: {'; '.join(errors)}.")
    return versions, policy


def _answer(days: tuple[date, ...], begins_on: date, as_is: Course, tried: Course) -> WhatIf:
    flagged, before = tried.flagged, as_is.flagged
    return WhatIf(
        begins_on=begins_on,
        ends_on=days[-1],
        days=days,
        flagged=_in_order(flagged, flagged.keys()),
        added=_in_order(flagged, flagged.keys() - before.keys()),
        spared=_in_order(before, before.keys() - flagged.keys()),
        as_they_are=len(before),
        by_rule=dict(Counter(rule for of in flagged.values() for rule in of.rules)),
        by_kind=dict(Counter(of.kind for of in flagged.values())),
        by_region=dict(Counter(of.region_code[:4] for of in flagged.values())),
    )


def _in_order(of: Mapping[int, WouldFlag], device_ids: Iterable[int]) -> tuple[WouldFlag, ...]:
    return tuple(sorted((of[device_id] for device_id in device_ids), key=lambda one: (one.first_day, one.device_no)))
