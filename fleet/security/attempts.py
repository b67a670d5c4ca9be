"""What retired identities try: at the broker, refused at their login, and in ingest, refused message by message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import dict_row

Channel = Literal["broker", "ingest"]
CHANNELS: Final[tuple[Channel, ...]] = ("broker", "ingest")
# What was on its way when the device was retired, and the last will that the broker tells when it closes the
# connection, are refused as well, but they are no attempt of anybody. The door closes within 5 s.
GRACE: Final = timedelta(seconds=10)
# Of hosts and client ids so many are named.
NAMED: Final = 10

# Since when a device is retired: the earlier of the two, as a device that is decommissioned is disposed of some day.
_SINCE: Final = "least(d.decommissioned_at, t.retired_at)"
# The row that stands for the channel, and what those that were dealt with had counted already.
_KNOWN: Final = """
LEFT JOIN security_events AS o ON o.device_id = d.device_id AND o.channel = '{channel}' AND o.settled_at IS NULL
LEFT JOIN LATERAL (
    SELECT max(s.settled_at) AS settled_at, coalesce(sum(s.attempts), 0)::bigint AS attempts
    FROM security_events AS s
    WHERE s.device_id = d.device_id AND s.channel = '{channel}' AND s.settled_at IS NOT NULL
) AS dealt ON true
"""
_IS_MEANT: Final = """
is_retired(d.state, d.decommissioned_at) AND (%(device_id)s::int IS NULL OR d.device_id = %(device_id)s::int)
AND (o.noted_at IS NULL OR o.noted_at <= %(noted_before)s::timestamptz)
"""
# A credential that was revoked before the device was retired is another matter. Refusals are counted per caller for
# good: of what is counted, that which was dealt with is taken away again.
REFUSED: Final = f"""
SELECT d.device_id, d.device_no, 'broker' AS channel, o.security_event_id,
       greatest(sum(r.accesses)::bigint - dealt.attempts, 1) AS attempts,
       greatest(min(r.first_at), dealt.settled_at) AS first_at, max(r.last_at) AS last_at,
       jsonb_build_object(
           'hosts', to_jsonb((array_agg(DISTINCT r.host))[:{NAMED}]),
           'client_ids', to_jsonb((array_agg(DISTINCT r.client_id))[:{NAMED}]),
           'reasons', to_jsonb(array_agg(DISTINCT r.reason))) AS evidence
FROM refused_accesses AS r JOIN devices AS d USING (device_id) LEFT JOIN tombstones AS t USING (device_no)
{_KNOWN.format(channel="broker")}
WHERE {_IS_MEANT} AND r.last_at > {_SINCE}
  AND (r.reason = 'retired' OR (r.reason = 'revoked' AND r.first_at >= {_SINCE}))
GROUP BY d.device_id, d.device_no, d.decommissioned_at, t.retired_at, o.security_event_id, o.last_at,
         dealt.settled_at, dealt.attempts
HAVING max(r.last_at) > coalesce(o.last_at, greatest({_SINCE}, dealt.settled_at))
"""  # noqa: S608 - constants in a constant, here and below
_WAITS: Final = "l.reason = 'retired_device' AND l.device_no IS NOT NULL"
# From one number to the next in the index, and counted only where something new came.
LETTERS: Final = f"""
WITH RECURSIVE heard (device_no) AS (
    (SELECT min(l.device_no) FROM dead_letters AS l WHERE {_WAITS})
    UNION ALL
    SELECT (SELECT min(l.device_no) FROM dead_letters AS l WHERE {_WAITS} AND l.device_no > h.device_no)
    FROM heard AS h WHERE h.device_no IS NOT NULL
), retired AS (
    SELECT d.device_id, d.device_no, o.security_event_id, o.last_at AS known_at,
           greatest({_SINCE} + %(grace)s::interval, dealt.settled_at) AS since
    FROM heard JOIN devices AS d USING (device_no) LEFT JOIN tombstones AS t USING (device_no)
    {_KNOWN.format(channel="ingest")}
    WHERE {_IS_MEANT}
)
SELECT p.device_id, p.device_no, 'ingest' AS channel, p.security_event_id, n.attempts, n.first_at, n.last_at,
       jsonb_build_object('records', n.records, 'streams', to_jsonb(n.streams), 'dead_letter_id', n.newest) AS evidence
FROM (
    SELECT r.*,
           (SELECT max(l.received_at) FROM dead_letters AS l WHERE l.device_no = r.device_no AND {_WAITS}) AS last_at
    FROM retired AS r
) AS p
CROSS JOIN LATERAL (
    SELECT count(*) AS attempts, sum(l.records)::bigint AS records, min(l.received_at) AS first_at,
           max(l.received_at) AS last_at, array_agg(DISTINCT l.stream) AS streams, max(l.dead_letter_id) AS newest
    FROM dead_letters AS l WHERE l.device_no = p.device_no AND {_WAITS} AND l.received_at > p.since
) AS n
WHERE p.last_at > coalesce(p.known_at, p.since) AND n.attempts > 0
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """What a retired device tried on a channel and nobody has dealt with; *security_event_id* where that is known."""

    device_id: int
    device_no: str
    channel: Channel
    security_event_id: int | None
    attempts: int
    first_at: datetime
    last_at: datetime
    evidence: Mapping[str, Any]


def read(connection: Connection[Any], *, noted_before: datetime, device_id: int | None = None) -> list[Attempts]:
    """Of all retired devices, or of one, what is new since it was last noted, unless that was after *noted_before*."""
    given = {"noted_before": noted_before, "device_id": device_id, "grace": GRACE}
    found = []
    with connection.cursor(row_factory=dict_row) as cursor:
        for query in (REFUSED, LETTERS):
            found += [Attempts(**row) for row in cursor.execute(query, given)]
    return sorted(found, key=lambda one: (one.device_id, one.channel))
