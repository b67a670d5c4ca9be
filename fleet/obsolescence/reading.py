"""Findings, flags and verdicts as they are asked for: lists from the newest on, and all that is said of one device."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.errors import UnknownEntryError
from fleet.identity import scope as scopes

# Below every number that a list begins with.
FIRST_PAGE: Final = 2**62

_OF_DEVICES: Final[LiteralString] = """
JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)"""
# Only those that are given are put together: the server plans a query by what is in it.
_CLAUSES: Final[Mapping[str, LiteralString]] = {
    "site_no": "s.site_no = %(site_no)s",
    "region_code": "starts_with(s.region_code, %(region_code)s)",
    "kind": "m.kind = %(kind)s",
    "device_no": "d.device_no = %(device_no)s",
    "scope_sites": scopes.IN_SQL,
}
FINDING_CLAUSES: Final[Mapping[str, LiteralString]] = {
    **_CLAUSES,
    "rule": "f.rule = %(rule)s",
    "open": "f.cleared_at IS NULL",
    "cleared": "f.cleared_at IS NOT NULL",
    "below": "f.finding_id < %(below)s::int8",
}
FLAG_CLAUSES: Final[Mapping[str, LiteralString]] = {
    **_CLAUSES,
    "open": "f.ended_at IS NULL",
    "below": "f.flag_id < %(below)s::int8",
}
FINDINGS: Final[LiteralString] = f"""
SELECT f.finding_id, d.device_no, m.kind, s.site_no, s.region_code, f.rule, r.name_zh, r.name_en, f.rule_version,
       f.weight, f.is_mandatory, f.found_on, f.window_from, f.window_to, f.numbers, f.sentence_zh, f.sentence_en,
       f.opened_at, f.gone_since, f.cleared_at
FROM findings AS f JOIN obsolescence_rules AS r ON r.rule = f.rule AND r.version = f.rule_version {_OF_DEVICES}
"""  # noqa: S608 - constants
FINDING: Final[LiteralString] = f"""
SELECT f.finding_id, d.device_no, m.kind, s.site_no, s.region_code, f.rule, r.name_zh, r.name_en, r.text_zh, r.text_en,
       r.basis, f.rule_version, f.weight, f.is_mandatory, f.found_on, f.window_from, f.window_to, f.numbers, f.sample,
       f.query, f.sentence_zh, f.sentence_en, f.opened_at, f.gone_since, f.cleared_at
FROM findings AS f JOIN obsolescence_rules AS r ON r.rule = f.rule AND r.version = f.rule_version {_OF_DEVICES}
WHERE f.finding_id = %(finding_id)s::int8
"""  # noqa: S608 - constants
FLAGS: Final[LiteralString] = f"""
SELECT f.flag_id, d.device_no, m.kind, s.site_no, s.region_code, f.flagged_on, f.flagged_at, f.policy_version, f.score,
       f.findings, ARRAY(SELECT o.rule FROM findings AS o WHERE o.finding_id = ANY(f.findings) ORDER BY o.finding_id)
           AS rules, f.sentence_zh, f.sentence_en
FROM flags AS f {_OF_DEVICES}
"""  # noqa: S608 - constants
VERDICT: Final = """
SELECT d.device_id, d.device_no, k.name_zh AS kind_zh, k.name_en AS kind_en, v.verdict, v.score, v.since,
       v.evaluated_at, v.held_back_by, f.flag_id, f.flagged_on, f.sentence_zh, f.sentence_en,
       (SELECT max(e.day) FROM evaluations AS e
        WHERE e.day >= (d.created_at AT TIME ZONE 'Asia/Shanghai')::date) AS judged_on
FROM devices AS d JOIN models AS m USING (model_id) JOIN kinds AS k USING (kind)
LEFT JOIN device_verdicts AS v USING (device_id)
LEFT JOIN flags AS f ON f.device_id = d.device_id AND f.ended_at IS NULL
WHERE d.device_no = %(device_no)s
"""
GROUNDS: Final = """
SELECT f.finding_id, f.rule, r.name_zh, r.name_en, f.rule_version, f.weight, f.is_mandatory, f.found_on, f.numbers,
       f.sentence_zh, f.sentence_en, f.gone_since
