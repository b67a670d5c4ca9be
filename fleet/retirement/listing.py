"""Cases as lists show them."""

from collections.abc import Mapping
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

# Without parameters that are given, all; in the order of their numbers.
LIST: Final = """
SELECT c.case_no, d.device_no, m.kind, t.site_no, t.name_zh AS site_name_zh, t.region_code, c.path, c.state,
       c.state_since, c.due_on,
       coalesce(c.due_on < (now() AT TIME ZONE 'Asia/Shanghai')::date, false) AS is_overdue, c.escalated_at,
       c.kept_until, p.programme_no, c.bundle::text AS bundle, c.proposed_by, c.approved_by, c.tier, c.approval,
       s.device_no AS successor_no, c.replacement, c.method
FROM cases AS c
JOIN devices AS d ON d.device_id = c.device_id
JOIN models AS m USING (model_id)
JOIN sites AS t USING (site_id)
LEFT JOIN programmes AS p ON p.programme_id = c.programme_id
LEFT JOIN devices AS s ON s.device_id = c.successor_id
WHERE (%(after)s::text IS NULL OR c.case_no > %(after)s)
  AND (%(state)s::text IS NULL OR c.state = %(state)s)
  AND (%(path)s::text IS NULL OR c.path = %(path)s)
  AND (%(device_no)s::text IS NULL OR d.device_no = %(device_no)s)
  AND (%(site_no)s::text IS NULL OR t.site_no = %(site_no)s)
  AND (%(region_code)s::text IS NULL OR starts_with(t.region_code, %(region_code)s))
  AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)
  AND (%(programme)s::text IS NULL OR p.programme_no = %(programme)s)
  AND (%(overdue)s::boolean IS NULL
       OR coalesce(c.due_on < (now() AT TIME ZONE 'Asia/Shanghai')::date, false) = %(overdue)s)
ORDER BY c.case_no LIMIT %(rows)s
"""
TALLY: Final = """
SELECT state, count(*)::int AS cases,
       (count(*) FILTER (WHERE due_on < (now() AT TIME ZONE 'Asia/Shanghai')::date))::int AS overdue
FROM cases GROUP BY state
"""
FILTERS: Final = ("state", "path", "device_no", "site_no", "region_code", "kind", "programme", "overdue")


def list_cases(
    connection: Connection[Any], filters: Mapping[str, Any], *, limit: int, after: str | None = None
) -> list[dict[str, Any]]:
    """Cases by *filters*, of which those not given do not matter."""
    given = dict.fromkeys(FILTERS) | dict(filters) | {"after": after, "rows": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(LIST, given).fetchall()
