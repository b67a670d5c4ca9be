"""A query of a dashboard as Grafana sends it: its macros expanded, each variable as what is chosen."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from grafana.words import KINDS
from tests.unit.grafana.files import variables

# What All is a list of: the kinds, and nothing else.
LISTED: Final = {"kind": list(KINDS)}
_SPANS: Final = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Range:
    """What the time picker says."""

    begins_at: datetime
    ends_at: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.ends_at - self.begins_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Choice:
    """What the variables stand at; one that is not here stands at All."""

    values: dict[str, list[str]] = field(default_factory=dict)


def last(span: str, now: datetime) -> Range:
    """The range that a span such as `6h` is."""
    return Range(now - timedelta(**{_SPANS[span[-1]]: int(span[:-1])}), now)


def range_of(panel: dict[str, Any] | None, chosen: Range) -> Range:
    """The range that a panel has: its own, where it has one."""
    own = (panel or {}).get("timeFrom")
    return last(own, chosen.ends_at) if own else chosen


def filled_in(sql: str, dashboard: dict[str, Any], chosen: Choice, over: Range, *, interval: str | None = None) -> str:
    """*sql* with nothing of Grafana left in it."""
    least = _seconds(interval) if interval else 1
    step = max(least, round(over.seconds / 1000))
    for name, variable in variables(dashboard).items():
        if (place := f"${{{name}:sqlstring}}") in sql:
            sql = sql.replace(place, _value(variable, chosen))
    begins, ends = f"'{over.begins_at.isoformat()}'", f"'{over.ends_at.isoformat()}'"
    for text, value in (
        ("$__timeFrom()", begins),
        ("$__timeTo()", ends),
        ("$__interval_ms", str(step * 1000)),
        ("$__searchFilter", "%"),
    ):
        sql = sql.replace(text, value)
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {begins} AND {ends}", sql)
    sql = re.sub(r"\$__timeGroup\((\w+), \$__interval\)", rf"floor(extract(epoch FROM \1) / {step}) * {step}", sql)
    assert "$" not in sql, sql
    assert "@" not in sql, sql
    return sql


def _value(variable: dict[str, Any], chosen: Choice) -> str:
    """A value as `sqlstring` writes it. All with a text of its own is that text; without one, all that is offered."""
    values = chosen.values.get(variable["name"])
    if values is None and variable.get("allValue"):
        return str(variable["allValue"])
    quoted = [f"'{value}'" for value in values or LISTED[variable["name"]]]
    return ",".join(quoted)


def _seconds(interval: str) -> int:
    return int(timedelta(**{_SPANS[interval[-1]]: int(interval[:-1])}).total_seconds())
