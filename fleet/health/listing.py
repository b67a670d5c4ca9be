"""Which devices are how well: the lists that people read, filtered, the worst first, and counted by band."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

from fleet.health.score import BAND_IN_SQL
from fleet.identity import scope as scopes

# After the last: where nothing is expected, there is nothing to worry about.
NO_SCORE: Final = 101
# What each filter asks, by its parameter; only those that are given are put together.
CLAUSES: Final[Mapping[str, LiteralString]] = {
    "site_no": "s.site_no = %(site_no)s::text",
    "region_code": "starts_with(s.region_code, %(region_code)s::text)",
    "kind": "m.kind = %(kind)s::text",
    "presence": "h.presence = %(presence)s::text",
    "check": "h.reasons @> jsonb_build_array(jsonb_build_object('check', %(check)s::text))",
    "max_score": "h.score <= %(max_score)s::int4",
    "is_excused": "h.excused_by IS NOT NULL",
    "is_not_excused": "h.excused_by IS NULL",
    "scope_sites": scopes.IN_SQL,
    "after_no": "(coalesce(h.score, 101), d.device_no) > (%(after_score)s::int4, %(after_no)s::text)",
}
_FROM: Final[LiteralString] = """
FROM device_health AS h JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id)
JOIN sites AS s USING (site_id)
"""
ONE: Final = """
SELECT d.device_no, m.kind, s.site_no, d.state, h.presence, h.presence_since, h.excused_by, h.score, h.reasons,
       h.evaluated_at
FROM devices AS d JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
LEFT JOIN device_health AS h USING (device_id)
WHERE d.device_no = %(device_no)s::text
"""
DAYS: Final = """
SELECT k.day, k.presence, k.score, k.reasons
FROM devices AS d JOIN health_days AS k USING (device_id)
WHERE d.device_no = %(device_no)s::text AND k.day BETWEEN %(first)s::date AND %(last)s::date
ORDER BY k.day
"""


def list_of(clauses: LiteralString) -> LiteralString:
    """The query for a page, in the order of score and number."""
    return f"""
SELECT d.device_no, m.kind, m.model_no, s.site_no, s.region_code, d.stall_no, h.presence, h.presence_since,
       h.excused_by, h.score, {BAND_IN_SQL} AS band, h.reasons
{_FROM} {clauses} ORDER BY coalesce(h.score, 101), d.device_no LIMIT %(rows)s::int4
"""


def bands_of(clauses: LiteralString) -> LiteralString:
    """The query that counts by band."""
    return f"SELECT {BAND_IN_SQL} AS band, count(*) AS devices {_FROM} {clauses} GROUP BY 1"


def where(asked: Mapping[str, Any]) -> LiteralString:
    """The clauses of what is asked: parameters that are there and not None."""
    clauses = [clause for name, clause in CLAUSES.items() if asked.get(name) is not None]
    return "WHERE " + " AND ".join(clauses) if clauses else ""


# Every clause in every query, so that a test can have the server read them all.
EVERY: Final[Mapping[str, LiteralString]] = {
    query.__name__: query(where(dict.fromkeys(CLAUSES, True))) for query in (list_of, bands_of)
}
