"""What the rules in force say of a device: its grounds, their score, and the verdict. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from fleet.obsolescence.answer import Answer, Shown
from fleet.obsolescence.facts import Facts
from fleet.obsolescence.rules import RULES
from fleet.obsolescence.versions import Policy, RuleVersion

Verdict = Literal["sound", "noted", "watch", "flagged"]


@dataclass(frozen=True, slots=True)
class Ground:
    """A rule that holds for a device: by which version, the numbers, and a sentence for people."""

    rule: str
    version: int
    weight: int
    is_mandatory: bool
    numbers: Mapping[str, Any]
    thresholds: Mapping[str, Any]
    # Of the rules that look back; else None.
    window_from: date | None
    window_to: date | None
    sentence_zh: str
    sentence_en: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The grounds that hold, in the order in which they are told, and the rules of which nothing can be said."""

    grounds: tuple[Ground, ...] = ()
    unsaid: frozenset[str] = field(default_factory=frozenset)


def judge(facts: Facts, versions: Iterable[RuleVersion]) -> Judgement:
    """What *versions* say of a device. A rule that is not enabled does not hold."""
    grounds, unsaid = [], []
    for version in versions:
        answer = RULES[version.rule].holds(facts, version.parameters) if version.is_enabled else Answer.NO
        if isinstance(answer, Shown):
            grounds.append(_ground(facts, version, answer))
        elif answer is Answer.UNSAID:
            unsaid.append(version.rule)
    return Judgement(tuple(grounds), frozenset(unsaid))


def _ground(facts: Facts, version: RuleVersion, shown: Shown) -> Ground:
    days = getattr(version.parameters, "days", None) if RULES[version.rule].looks_back else None
    return Ground(
        rule=version.rule,
        version=version.version,
        weight=version.weight,
        is_mandatory=version.is_mandatory,
        numbers=shown.numbers,
        thresholds=shown.thresholds,
        window_from=facts.day - timedelta(days=days - 1) if days else None,
        window_to=facts.day if days else None,
        sentence_zh=shown.sentence_zh,
        sentence_en=shown.sentence_en,
    )


def score(grounds: Iterable[Any]) -> int:
    """What the weights of grounds, or of findings, come to."""
    return sum(ground.weight for ground in grounds)


def verdict(grounds: Sequence[Any], policy: Policy) -> Verdict:
    """What grounds, or findings, come to by *policy*. One that is mandatory flags by itself."""
    if not grounds:
        return "sound"
    total = score(grounds)
    if total >= policy.flag_score or any(ground.is_mandatory for ground in grounds):
        return "flagged"
    return "watch" if total >= policy.watch_score else "noted"


def explain(name_zh: str, name_en: str, sentences: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """One sentence, zh and en, of why a device ought to go: *sentences* are those of its grounds."""
    zh = "；".join(sentence.rstrip("。") for sentence, _ in sentences)
    en = "; ".join(_lower(sentence.rstrip(".")) for _, sentence in sentences)
    return f"建议淘汰该{name_zh}：{zh}。", f"This {name_en} ought to be retired: {en}."


def _lower(sentence: str) -> str:
    first, rest = sentence[:1], sentence[1:]
    # A word of capitals is a name.
    return sentence if rest[:1].isupper() else first.lower() + rest
