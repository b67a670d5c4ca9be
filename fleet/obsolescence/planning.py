"""What a run makes of its judgements: findings that open, go and clear, devices flagged and held back. Pure.

finding   opens when its rule holds; is gone since the day its rule no longer did; clears when it stayed gone for the
          rule's clear_after_days; comes back when it holds meanwhile. Of another version of its rule, it is cleared and
          found anew, so that the evidence is always that of the rule that counts.
flag      opens when what stands comes to it and nothing holds it back; ends when what is left no longer comes to it,
          when a case keeps the device, or when the device is retired.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from fleet.obsolescence.facts import Facts
from fleet.obsolescence.judging import Ground, Judgement, score, verdict
from fleet.obsolescence.versions import Policy, RuleVersion

HeldBack = Literal["outage", "site_share", "kept"]
EndedBecause = Literal["cleared", "kept", "retired"]


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that is not cleared."""

    finding_id: int
    device_id: int
    rule: str
    rule_version: int
    weight: int
    is_mandatory: bool
    gone_since: date | None


@dataclass(frozen=True, slots=True)
class OpenFlag:
    """A flag that has not ended."""

    flag_id: int
    device_id: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A device that was judged."""

    facts: Facts
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand before the run.

    *devices_of* counts those judged at each site, *flagged_of* those flagged there for this day already; *judged* has
    at least every device with a ground or an open finding.
    """

    day: date
    versions: Mapping[str, RuleVersion]
    policy: Policy
    judged: Mapping[int, Judged]
    devices_of: Mapping[int, int]
    findings: Sequence[OpenFinding] = ()
    flags: Sequence[OpenFlag] = ()
    retired: AbstractSet[int] = frozenset()
    kept: AbstractSet[int] = frozenset()
    # Sites without power or line; None among them: nobody could be heard by us.
    outages: AbstractSet[int | None] = frozenset()
    flagged_of: Mapping[int, int] = field(default_factory=dict)

    def held_back(self, device_id: int) -> HeldBack | None:
        """Why a device is not flagged whatever it comes to."""
        if device_id in self.kept:
            return "kept"
        site_id = self.judged[device_id].facts.site_id
        return "outage" if None in self.outages or site_id in self.outages else None