FROM findings AS f JOIN obsolescence_rules AS r ON r.rule = f.rule AND r.version = f.rule_version
WHERE f.device_id = %(device_id)s::int AND f.cleared_at IS NULL ORDER BY f.weight DESC, f.finding_id
"""

_HELD: Final[Mapping[str, tuple[str, str]]] = {
    "outage": ("因平台或场所断线暂缓", "held back by an outage of ours or of its site"),
    "site_share": ("因同场所当日淘汰比例已满暂缓", "held back: as many devices of its site as a run may were flagged"),
    "kept": ("经审核保留", "kept by decision of a case"),
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a device stands and why, in one sentence and in all its parts."""

    device_no: str
    verdict: str
    score: int
    since: datetime | None
    judged_on: date | None
    held_back_by: str | None
    flag_id: int | None
    flagged_on: date | None
    sentence_zh: str
    sentence_en: str
    grounds: list[dict[str, Any]]


def listing(
    query: LiteralString, clauses: Mapping[str, LiteralString], key: LiteralString, asked: Mapping[str, object]
) -> LiteralString:
    """*query* for what is asked, the newest first, `%(rows)s` of them."""
    # An empty list is asked for: a scope of regions names no sites.
    chosen: list[LiteralString] = [clause for name, clause in clauses.items() if asked.get(name) not in (None, False)]
    where: LiteralString = f"WHERE {' AND '.join(chosen)}" if chosen else ""
    return f"{query} {where} ORDER BY {key} DESC LIMIT %(rows)s::int"


def explanation(connection: Connection[Any], device_no: str) -> Explanation:
    """All that is said of a device. Raises UnknownEntryError."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(VERDICT, {"device_no": device_no}).fetchone()
        if row is None:
            raise UnknownEntryError(f"{device_no} is not in the ledger: correct the number.")
        grounds = cursor.execute(GROUNDS, {"device_id": row["device_id"]}).fetchall()
    zh, en = _sentence(row, [ground for ground in grounds if ground["gone_since"] is None])
    return Explanation(
        device_no=row["device_no"],
        verdict=row["verdict"] or ("sound" if row["judged_on"] else "unjudged"),
        score=row["score"] or 0,
        since=row["since"],
        judged_on=row["judged_on"],
        held_back_by=row["held_back_by"],
        flag_id=row["flag_id"],
        flagged_on=row["flagged_on"],
        sentence_zh=zh,
        sentence_en=en,
        grounds=grounds,
    )


def _sentence(row: Mapping[str, Any], standing: list[dict[str, Any]]) -> tuple[str, str]:
    if row["flag_id"] is not None:
        return row["sentence_zh"], row["sentence_en"]
    kind_zh, kind_en = row["kind_zh"], row["kind_en"]
    if row["judged_on"] is None:
        return "尚未评估。", f"This {kind_en} has not been judged yet: the day on which it came is not over."
    if not standing:
        return f"该{kind_zh}没有淘汰理由。", f"Nothing speaks for retiring this {kind_en}."
    why_zh = "；".join(ground["sentence_zh"].rstrip("。") for ground in standing)
    why_en = " ".join(ground["sentence_en"] for ground in standing)
    held = _HELD.get(row["held_back_by"] or "")
    if held is not None:
        return (
            f"该{kind_zh}已达淘汰标准，{held[0]}：{why_zh}。",
            f"This {kind_en} would be flagged, {held[1]}. {why_en}",
        )
    told_zh, told_en = ("仅予记录", "noted") if row["verdict"] == "noted" else ("列入关注", "watched")
    return (
        f"该{kind_zh}未达淘汰标准，{told_zh}：{why_zh}。",
        f"This {kind_en} is {told_en}, not flagged. {why_en}",
    )
