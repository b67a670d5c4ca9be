"""When sites are open, slot by slot, and which slots count for nobody: ``site_days``, for all sites at once.

A slot is open when all of its five minutes are within the opening hours; it is excused when an outage touches it.
The status of a site is the present one: of earlier ones the ledger keeps no dates.
"""

from datetime import date, datetime
from typing import Any, Final, LiteralString

from psycopg import Connection

from fleet.days.day import ALL_SLOTS, DAY, NO_SLOT, begin_of, slots_between

# In outages: `begins` and `ends` of the day are parameters, and what is open lasts until now.
_FIRST: Final[LiteralString] = "floor(extract(epoch FROM o.began_at - %(begins)s::timestamptz) / 300)::int"
_AFTER: Final[LiteralString] = (
    "ceil(extract(epoch FROM coalesce(o.ended_at, %(now)s::timestamptz) - %(begins)s::timestamptz) / 300)::int"
)

# Of a hundred sites, ninety share their hours with another: slots are made once for each set of hours.
_RECKON: Final[LiteralString] = f"""
WITH weeks AS (
    SELECT h.opening_minutes, string_agg(
               CASE WHEN h.opening_minutes @> int4range(first, first + 5) THEN '1' ELSE '0' END, '' ORDER BY first
           )::bit(288) AS open
    FROM (SELECT DISTINCT opening_minutes FROM sites WHERE opening_minutes IS NOT NULL) AS h
    CROSS JOIN generate_series(
        (extract(isodow FROM %(day)s::date)::int - 1) * 1440, extract(isodow FROM %(day)s::date)::int * 1440 - 5, 5
    ) AS first
    GROUP BY h.opening_minutes
), outs AS (
    SELECT o.site_id, bit_or({slots_between(_FIRST, _AFTER)}) AS excused
    FROM outages AS o
    WHERE o.dismissed_at IS NULL AND o.began_at < least(%(ends)s::timestamptz, %(now)s::timestamptz)
      AND (o.ended_at IS NULL OR o.ended_at > %(begins)s::timestamptz)
    GROUP BY o.site_id
), closed AS (
    SELECT DISTINCT site_id FROM site_closures WHERE %(day)s::date BETWEEN begins_on AND ends_on
), judged AS (
    SELECT s.site_id, coalesce(w.open, {ALL_SLOTS}) AS hours,
           CASE WHEN s.status <> 'active' THEN 'status' WHEN c.site_id IS NOT NULL THEN 'closure'
                WHEN w.open = {NO_SLOT} THEN 'hours' END AS closed_by
    FROM sites AS s
    LEFT JOIN weeks AS w USING (opening_minutes)
    LEFT JOIN closed AS c USING (site_id)
)
INSERT INTO site_days AS d (site_id, day, open, excused, closed_by)
SELECT j.site_id, %(day)s::date, CASE WHEN j.closed_by IS NULL THEN j.hours ELSE {NO_SLOT} END,
       coalesce(o.excused, {NO_SLOT}) | coalesce((SELECT excused FROM outs WHERE site_id IS NULL), {NO_SLOT}),
       j.closed_by
FROM judged AS j LEFT JOIN outs AS o USING (site_id)
ORDER BY j.site_id
"""  # noqa: S608 - constants of ours
RECKON_SITES: Final[LiteralString] = f"""{_RECKON}
ON CONFLICT (site_id, day) DO UPDATE
SET open = excluded.open, excused = excluded.excused, closed_by = excluded.closed_by
WHERE (d.open, d.excused, d.closed_by) IS DISTINCT FROM (excluded.open, excluded.excused, excluded.closed_by)
"""
ADD_SITES: Final[LiteralString] = f"{_RECKON} ON CONFLICT (site_id, day) DO NOTHING"


def reckon_sites(connection: Connection[Any], day: date, *, now: datetime, anew: bool = True) -> None:
    """Write the slots of *day* of every site. Not *anew*: only of those that have none, what is judged stays."""
    begins = begin_of(day)
    connection.execute(
        RECKON_SITES if anew else ADD_SITES, {"day": day, "begins": begins, "ends": begins + DAY, "now": now}
    )