@dataclass(frozen=True, slots=True)
class NewFlag:
    """A device to be flagged, for these grounds that stand."""

    judged: Judged
    score: int
    grounds: tuple[OpenFinding | Ground, ...]


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a device with a finding stands after the run."""

    device_id: int
    verdict: Literal["noted", "watch", "flagged"]
    score: int
    held_back_by: HeldBack | None


@dataclass(slots=True)
class Plan:
    """What is to be written."""

    opened: list[tuple[Judged, Ground]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    cleared: list[int] = field(default_factory=list)
    flagged: list[NewFlag] = field(default_factory=list)
    ended: list[tuple[OpenFlag, EndedBecause]] = field(default_factory=list)
    stands: list[Stand] = field(default_factory=list)


def plan(standing: Standing) -> Plan:
    """What the run makes of how things stand. The same again, once it was written, is nothing."""
    made = Plan()
    open_: dict[int, list[OpenFinding | Ground]] = {}
    upright: dict[int, list[OpenFinding | Ground]] = {}
    _settle(standing, made, open_, upright)
    _open(standing, made, open_, upright)
    flagged = _end_flags(standing, made, open_)
    held = _flag(standing, made, upright, flagged)
    for device_id in sorted(open_):
        made.stands.append(_stand(standing, device_id, upright.get(device_id, []), flagged, held))
    return made


def _settle(standing: Standing, made: Plan, open_: dict[int, list[Any]], upright: dict[int, list[Any]]) -> None:
    """What becomes of the findings that are open."""
    for finding in standing.findings:
        judged = standing.judged.get(finding.device_id)
        if finding.device_id in standing.retired:
            made.cleared.append(finding.finding_id)
        # Not judged: it waits for its disposal, and what was found stays found.
        elif judged is None or finding.rule in judged.judgement.unsaid:
            _keep(finding, open_, upright, stands=finding.gone_since is None)
        elif (ground := _ground(judged, finding.rule)) is None:
            _lose(standing, made, finding, open_, upright)
        elif ground.version != finding.rule_version:
            made.cleared.append(finding.finding_id)
        else:
            if finding.gone_since is not None:
                made.back.append(finding.finding_id)
            _keep(finding, open_, upright, stands=True)


def _ground(judged: Judged, rule: str) -> Ground | None:
    return next((ground for ground in judged.judgement.grounds if ground.rule == rule), None)


def _keep(finding: OpenFinding, open_: dict[int, list[Any]], upright: dict[int, list[Any]], *, stands: bool) -> None:
    open_.setdefault(finding.device_id, []).append(finding)
    if stands:
        upright.setdefault(finding.device_id, []).append(finding)


def _lose(
    standing: Standing,
    made: Plan,
    finding: OpenFinding,
    open_: dict[int, list[Any]],
    upright: dict[int, list[Any]],
) -> None:
    """The cause of a finding is not there today."""
    if finding.gone_since is None:
        made.gone.append(finding.finding_id)
    version = standing.versions.get(finding.rule)
    days_gone = (standing.day - (finding.gone_since or standing.day)).days + 1
    if version is None or days_gone >= version.clear_after_days:
        made.cleared.append(finding.finding_id)
    else:
        _keep(finding, open_, upright, stands=False)


def _open(standing: Standing, made: Plan, open_: dict[int, list[Any]], upright: dict[int, list[Any]]) -> None:
    """What is found and was not open."""
    for device_id, judged in standing.judged.items():
        known = {finding.rule for finding in open_.get(device_id, ())}
        for ground in judged.judgement.grounds:
            if ground.rule not in known:
                made.opened.append((judged, ground))
                open_.setdefault(device_id, []).append(ground)
                upright.setdefault(device_id, []).append(ground)


def _end_flags(standing: Standing, made: Plan, open_: Mapping[int, Sequence[Any]]) -> set[int]:
    """The devices whose flag goes on; a finding that is gone but not cleared still holds it up."""
    flagged: set[int] = set()
    for flag in standing.flags:
        if flag.device_id in standing.retired:
            made.ended.append((flag, "retired"))
        elif flag.device_id in standing.kept:
            made.ended.append((flag, "kept"))
        elif verdict(open_.get(flag.device_id, ()), standing.policy) != "flagged":
            made.ended.append((flag, "cleared"))
        else:
            flagged.add(flag.device_id)
    return flagged


def _flag(
    standing: Standing, made: Plan, upright: Mapping[int, Sequence[Any]], flagged: set[int]
) -> dict[int, HeldBack]:
    """Flag what comes to it, the worst first, as far as each site's share goes; why each of the others is held back."""
    held: dict[int, HeldBack] = {}
    due: list[NewFlag] = []
    for device_id, grounds in upright.items():
        judged = standing.judged.get(device_id)
        if judged is None or device_id in flagged or verdict(grounds, standing.policy) != "flagged":
            continue
        if (why := standing.held_back(device_id)) is not None:
            held[device_id] = why
        else:
            due.append(NewFlag(judged, score(grounds), tuple(grounds)))
    left = Counter({site_id: _share(standing, site_id) for site_id in {of.judged.facts.site_id for of in due}})
    for flag in sorted(due, key=_worst_first):
        device_id, site_id = flag.judged.facts.device_id, flag.judged.facts.site_id
        if left[site_id] > 0:
            left[site_id] -= 1
            made.flagged.append(flag)
            flagged.add(device_id)
        else:
            held[device_id] = "site_share"
    return held


def _share(standing: Standing, site_id: int) -> int:
    """How many more devices of a site may be flagged for this day: at least one a day."""
    share = standing.devices_of.get(site_id, 0) * standing.policy.site_share_pct // 100
    return max(share, 1) - standing.flagged_of.get(site_id, 0)


def _worst_first(flag: NewFlag) -> tuple[bool, int, int]:
    return not any(ground.is_mandatory for ground in flag.grounds), -flag.score, flag.judged.facts.device_id


def _stand(
    standing: Standing, device_id: int, grounds: Sequence[Any], flagged: Iterable[int], held: Mapping[int, HeldBack]
) -> Stand:
    total = score(grounds)
    if device_id in flagged:
        return Stand(device_id, "flagged", total, None)
    come_to = verdict(grounds, standing.policy)
    # Without a flag nobody is flagged: it is held back, or it waits for its disposal.
    told: Literal["noted", "watch"] = "watch" if come_to in ("watch", "flagged") else "noted"
    return Stand(device_id, told, total, held.get(device_id))
