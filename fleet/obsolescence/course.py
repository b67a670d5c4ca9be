"""The course that findings and flags would take over days, in memory: the same planning as a run, written nowhere."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import count

from fleet.obsolescence.facts import Facts
from fleet.obsolescence.holding import Held
from fleet.obsolescence.judging import Ground, explain, judge
from fleet.obsolescence.planning import Judged, NewFlag, OpenFinding, OpenFlag, Plan, Standing, plan
from fleet.obsolescence.versions import Policy, RuleVersion


@dataclass(frozen=True, slots=True)
class WouldFlag:
    """A device that a set of rules would flag: when first, for what, and the sentence for people."""

    device_no: str
    kind: str
    site_id: int
    region_code: str
    first_day: date
    score: int
    rules: tuple[str, ...]
    sentence_zh: str
    sentence_en: str


@dataclass(slots=True)
class Course:
    """What a set of rules has found so far. A site's share is left out: it only delays."""

    versions: Mapping[str, RuleVersion]
    policy: Policy
    flagged: dict[int, WouldFlag] = field(default_factory=dict)
    _findings: dict[int, OpenFinding] = field(default_factory=dict)
    _grounds: dict[int, Ground] = field(default_factory=dict)
    _flags: set[int] = field(default_factory=set)
    _numbers: Iterable[int] = field(default_factory=lambda: count(1))

    def go_on(self, day: date, fleet: Iterable[Facts], held: Held) -> None:
        """Judge *fleet* on *day*, which is after every one before."""
        concerned = {finding.device_id for finding in self._findings.values()}
        judged: dict[int, Judged] = {}
        sites: Counter[int] = Counter()
        in_order = tuple(self.versions.values())
        for facts in fleet:
            sites[facts.site_id] += 1
            judgement = judge(facts, in_order)
            if judgement.grounds or facts.device_id in concerned:
                judged[facts.device_id] = Judged(facts, judgement)
        standing = Standing(
            day=day,
            versions=self.versions,
            policy=replace(self.policy, site_share_pct=100),
            judged=judged,
            devices_of=sites,
            findings=list(self._findings.values()),
            flags=[OpenFlag(device_id, device_id) for device_id in sorted(self._flags)],
            kept=held.kept,
            outages=held.outages,
        )
        self._take(day, plan(standing))

    def _take(self, day: date, made: Plan) -> None:
        for finding_id in made.gone:
            self._findings[finding_id] = replace(self._findings[finding_id], gone_since=day)
        for finding_id in made.back:
            self._findings[finding_id] = replace(self._findings[finding_id], gone_since=None)
        for flag in made.flagged:
            self._flags.add(flag.judged.facts.device_id)
            self.flagged.setdefault(flag.judged.facts.device_id, self._told(day, flag))
        for finding_id in made.cleared:
            del self._findings[finding_id], self._grounds[finding_id]
        for judged, ground in made.opened:
            finding_id = next(iter(self._numbers))
            self._grounds[finding_id] = ground
            self._findings[finding_id] = OpenFinding(
                finding_id,
                judged.facts.device_id,
                ground.rule,
                ground.version,
                ground.weight,
                ground.is_mandatory,
                None,
            )
        self._flags -= {flag.device_id for flag, _ in made.ended}

    def _told(self, day: date, flag: NewFlag) -> WouldFlag:
        facts = flag.judged.facts
        grounds = [self._grounds[of.finding_id] if isinstance(of, OpenFinding) else of for of in flag.grounds]
        zh, en = explain(facts.kind_zh, facts.kind_en, [(of.sentence_zh, of.sentence_en) for of in grounds])
        return WouldFlag(
            device_no=facts.device_no,
            kind=facts.kind,
            site_id=facts.site_id,
            region_code=facts.region_code,
            first_day=day,
            score=flag.score,
            rules=tuple(ground.rule for ground in grounds),
            sentence_zh=zh,
            sentence_en=en,
        )
