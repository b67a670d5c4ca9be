"""One identity in several hands: credentials used from two hosts at once, client ids that are not their device's."""

from typing import Final

from fleet.identity.strangers import RECENT

# What is kept of each host is its first and its last use. A device that went to another network and came back within a
# day therefore looks shared too: the remedy says to ask first.
_SHARED: Final = """
WITH lively AS (
    SELECT a.device_id, a.host, a.first_at, a.last_at, a.accesses
    FROM device_accesses AS a WHERE a.last_at > now() - INTERVAL '24 hours'
), overlapping AS (
    SELECT a.device_id, a.host, a.accesses, a.last_at, greatest(a.first_at, b.first_at) AS since
    FROM lively AS a JOIN lively AS b
      ON b.device_id = a.device_id AND b.host <> a.host AND b.first_at <= a.last_at AND b.last_at >= a.first_at
)
"""
COUNT_SHARED_CREDENTIALS: Final = f"{_SHARED} SELECT count(DISTINCT device_id) AS total FROM overlapping"  # noqa: S608
SHARED_CREDENTIALS: Final = f"""
{_SHARED}, uses AS (
    SELECT device_id, host, max(accesses) AS accesses, max(last_at) AS last_at, min(since) AS since
    FROM overlapping GROUP BY device_id, host
)
SELECT d.device_no, m.kind, s.site_no, d.stall_no, array_agg(u.host ORDER BY u.host) AS hosts,
       sum(u.accesses)::bigint AS accesses, min(u.since) AS since, max(u.last_at) AS last_at
FROM uses AS u JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
WHERE %(after)s::text IS NULL OR d.device_no > %(after)s
GROUP BY d.device_no, m.kind, s.site_no, d.stall_no
ORDER BY d.device_no LIMIT %(rows)s
"""  # noqa: S608

_CLIENT_IDS: Final = f"""
WITH tries AS (
    SELECT r.client_id, r.username, max(d.device_no) AS device_no, bool_or(r.reason = 'wrong_client_id') AS is_wrong,
           array_agg(DISTINCT r.reason) AS reasons, (array_agg(DISTINCT r.host))[:10] AS hosts,
           sum(r.accesses)::bigint AS accesses, min(r.first_at) AS first_at, max(r.last_at) AS last_at
    FROM refused_accesses AS r LEFT JOIN devices AS d USING (device_id)
    WHERE r.last_at > {RECENT}
    GROUP BY r.client_id, r.username
), counted AS (
    SELECT t.*, count(*) FILTER (WHERE t.username <> '') OVER (PARTITION BY t.client_id) AS usernames FROM tries AS t
), conflicting AS (
    SELECT * FROM counted WHERE is_wrong OR (client_id <> '' AND username <> '' AND usernames > 1)
)
"""  # noqa: S608 - constants in a constant
COUNT_CLIENT_IDS: Final = f"{_CLIENT_IDS} SELECT count(*) AS total FROM conflicting"  # noqa: S608
CLIENT_IDS: Final = f"""
{_CLIENT_IDS}
SELECT c.client_id, c.username, c.device_no, c.usernames,
       EXISTS (SELECT FROM devices AS d WHERE d.device_no = c.client_id) AS is_of_a_device,
       c.reasons, c.hosts, c.accesses, c.first_at, c.last_at
FROM conflicting AS c
WHERE %(after)s::text IS NULL OR (c.client_id, c.username) > (%(after)s, %(after_username)s::text)
ORDER BY c.client_id, c.username LIMIT %(rows)s
"""  # noqa: S608
