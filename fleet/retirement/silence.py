"""The proof of silence: nothing was accepted for a day of a device whose case is executed; what it tried is counted.

Until then the case waits in `executing`. If something was accepted after all, the day begins anew with it; so it does
with the end of an outage of ours, in which nobody would have heard anything.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.acting import FLEET, acting
from fleet.keys import Keys
from fleet.retirement.cases import carry_out
from fleet.retirement.order import Order
from store.records import TELEMETRY

SILENCE: Final = timedelta(hours=24)
# Cases of one round; the next is a minute away.
AT_ONCE: Final = 500
# How far a device's own buffer reaches back: what it keeps is a week at most, and records are found by their own time.
BUFFER: Final = timedelta(days=8)

_SINCE: Final = "coalesce(c.silent_since, c.executed_at)"
# What ingest keeps of each device beside its records: when it was heard, its newest values, its births and deaths.
HEARD: Final = f"""
SELECT c.case_id, h.heard_at
FROM cases AS c
CROSS JOIN LATERAL (
    SELECT greatest(
        (SELECT p.last_heard_at FROM device_presence AS p WHERE p.device_id = c.device_id),
        (SELECT max(l.received_at) FROM latest AS l WHERE l.device_id = c.device_id),
        (SELECT max(p.at) FROM presence AS p WHERE p.device_id = c.device_id),
        (SELECT max(o.ended_at) FROM outages AS o
         WHERE o.scope = 'platform' AND o.dismissed_at IS NULL AND o.ended_at <= %(now)s::timestamptz)) AS heard_at
) AS h
WHERE c.state = 'executing' AND h.heard_at > {_SINCE}
"""  # noqa: S608 - constants in a constant, here and below
DUE: Final = f"""
SELECT c.case_id FROM cases AS c
WHERE c.state = 'executing' AND {_SINCE} + %(silence)s::interval <= %(now)s::timestamptz
  AND (SELECT count(*) FROM outages AS o
       WHERE o.scope = 'platform' AND o.dismissed_at IS NULL AND o.began_at <= %(now)s::timestamptz
         AND (o.ended_at IS NULL OR o.ended_at > %(now)s::timestamptz)) = 0
ORDER BY c.case_id LIMIT %(rows)s
"""  # noqa: S608
_RECORDS: Final = "\n        UNION ALL ".join(
    f"SELECT max(received_at) FROM {stream} WHERE device_id = c.device_id"  # noqa: S608
    " AND at > c.executed_at - %(buffer)s::interval AND received_at > c.executed_at"
    for stream in TELEMETRY
)
# The records themselves, once: when everything else says that the day is over.
RECORDED: Final = f"""
SELECT c.case_id, max(r.received_at) AS heard_at
FROM cases AS c CROSS JOIN LATERAL ({_RECORDS}) AS r (received_at)
WHERE c.case_id = ANY(%(case_ids)s::int4[])
GROUP BY c.case_id, c.silent_since, c.executed_at HAVING max(r.received_at) > {_SINCE}
"""  # noqa: S608
MOVE: Final = f"""
UPDATE cases AS c SET silent_since = g.heard_at, updated_at = now()
FROM unnest(%(case_ids)s::int4[], %(heard_ats)s::timestamptz[]) AS g (case_id, heard_at)
WHERE c.case_id = g.case_id AND c.state = 'executing' AND {_SINCE} < g.heard_at
"""  # noqa: S608
# Of a credential that was revoked earlier only what came since; a repeated message is one letter.
PROOFS: Final = f"""
SELECT c.case_no, {_SINCE} AS silent_since, jsonb_build_object(
    'from', {_SINCE}, 'until', %(now)s::timestamptz, 'accepted', 0,
    'attempts', jsonb_build_object('broker', b.attempts, 'ingest', i.attempts),
    'last_attempt_at', greatest(b.last_at, i.last_at),
    'hosts', to_jsonb(b.hosts), 'streams', to_jsonb(i.streams),
    'retained', CASE WHEN r.cleared_at IS NOT NULL
                     THEN jsonb_build_object('cleared_at', r.cleared_at, 'topics', to_jsonb(r.topics)) END) AS proof
FROM cases AS c JOIN devices AS d USING (device_id) LEFT JOIN retained_clearings AS r USING (device_id)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(a.accesses), 0)::bigint AS attempts, max(a.last_at) AS last_at,
           coalesce((array_agg(DISTINCT a.host))[:10], '{{}}') AS hosts
    FROM refused_accesses AS a
    WHERE a.device_id = c.device_id AND a.last_at > c.executed_at
      AND (a.reason = 'retired' OR (a.reason = 'revoked' AND a.first_at >= c.executed_at))
) AS b
CROSS JOIN LATERAL (
    SELECT count(*) AS attempts, max(l.received_at) AS last_at,
           coalesce(array_agg(DISTINCT l.stream), '{{}}') AS streams
    FROM dead_letters AS l
    WHERE l.device_no = d.device_no AND l.reason = 'retired_device' AND l.received_at > c.executed_at
) AS i
WHERE c.case_id = ANY(%(case_ids)s::int4[])
ORDER BY c.case_id
"""  # noqa: S608


def watch(connection: Connection[Any], *, keys: Keys, now: datetime, silence: timedelta = SILENCE) -> list[str]:
    """The numbers of the cases whose silence is proven at *now*; they are silent then.

    A round of the fleet: *connection* is in autocommit, and where nothing is to be written nothing is.
    """
    if not _heard(connection, now) and not _due(connection, now, silence):
        return []
    with acting(connection, FLEET, keys=keys, reason="proof of silence"):
        return prove(connection, now=now, silence=silence)


def prove(connection: Connection[Any], *, now: datetime, silence: timedelta = SILENCE) -> list[str]:
    """The same within acting."""
    heard = _heard(connection, now)
    spoken = {case_id for case_id, _ in heard}
    due = [case_id for case_id in _due(connection, now, silence) if case_id not in spoken]
    recorded = connection.execute(RECORDED, {"case_ids": due, "buffer": BUFFER}).fetchall() if due else []
    late = {case_id for case_id, _ in recorded}
    with connection.cursor(row_factory=dict_row) as cursor:
        proofs = cursor.execute(
            PROOFS, {"case_ids": [case_id for case_id in due if case_id not in late], "now": now}
        ).fetchall()
    orders = [
        Order(case_no=found["case_no"], row=row, silence=found["proof"], silent_since=found["silent_since"])
        for row, found in enumerate(proofs, 1)
    ]
    if orders:
        carry_out(connection, "silence", orders, now=now, apply=True).settle()
    # Not before: devices are locked before cases, by all.
    _move(connection, [*heard, *recorded])
    return [order.case_no for order in orders if order.case_no is not None]


def _heard(connection: Connection[Any], now: datetime) -> list[tuple[Any, ...]]:
    return connection.execute(HEARD, {"now": now}).fetchall()


def _due(connection: Connection[Any], now: datetime, silence: timedelta) -> list[int]:
    given = {"now": now, "silence": silence, "rows": AT_ONCE}
    return [case_id for (case_id,) in connection.execute(DUE, given)]


def _move(connection: Connection[Any], heard: Sequence[tuple[Any, ...]]) -> None:
    """Begin the day anew where something was accepted."""
    if heard:
        given = {"case_ids": [row[0] for row in heard], "heard_ats": [row[1] for row in heard]}
        connection.execute(MOVE, given)
