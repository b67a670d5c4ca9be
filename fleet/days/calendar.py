"""When sites are open, slot by slot, and which slots count for nobody: ``site_days``, for all sites at once.

A slot is open when all of its five minutes are within the opening hours; it is excused when an outage touches it.
Hours and status of a site are the present ones, since of earlier ones the ledger keeps no dates. So they count for a
day as they were when it was reckoned last before it was over, or first: only closures and outages, which have dates,
change what is past.
"""

from datetime import date, datetime
from typing import Any, Final, LiteralString

from psycopg import Connection

from fleet.business_day import begin_of
from fleet.days.day import ALL_SLOTS, DAY, NO_SLOT, slots_between

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
# A closure that was taken back leaves hours that nobody knows: the present ones will do.
_IS_TAKEN: Final[LiteralString] = """%(present)s::bool OR d.closed_by = 'closure'
           OR (d.closed_by IS NULL AND excluded.closed_by = 'closure')"""
_OPEN: Final[LiteralString] = f"CASE WHEN {_IS_TAKEN} THEN excluded.open ELSE d.open END"
_CLOSED_BY: Final[LiteralString] = f"CASE WHEN {_IS_TAKEN} THEN excluded.closed_by ELSE d.closed_by END"
RECKON_SITES: Final[LiteralString] = f"""{_RECKON}
ON CONFLICT (site_id, day) DO UPDATE
SET open = {_OPEN}, excused = excluded.excused, closed_by = {_CLOSED_BY}
WHERE (d.open, d.excused, d.closed_by) IS DISTINCT FROM ({_OPEN}, excluded.excused, {_CLOSED_BY})
"""
ADD_SITES: Final[LiteralString] = f"{_RECKON} ON CONFLICT (site_id, day) DO NOTHING"


def reckon_sites(
    connection: Connection[Any], day: date, *, now: datetime, anew: bool = True, present_hours: bool = False
) -> None:
    """Write the slots of *day* of every site. Not *anew*: only of those that have none, what is judged stays.

    With *present_hours* those that are entered now count for a day that is past, too.
    """
    begins = begin_of(day)
    asked = {"day": day, "begins": begins, "ends": begins + DAY, "now": now}
    if anew:
        connection.execute(RECKON_SITES, asked | {"present": present_hours or now < begins + DAY})
    else:
        connection.execute(ADD_SITES, asked)
