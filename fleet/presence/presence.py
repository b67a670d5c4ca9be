"""Who is there: online, late, silent or never seen, of every device at once, and whether its silence is excused.

A device is judged by its last live record or birth and by its line. Silence counts while the site is open and there is
no outage: after a night, a closure or an outage it has the whole of its threshold's time to be heard. While the site is
closed the clock on the wall tells, and whatever it tells is excused. A will makes a device late at once, unless the
site has opened since; a will of an earlier boot than the current one is nothing to ingest, and so to us.

``presence_since`` is the line's last change of an online device, the last word of one that is late or silent, and the
last change of state of one that never was heard. ``excused_by`` is NULL for who is online, else why nobody is to blame.
"""

from typing import Final, Literal, LiteralString, get_args

from fleet.presence.opening import OPENINGS
from fleet.presence.thresholds import LIMITS

Presence = Literal["online", "late", "silent", "never_seen"]
Excuse = Literal["closed", "site_outage", "platform_outage", "not_in_service"]

PRESENCES: Final[tuple[Presence, ...]] = get_args(Presence)

# To be joined as a subquery: device_id, presence, presence_since, excused_by. Its one parameter is *now*.
PRESENCE: Final[LiteralString] = f"""
WITH {OPENINGS}, limits AS MATERIALIZED ({LIMITS}), spans AS (
    SELECT o.hours, lower(r) AS begins, sum(upper(r) - lower(r)) OVER backwards AS so_far
    FROM openings AS o CROSS JOIN LATERAL unnest(o.open) AS r
    WINDOW backwards AS (PARTITION BY o.hours ORDER BY lower(r) DESC)
), deadlines AS MATERIALIZED (
    -- Who was not heard since then has been silent for so many seconds of open time.
    SELECT s.hours, t.seconds, max(s.begins + (s.so_far - t.seconds * INTERVAL '1 second')) AS at
    FROM spans AS s
    CROSS JOIN (SELECT late_seconds AS seconds FROM limits UNION SELECT silent_seconds FROM limits) AS t
    WHERE s.so_far >= t.seconds * INTERVAL '1 second'
    GROUP BY s.hours, t.seconds
), out AS MATERIALIZED (
    SELECT DISTINCT scope, site_id FROM outages
    WHERE dismissed_at IS NULL AND began_at <= %(now)s::timestamptz
      AND (ended_at IS NULL OR ended_at > %(now)s::timestamptz)
), placed AS (
    SELECT s.site_id, s.kind, h.hours, g.open_since, x.site_id IS NOT NULL AS is_out
    FROM sites AS s LEFT JOIN opening AS h USING (site_id) LEFT JOIN openings AS g ON g.hours = h.hours
    LEFT JOIN out AS x ON x.site_id = s.site_id
), judged AS (
    SELECT d.device_id, d.state, d.state_since, p.last_heard_at, p.state_at, s.open_since, s.is_out, CASE
        WHEN p.last_heard_at IS NULL THEN 'never_seen'
        WHEN p.last_heard_at < CASE WHEN s.open_since IS NULL THEN
            %(now)s::timestamptz - n.silent_seconds * INTERVAL '1 second' ELSE silent.at END THEN 'silent'
        WHEN p.last_heard_at < CASE WHEN s.open_since IS NULL THEN
            %(now)s::timestamptz - n.late_seconds * INTERVAL '1 second' ELSE late.at END THEN 'late'
        WHEN p.state = 'offline' AND (s.open_since IS NULL OR p.state_at >= s.open_since) THEN 'late'
        ELSE 'online' END AS presence
    FROM devices AS d
    JOIN placed AS s USING (site_id)
    JOIN limits AS n ON n.model_id = d.model_id AND n.site_kind = s.kind
    LEFT JOIN device_presence AS p USING (device_id)
    LEFT JOIN deadlines AS late ON late.hours = s.hours AND late.seconds = n.late_seconds
    LEFT JOIN deadlines AS silent ON silent.hours = s.hours AND silent.seconds = n.silent_seconds
)
SELECT device_id, presence, CASE WHEN isfinite(since) THEN since ELSE 'epoch' END AS presence_since,
       CASE WHEN presence = 'online' THEN NULL
            WHEN state <> 'in_service' THEN 'not_in_service'
            WHEN open_since IS NULL THEN 'closed'
            WHEN (SELECT count(*) FROM out WHERE scope = 'platform') > 0 THEN 'platform_outage'
            WHEN is_out THEN 'site_outage' END AS excused_by
FROM judged CROSS JOIN LATERAL (
    SELECT CASE presence WHEN 'online' THEN state_at WHEN 'never_seen' THEN state_since ELSE last_heard_at END AS since
) AS s
"""  # noqa: S608 - constants of ours
