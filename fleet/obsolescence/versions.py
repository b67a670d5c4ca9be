"""Which versions of the rules and of the policy count on a day, and how another one is added: none is ever changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from fleet.errors import RefusedError, UnknownEntryError
from fleet.obsolescence.parameters import Parameters
from fleet.obsolescence.rules import RULES

WEIGHT_MAX: Final = 100
CLEAR_AFTER_DAYS_MAX: Final = 400
NAME_MAX: Final = 500

ON_A_DAY: Final = """
SELECT DISTINCT ON (rule) rule, version, effective_from, is_enabled, name_zh, name_en, text_zh, text_en, parameters,
       weight, is_mandatory, clear_after_days, basis, created_at, created_by
FROM obsolescence_rules WHERE effective_from <= %(day)s::date ORDER BY rule, effective_from DESC, version DESC
"""
ALL_OF_A_RULE: Final = """
SELECT rule, version, effective_from, is_enabled, name_zh, name_en, text_zh, text_en, parameters, weight, is_mandatory,
       clear_after_days, basis, created_at, created_by
FROM obsolescence_rules WHERE rule = %(rule)s ORDER BY version
"""
# Two who add at once: the second is refused by the key.
ADD: Final = """
INSERT INTO obsolescence_rules (rule, version, effective_from, is_enabled, name_zh, name_en, text_zh, text_en,
                                parameters, weight, is_mandatory, clear_after_days, basis)
VALUES (%(rule)s, %(version)s::int, %(effective_from)s::date, %(is_enabled)s::bool, %(name_zh)s, %(name_en)s,
        %(text_zh)s, %(text_en)s, %(parameters)s::jsonb, %(weight)s::int, %(is_mandatory)s::bool,
        %(clear_after_days)s::int, %(basis)s::text)
RETURNING rule, version, effective_from, is_enabled, name_zh, name_en, text_zh, text_en, parameters, weight,
          is_mandatory, clear_after_days, basis, created_at, created_by
