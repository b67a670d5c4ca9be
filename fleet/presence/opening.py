"""When each site was open, up to now: as times, for what is judged at this moment and not by slots of a day.

Sites that share hours, closures and outages are reckoned once.
"""

from typing import Final, LiteralString

# So far back open time is counted. Whoever was not open for a threshold's time in it is never held to it.
WEEKS: Final = 9

_AT_MIDNIGHT: Final[LiteralString] = "::timestamp AT TIME ZONE 'Asia/Shanghai'"

# Three parts of a WITH. `opening`: of each site the key of its group. `openings`: of each group since when it is open
# without a break, NULL when it is closed now, and `open`, when it was open and there was no outage.
OPENINGS: Final[LiteralString] = f"""
bounds AS MATERIALIZED (
    SELECT tstzrange(%(now)s::timestamptz - INTERVAL '{WEEKS} weeks', %(now)s::timestamptz, '[]') AS looked_at,
           date_trunc('week', %(now)s::timestamptz AT TIME ZONE 'Asia/Shanghai') AS monday
), opening AS MATERIALIZED (
    SELECT s.site_id, s.opening_minutes, c.shut, o.away,
           concat_ws('|', coalesce(s.opening_minutes::text, 'always'), coalesce(c.shut::text, ''), o.away) AS hours
    FROM sites AS s
    LEFT JOIN (
        SELECT site_id, range_agg(tstzrange(begins_on{_AT_MIDNIGHT}, (ends_on + 1){_AT_MIDNIGHT})) AS shut
        FROM site_closures, bounds
        WHERE tstzrange(begins_on{_AT_MIDNIGHT}, (ends_on + 1){_AT_MIDNIGHT}) && looked_at GROUP BY site_id
    ) AS c USING (site_id)
    LEFT JOIN (
        SELECT site_id, range_agg(tstzrange(began_at, least(ended_at, %(now)s::timestamptz))) AS away
        FROM outages
        WHERE dismissed_at IS NULL AND scope = 'site' AND began_at <= %(now)s::timestamptz
          AND (ended_at IS NULL OR ended_at > %(now)s::timestamptz - INTERVAL '{WEEKS} weeks')
        GROUP BY site_id
    ) AS o USING (site_id)
    WHERE s.status = 'active'
), openings AS MATERIALIZED (
    SELECT g.hours, lower(run.r) AS open_since,
           t.open - coalesce(g.away, '{{}}') - coalesce((
               SELECT range_agg(tstzrange(began_at, least(ended_at, %(now)s::timestamptz)))
               FROM outages WHERE dismissed_at IS NULL AND scope = 'platform' AND began_at <= %(now)s::timestamptz
                 AND (ended_at IS NULL OR ended_at > %(now)s::timestamptz - INTERVAL '{WEEKS} weeks')
           ), '{{}}') AS open
    FROM (SELECT DISTINCT ON (hours) hours, opening_minutes, shut, away FROM opening ORDER BY hours) AS g
    CROSS JOIN bounds
    CROSS JOIN LATERAL (
        SELECT CASE WHEN g.opening_minutes IS NULL THEN tstzmultirange(looked_at) ELSE coalesce((
            SELECT range_agg(tstzrange(
                (monday + make_interval(weeks => week, mins => lower(m))) AT TIME ZONE 'Asia/Shanghai',
                (monday + make_interval(weeks => week, mins => upper(m))) AT TIME ZONE 'Asia/Shanghai'))
            FROM unnest(g.opening_minutes) AS m CROSS JOIN generate_series(-{WEEKS}, 0) AS week
        ), '{{}}') * tstzmultirange(looked_at) END - coalesce(g.shut, '{{}}') AS open
    ) AS t
    LEFT JOIN LATERAL (SELECT r FROM unnest(t.open) AS r WHERE r @> %(now)s::timestamptz) AS run ON true
)"""  # noqa: S608 - constants of ours
