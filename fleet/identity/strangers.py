"""Who speaks and has no place in the ledger: strangers, and numbers that were retired and still try.

A stranger is known by its quarantined messages, by its refused connections, or both, under the number it gave itself.
"""

from typing import Final

# What a refused connection called itself: its user name, else its client id.
_CALLED: Final = "coalesce(nullif(r.username, ''), r.client_id)"
_IS_CALLED: Final = "(r.username = p.device_no OR (r.username = '' AND r.client_id = p.device_no))"
# As the index dead_letters_of_strangers has it.
_WAITS: Final = "d.reason = 'unknown_device' AND d.device_no IS NOT NULL AND d.replayed_at IS NULL"
_UNKNOWN: Final = "r.reason IN ('unknown_device', 'no_credentials') AND r.device_id IS NULL"
# A connection that was refused longer ago says nothing of today. Letters wait until they are replayed or purged.
RECENT: Final = "now() - INTERVAL '7 days'"

# From one number to the next in the index: of a million letters only as many are looked at as there are numbers.
_STRANGERS: Final = f"""
WITH RECURSIVE heard (device_no) AS (
    (SELECT min(d.device_no) FROM dead_letters AS d WHERE {_WAITS})
    UNION ALL
    SELECT (SELECT min(d.device_no) FROM dead_letters AS d WHERE {_WAITS} AND d.device_no > h.device_no)
    FROM heard AS h WHERE h.device_no IS NOT NULL
), called (device_no) AS (
    SELECT device_no FROM heard
    UNION
    SELECT {_CALLED} FROM refused_accesses AS r WHERE {_UNKNOWN} AND r.last_at > {RECENT}
), strangers AS (
    SELECT c.device_no FROM called AS c
    WHERE c.device_no <> '' AND NOT EXISTS (SELECT FROM devices AS d WHERE d.device_no = c.device_no)
      AND NOT EXISTS (SELECT FROM tombstones AS t WHERE t.device_no = c.device_no)
)
"""  # noqa: S608 - constants in a constant, here and below
COUNT_STRANGERS: Final = f"{_STRANGERS} SELECT count(*) AS total FROM strangers"  # noqa: S608
STRANGERS: Final = f"""
{_STRANGERS}, page AS (
    SELECT device_no FROM strangers WHERE %(after)s::text IS NULL OR device_no > %(after)s
    ORDER BY device_no LIMIT %(rows)s
)
SELECT p.device_no, p.device_no ~ '^[A-Za-z0-9_-]{{1,64}}$' AS may_be_registered,
       l.streams, l.letters, l.records, l.first_received_at, l.last_received_at,
       k.refused_accesses, k.hosts, k.client_ids, k.first_refused_at, k.last_refused_at
FROM page AS p
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT d.stream) FILTER (WHERE d.stream IS NOT NULL), '{{}}') AS streams,
           count(*) AS letters, coalesce(sum(d.records), 0)::bigint AS records,
           min(d.received_at) AS first_received_at, max(d.received_at) AS last_received_at
    FROM dead_letters AS d
    WHERE d.device_no = p.device_no AND {_WAITS}
) AS l
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.accesses), 0)::bigint AS refused_accesses,
           coalesce((array_agg(DISTINCT r.host))[:10], '{{}}') AS hosts,
           coalesce((array_agg(DISTINCT r.client_id) FILTER (WHERE r.client_id <> ''))[:10], '{{}}') AS client_ids,
           min(r.first_at) AS first_refused_at, max(r.last_at) AS last_refused_at
    FROM refused_accesses AS r WHERE {_IS_CALLED} AND {_UNKNOWN}
) AS k
ORDER BY p.device_no
"""  # noqa: S608

# Retired is who has a tombstone, was decommissioned, or had a credential revoked. A deleted number comes in as one that
# is unknown.
_LETTERS_OF_RETIRED: Final = "d.reason IN ('retired_device', 'unknown_device') AND d.replayed_at IS NULL"
_REFUSED_RETIRED: Final = """
(r.reason IN ('retired', 'revoked') OR (r.reason IN ('unknown_device', 'no_credentials')
    AND EXISTS (SELECT FROM tombstones AS t WHERE t.device_no = coalesce(nullif(r.username, ''), r.client_id))))
"""
_RETIRED: Final = f"""
WITH retired AS (
    SELECT t.device_no FROM tombstones AS t
    CROSS JOIN LATERAL (
        SELECT FROM dead_letters AS d
        WHERE d.device_no = t.device_no AND {_LETTERS_OF_RETIRED} AND d.received_at > greatest({RECENT}, t.retired_at)
        LIMIT 1
    ) AS tries
    UNION
    SELECT o.device_no FROM devices AS o
    CROSS JOIN LATERAL (
        SELECT FROM dead_letters AS d
        WHERE d.device_no = o.device_no AND {_LETTERS_OF_RETIRED}
          AND d.received_at > greatest({RECENT}, o.decommissioned_at)
        LIMIT 1
    ) AS tries
    WHERE o.decommissioned_at IS NOT NULL
    UNION
    SELECT coalesce(d.device_no, {_CALLED})
    FROM refused_accesses AS r LEFT JOIN devices AS d USING (device_id)
    WHERE r.last_at > {RECENT} AND {_REFUSED_RETIRED}
)
"""  # noqa: S608
COUNT_RETIRED: Final = f"{_RETIRED} SELECT count(*) AS total FROM retired"  # noqa: S608
RETIRED: Final = f"""
{_RETIRED}, page AS (
    SELECT r.device_no, t.device_no IS NOT NULL OR o.decommissioned_at IS NOT NULL AS is_retired,
           coalesce(t.state, o.state) AS state, least(o.decommissioned_at, t.retired_at) AS retired_at, o.device_id
    FROM retired AS r LEFT JOIN tombstones AS t USING (device_no) LEFT JOIN devices AS o USING (device_no)
    WHERE %(after)s::text IS NULL OR r.device_no > %(after)s
    ORDER BY r.device_no LIMIT %(rows)s
)
SELECT p.device_no, p.is_retired, p.state,
       coalesce(p.retired_at, (SELECT max(c.revoked_at) FROM credentials AS c WHERE c.device_id = p.device_id))
           AS retired_at,
       l.letters, l.records, k.refused_accesses, k.reasons, k.hosts,
       least(l.first_at, k.first_at) AS first_at, greatest(l.last_at, k.last_at) AS last_at
FROM page AS p
CROSS JOIN LATERAL (
    SELECT count(*) AS letters, coalesce(sum(d.records), 0)::bigint AS records,
           min(d.received_at) AS first_at, max(d.received_at) AS last_at
    FROM dead_letters AS d
    WHERE d.device_no = p.device_no AND {_LETTERS_OF_RETIRED} AND d.received_at > p.retired_at
) AS l
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.accesses), 0)::bigint AS refused_accesses,
           coalesce(array_agg(DISTINCT r.reason), '{{}}') AS reasons,
           coalesce((array_agg(DISTINCT r.host))[:10], '{{}}') AS hosts,
           min(r.first_at) AS first_at, max(r.last_at) AS last_at
    FROM refused_accesses AS r
    WHERE (r.device_id = p.device_id OR {_IS_CALLED}) AND {_REFUSED_RETIRED}
) AS k
ORDER BY p.device_no
"""  # noqa: S608