"""
POLICY_ON_A_DAY: Final = """
SELECT version, effective_from, watch_score, flag_score, site_share_pct FROM obsolescence_policies
WHERE effective_from <= %(day)s::date ORDER BY effective_from DESC, version DESC LIMIT 1
"""
POLICIES: Final = """
SELECT version, effective_from, watch_score, flag_score, site_share_pct FROM obsolescence_policies ORDER BY version
"""
ADD_POLICY: Final = """
INSERT INTO obsolescence_policies (version, effective_from, watch_score, flag_score, site_share_pct)
SELECT max(version) + 1, %(effective_from)s::date, %(watch_score)s::int, %(flag_score)s::int, %(site_share_pct)s::int
FROM obsolescence_policies
RETURNING version, effective_from, watch_score, flag_score, site_share_pct
"""
# What a new version may say otherwise than the one before it.
CHANGEABLE: Final = (
    "is_enabled",
    "name_zh",
    "name_en",
    "text_zh",
    "text_en",
    "weight",
    "is_mandatory",
    "clear_after_days",
    "basis",
)


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """A version of a rule. *parameters* are complete: what a row leaves out has its default."""

    rule: str
    version: int
    effective_from: date
    is_enabled: bool
    name_zh: str
    name_en: str
    text_zh: str
    text_en: str
    parameters: Parameters
    weight: int
    is_mandatory: bool
    clear_after_days: int
    basis: str | None
    created_at: Any
    created_by: str


@dataclass(frozen=True, slots=True)
class Policy:
    """From which score a device is watched and flagged, and how much of a site one run may flag."""

    version: int
    effective_from: date
    watch_score: int
    flag_score: int
    site_share_pct: int


def versions_on(connection: Connection[Any], day: date) -> dict[str, RuleVersion]:
    """The version of each rule that counts on *day*, in the order in which reasons are told; disabled ones, too."""
    with connection.cursor(row_factory=dict_row) as cursor:
        found = {row["rule"]: _version(row) for row in cursor.execute(ON_A_DAY, {"day": day}) if row["rule"] in RULES}
    return {rule: found[rule] for rule in RULES if rule in found}


def versions_of(connection: Connection[Any], rule: str) -> list[RuleVersion]:
    """All versions of *rule*, the first first. Raises UnknownEntryError."""
    _require_known(rule)
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_version(row) for row in cursor.execute(ALL_OF_A_RULE, {"rule": rule})]


def policy_on(connection: Connection[Any], day: date) -> Policy:
    """The policy that counts on *day*."""
    with connection.cursor(row_factory=class_row(Policy)) as cursor:
        found = cursor.execute(POLICY_ON_A_DAY, {"day": day}).fetchone()
    if found is None:
        raise RefusedError(f"no policy counts on {day} yet: the first one begins later.")
    return found


def policies(connection: Connection[Any]) -> list[Policy]:
    """Every version of the policy, the first first."""
    with connection.cursor(row_factory=class_row(Policy)) as cursor:
        return cursor.execute(POLICIES).fetchall()


def add_version(
    connection: Connection[Any],
    rule: str,
    *,
    effective_from: date,
    today: date,
    parameters: Mapping[str, Any] | None = None,
    **changes: object,
) -> RuleVersion:
    """A new version of *rule*: the one that would count on that day, but for *parameters* and *changes* (CHANGEABLE).

    Raises UnknownEntryError for a rule, RefusedError with every error at once for anything else. Call within acting.
    """
    known = versions_of(connection, rule)
    before = max((v for v in known if v.effective_from <= effective_from), key=_rank, default=known[0])
    errors = [] if effective_from >= today else [f"effective_from {effective_from} is past: no earlier than {today}"]
    changed, complaints = apply_change(before, parameters or {}, changes)
    errors += complaints
    if errors:
        raise RefusedError(f"no version of {rule} was added: {'; '.join(errors)}.")
    row = {name: getattr(changed, name) for name in CHANGEABLE} | {
        "rule": rule,
        "version": known[-1].version + 1,
        "effective_from": effective_from,
        "parameters": Jsonb(changed.parameters.model_dump(mode="json")),
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        added = cursor.execute(ADD, row).fetchone()
    if added is None:
        raise LookupError(rule)
    return _version(added)


def apply_change(
    before: RuleVersion, parameters: Mapping[str, Any], changes: Mapping[str, object]
) -> tuple[RuleVersion, list[str]]:
    """*before* with what is changed, and every complaint about that; with complaints it is *before* still. Pure."""
    errors = [f"{name} is nothing that a rule has" for name in changes if name not in CHANGEABLE]
    told = {name: value for name, value in changes.items() if value is not None and name in CHANGEABLE}
    merged = {**before.parameters.model_dump(mode="json"), **parameters}
    chosen: Parameters = before.parameters
    try:
        chosen = RULES[before.rule].parameters.model_validate(merged)
    except ValidationError as error:
        errors += [f"parameter {_place(of['loc'])}: {of['msg'].lower()}" for of in error.errors()]
    errors += _complaints(told)
    values = {of.name: getattr(before, of.name) for of in fields(RuleVersion)}
    return (before if errors else RuleVersion(**(values | told | {"parameters": chosen}))), errors


def add_policy(
    connection: Connection[Any],
    *,
    effective_from: date,
    today: date,
    watch_score: int,
    flag_score: int,
    site_share_pct: int,
) -> Policy:
    """A new version of the policy. Raises RefusedError with every error at once. Call within acting."""
    errors = [] if effective_from >= today else [f"effective_from {effective_from} is past: no earlier than {today}"]
    if watch_score < 1:
        errors.append("watch_score is at least 1")
    if flag_score < watch_score:
        errors.append(f"flag_score {flag_score} is below watch_score {watch_score}")
    if not 1 <= site_share_pct <= 100:  # noqa: PLR2004 - percent
        errors.append("site_share_pct is from 1 to 100")
    if errors:
        raise RefusedError(f"no policy was added: {'; '.join(errors)}.")
    asked = {"effective_from": effective_from, "watch_score": watch_score, "flag_score": flag_score}
    with connection.cursor(row_factory=class_row(Policy)) as cursor:
        added = cursor.execute(ADD_POLICY, asked | {"site_share_pct": site_share_pct}).fetchone()
    if added is None:
        raise LookupError("obsolescence_policies")
    return added


def _complaints(told: Mapping[str, Any]) -> list[str]:
    errors = []
    for name, highest in (("weight", WEIGHT_MAX), ("clear_after_days", CLEAR_AFTER_DAYS_MAX)):
        value = told.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
            errors.append(f"{name} is a whole number from 0 to {highest}")
    flags = ("is_enabled", "is_mandatory")
    errors += [f"{name} is true or false" for name in flags if not isinstance(told.get(name, True), bool)]
    for name in ("name_zh", "name_en", "text_zh", "text_en", "basis"):
        value = told.get(name, "-")
        if not isinstance(value, str) or not value.strip() or len(value) > NAME_MAX or "\0" in value:
            errors.append(f"{name} is a text of at most {NAME_MAX} characters")
    return errors


def _version(row: dict[str, Any]) -> RuleVersion:
    of = RULES[row["rule"]]
    try:
        return RuleVersion(**(row | {"parameters": of.parameters.model_validate(row["parameters"])}))
    except ValidationError as error:
        where: Sequence[str] = [_place(one["loc"]) for one in error.errors()]
        raise RefusedError(
            f"version {row['version']} of the rule {row['rule']} has parameters that cannot be used: "
            f"{', '.join(where)}. Add another version with good ones."
        ) from error


def _require_known(rule: str) -> None:
    if rule not in RULES:
        raise UnknownEntryError(f"{rule} is no rule; the rules are {', '.join(RULES)}.")


def _rank(version: RuleVersion) -> tuple[date, int]:
    return version.effective_from, version.version


def _place(where: Sequence[int | str]) -> str:
    return ".".join(map(str, where)) or "of the rule"
