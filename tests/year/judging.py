"""What was found over the year against what was planted: hits, misses, and what nobody planted."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from psycopg import Connection

from tests.year.calendar import ENDS, SHANGHAI
from tests.year.things import Device, Truth
from tests.year.world import PLATFORM_OUTAGE

# Each of these is enough for a flag; of the others, all that are planted together are meant to be.
ENOUGH: Final = frozenset(
    [
        "forbidden_kind",
        "model_withdrawn",
        "dormant",
        "replaced_function",
        "unavailable",
        "dying",
        "repairs",
        "firmware_behind",
    ]
)
FINDINGS: Final = """
SELECT d.device_no, f.rule, f.found_on, f.window_from, f.window_to, (f.cleared_at AT TIME ZONE 'Asia/Shanghai')::date,
       f.numbers, f.sentence_zh, f.sentence_en, f.finding_id
FROM findings AS f JOIN devices AS d USING (device_id) ORDER BY f.finding_id
"""
FLAGS: Final = """
SELECT d.device_no, g.flagged_on, (g.ended_at AT TIME ZONE 'Asia/Shanghai')::date, g.ended_because, g.findings,
       g.sentence_zh, g.sentence_en
FROM flags AS g JOIN devices AS d USING (device_id) ORDER BY g.flag_id
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """As it stands in the table."""

    device_no: str
    rule: str
    found_on: date
    window_from: date | None
    window_to: date | None
    cleared_on: date | None
    numbers: Mapping[str, Any]
    sentence_zh: str
    sentence_en: str
    finding_id: int


@dataclass(frozen=True, slots=True)
class Flag:
    """As it stands in the table."""

    device_no: str
    flagged_on: date
    ended_on: date | None
    ended_because: str | None
    findings: tuple[int, ...]
    sentence_zh: str
    sentence_en: str


def findings(connection: Connection[Any]) -> list[Finding]:
    """All that were ever opened."""
    return [Finding(*row) for row in connection.execute(FINDINGS)]


def flags(connection: Connection[Any]) -> list[Flag]:
    """All that ever were."""
    return [Flag(row[0], row[1], row[2], row[3], tuple(row[4]), row[5], row[6]) for row in connection.execute(FLAGS)]


@dataclass(slots=True)
class Tally:
    """How much of what was planted was found, and how much of what was found was planted."""

    hits: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    made_up: Counter[str] = field(default_factory=Counter)
    # Device, its cohort and site, what was planted, what was found.
    table: list[tuple[str, str, str, str]] = field(default_factory=list)

    def miss(self, device: Device, what: str, planted: str, found: str) -> None:
        """Planted, and not found in time."""
        self.missed[what] += 1
        self._note(device, planted, found)

    def invent(self, device: Device, what: str, planted: str, found: str) -> None:
        """Found, and not planted, or not then."""
        self.made_up[what] += 1
        self._note(device, planted, found)

    def _note(self, device: Device, planted: str, found: str) -> None:
        self.table.append((device.device_no, f"{device.cohort} at {device.site.site_no}", planted, found))

    def precision(self, what: str | None = None) -> float:
        """The share of what was found that was planted."""
        hits, wrong = _sums(self.hits, self.made_up, what)
        return hits / (hits + wrong) if hits + wrong else 1.0

    def recall(self, what: str | None = None) -> float:
        """The share of what was planted that was found."""
        hits, missed = _sums(self.hits, self.missed, what)
        return hits / (hits + missed) if hits + missed else 1.0

    def __str__(self) -> str:
        rows = [
            f"{what:20} planted {self.hits[what] + self.missed[what]:4}  precision {self.precision(what):.3f}"
            f"  recall {self.recall(what):.3f}"
            for what in sorted({*self.hits, *self.missed, *self.made_up})
        ]
        total = f"{'in total':20} precision {self.precision():.4f}  recall {self.recall():.4f}"
        return "\n".join([*rows, total, *(" | ".join(row) for row in self.table[:60])])


def _sums(one: Counter[str], other: Counter[str], what: str | None) -> tuple[int, int]:
    return (one.total(), other.total()) if what is None else (one[what], other[what])


def judge_findings(fleet: Sequence[Device], found: Sequence[Finding]) -> Tally:
    """Every reason of every device, by rule."""
    by_device = _by_device(found)
    tally = Tally()
    for device in fleet:
        left = list(by_device.get(device.device_no, ()))
        for truth in device.truths:
            if truth.since > ENDS - timedelta(days=truth.grace):
                left = [finding for finding in left if finding.rule != truth.rule]
                continue
            hit = next(
                (
                    finding
                    for finding in left
                    if finding.rule == truth.rule and _in_time(device, truth, finding.found_on)
                ),
                None,
            )
            if hit is None:
                told = [f"{finding.rule} {finding.found_on}" for finding in by_device.get(device.device_no, ())]
                tally.miss(device, truth.rule, f"{truth.rule} since {truth.since}", ", ".join(told) or "nothing")
            else:
                tally.hits[truth.rule] += 1
                left.remove(hit)
        for finding in left:
            planted = ", ".join(f"{truth.rule} since {truth.since}" for truth in device.truths) or "nothing"
            tally.invent(device, finding.rule, planted, f"{finding.rule} on {finding.found_on} {finding.numbers}")
    return tally


