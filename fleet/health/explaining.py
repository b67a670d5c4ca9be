"""A device's reasons in words: sentence and remedy are the check's, so that what is stored stays short. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.health.catalogue import BY_NAME


@dataclass(frozen=True, slots=True)
class Explanation:
    """A reason as people read it."""

    check: str
    number: int | float | str
    threshold: int | float | str
    unit: str
    window_days: int
    points: int
    name_zh: str
    name_en: str
    sentence_zh: str
    sentence_en: str
    remedy_zh: str
    remedy_en: str


def explain(reasons: Iterable[Mapping[str, Any]]) -> list[Explanation]:
    """Each reason in words, in their order. One of a check that is gone by now is told by its bare name."""
    return [_explain(reason) for reason in reasons]


def _explain(reason: Mapping[str, Any]) -> Explanation:
    name, number, threshold = reason["check"], reason["number"], reason["threshold"]
    window, points = reason["window"], reason["points"]
    check = BY_NAME.get(name)
    if check is None:
        return Explanation(name, number, threshold, reason["unit"], window, points, name, name, name, name, "", "")
    words = {"number": number, "threshold": threshold, "window": window}
    return Explanation(
        check=name,
        number=number,
        threshold=threshold,
        unit=reason["unit"],
        window_days=window,
        points=points,
        name_zh=check.name_zh,
        name_en=check.name_en,
        sentence_zh=check.sentence_zh.format_map(words),
        sentence_en=check.sentence_en.format_map(words),
        remedy_zh=check.remedy_zh,
        remedy_en=check.remedy_en,
    )