def unplanted(fleet: Sequence[Device], found: Sequence[Finding]) -> list[Finding]:
    """Findings for reasons that are not planted in their devices at all."""
    planted = {(device.device_no, truth.rule) for device in fleet for truth in device.truths}
    return [finding for finding in found if (finding.device_no, finding.rule) not in planted]


def judge_flags(fleet: Sequence[Device], raised: Sequence[Flag], found: Sequence[Finding]) -> Tally:
    """Every flag: that of a planted device in its time and for a planted reason alone."""
    rule_of = {finding.finding_id: finding.rule for finding in found}
    by_device = _by_device(raised)
    tally = Tally()
    for device in fleet:
        due = _due(device)
        left = list(by_device.get(device.device_no, ()))
        planted = f"flag since {due.since}" if due else "no flag"
        if due and due.since <= ENDS - timedelta(days=due.grace):
            hit = next(
                (flag for flag in left if _in_time(device, due, flag.flagged_on) and _for(flag, device, rule_of)), None
            )
            if hit is None:
                tally.miss(device, due.rule, planted, ", ".join(str(flag.flagged_on) for flag in left) or "nothing")
            else:
                tally.hits[due.rule] += 1
                left.remove(hit)
        for flag in left:
            rules = " ".join(rule_of[finding] for finding in flag.findings)
            tally.invent(device, rules, planted, f"{rules} on {flag.flagged_on}")
    return tally


def looks_at_silence(device: Device, finding: Finding) -> bool:
    """Whether *finding*, which nobody planted, looks at days of a closure or an outage."""
    first = finding.window_from or finding.found_on
    last = finding.window_to or finding.found_on
    spans = [(closure.begins_on, closure.ends_on) for closure in device.site.closures] + _outages(device)
    return any(begins <= last and ends >= first for begins, ends in spans)


def _due(device: Device) -> Truth | None:
    """When *device* is to be flagged, under the name of the reason that brings it there."""
    if not device.is_flagged:
        return None
    enough = [truth for truth in device.truths if truth.rule in ENOUGH]
    if enough:
        return min(enough, key=lambda truth: truth.since)
    return max(device.truths, key=lambda truth: truth.since)


def _for(flag: Flag, device: Device, rule_of: Mapping[int, str]) -> bool:
    return {rule_of[finding] for finding in flag.findings} <= {truth.rule for truth in device.truths}


def _in_time(device: Device, truth: Truth, day: date) -> bool:
    return truth.since - timedelta(days=truth.early) <= day <= _deadline(device, truth)


def _deadline(device: Device, truth: Truth) -> date:
    """The last day on which it is seen in time: nobody is accused while nothing can be heard of him."""
    last = truth.since + timedelta(days=truth.grace)
    for first, until in _outages(device):
        if truth.since <= until and first <= last:
            last = until + timedelta(days=truth.grace)
    return last


def _outages(device: Device) -> list[tuple[date, date]]:
    spans = (PLATFORM_OUTAGE, *device.site.power_cuts)
    return [(span.begins.astimezone(SHANGHAI).date(), span.ends.astimezone(SHANGHAI).date()) for span in spans]


def _by_device(rows: Sequence[Any]) -> dict[str, list[Any]]:
    sorted_: dict[str, list[Any]] = {}
    for row in rows:
        sorted_.setdefault(row.device_no, []).append(row)
    return sorted_


def overdue(fleet: Sequence[Device], found: Sequence[Finding], *, days: int) -> Iterator[str]:
    """Findings that were cleared while their cause was there, or not within *days* after it was gone."""
    by_device = _by_device(found)
    for device in fleet:
        for truth in device.truths:
            for finding in by_device.get(device.device_no, ()):
                is_it = finding.rule == truth.rule and _in_time(device, truth, finding.found_on)
                if is_it and not _is_cleared_rightly(truth, finding.cleared_on, days):
                    yield f"{device.device_no} {device.cohort}: {truth}, cleared on {finding.cleared_on}"


def _is_cleared_rightly(truth: Truth, cleared_on: date | None, days: int) -> bool:
    if truth.until is None:
        return cleared_on is None
    last = truth.until + timedelta(days=days + truth.grace)
    if cleared_on is None:
        return last > ENDS
    return truth.until - timedelta(days=truth.early) <= cleared_on <= last
