"""How each device of a programme stands at the end of a day: derived from the ledger's own records, nothing is stored.

Where a record says from when it holds (steps of devices and of cases, placements, holds, flags), that is asked. Of all
else the audit knows what it was: the next change of a row after that day holds the row from before.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.audit.history import end_of
from fleet.programmes.programme import Programme

# Each device by itself, over indexes: joined as sets, the planner takes a scope it has never seen for a few devices and
# reads all cases for each. The audit's rows are gathered and not limited: for a first row it would be read from its
# beginning. `reasons` names what holds a device up, the stage it is in first; empty of one that is retired.
_STANDING: Final = """
WITH scope AS MATERIALIZED (
    SELECT s.device_id, s.entered_at, s.retired_at,
           s.retired_at IS NOT NULL AND s.retired_at < %(end)s::timestamptz AS is_done
    FROM programme_scope AS s WHERE s.programme_id = %(programme_id)s::integer AND s.entered_at < %(end)s::timestamptz
), standing AS (
    SELECT o.device_id, o.entered_at, o.retired_at, o.is_done, d.device_no, d.site_id, d.state, own.told,
           c.case_id, r.case_no, c.state AS case_state, c.since AS case_since, r.path, r.kept_until, r.method,
           r.recipient, r.receipt_no, r.income_fen, h.holds, f.is_flagged,
           -- The row may be of another step than the day's; then the state's own deadline counts.
           CASE WHEN r.state = c.state THEN r.due_on
                ELSE (c.since AT TIME ZONE 'Asia/Shanghai')::date + l.days END AS due_on,
           CASE WHEN own.told IS NULL THEN d.owner_type ELSE own.told ->> 'owner_type' END AS owner_type
    FROM scope AS o JOIN devices AS d USING (device_id)
    LEFT JOIN LATERAL (
        SELECT (array_agg(coalesce(a.before, a.after) ORDER BY a.audit_id))[1] AS told FROM audit AS a
        WHERE a.entity = 'devices' AND a.label = d.device_no AND a.at >= %(end)s
    ) AS own ON true
    LEFT JOIN LATERAL (
        SELECT c.case_id, c.case_no, to_jsonb(c) AS told, s.to_state AS state, s.at AS since
        FROM cases AS c JOIN case_steps AS s ON s.case_id = c.case_id AND s.at < %(end)s
        WHERE c.device_id = o.device_id ORDER BY c.case_id DESC, s.at DESC, s.step_id DESC LIMIT 1
    ) AS c ON true
    LEFT JOIN LATERAL jsonb_populate_record(NULL::cases, coalesce(
        (SELECT (array_agg(coalesce(a.before, a.after) ORDER BY a.audit_id))[1] FROM audit AS a
         WHERE a.entity = 'cases' AND a.label = c.case_no AND a.at >= %(end)s),
        c.told)) AS r ON c.case_id IS NOT NULL
    LEFT JOIN case_deadlines AS l ON l.state = c.state
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT h.kind ORDER BY h.kind) AS holds FROM device_holds AS h
        WHERE h.device_id = o.device_id AND h.begins_at < %(end)s AND (h.ends_at IS NULL OR h.ends_at >= %(end)s)
    ) AS h
    CROSS JOIN LATERAL (
        SELECT count(*) > 0 AS is_flagged FROM flags AS f
        WHERE f.device_id = o.device_id AND f.flagged_at < %(end)s AND (f.ended_at IS NULL OR f.ended_at >= %(end)s)
    ) AS f
), judged AS (
    SELECT s.*, CASE WHEN s.is_done THEN '{}' ELSE array_remove(ARRAY[
        CASE
            WHEN s.case_state = 'kept' AND (s.kept_until IS NULL OR s.kept_until >= %(day)s::date) THEN 'kept'
            WHEN s.case_state IS NULL OR s.case_state = 'kept'
                THEN CASE WHEN s.is_flagged THEN 'no_case' ELSE 'not_flagged' END
            WHEN s.case_state = 'opened' THEN 'waiting_for_proposal'
            WHEN s.case_state = 'proposed' AND s.path = 'state' THEN 'waiting_for_appraisal'
            WHEN s.case_state IN ('proposed', 'appraised') THEN 'waiting_for_approval'
            WHEN s.case_state = 'approved' THEN 'waiting_for_execution'
            WHEN s.case_state = 'executing' THEN 'waiting_for_silence'
            WHEN s.case_state = 'silent' AND s.path = 'state' THEN 'waiting_for_recovery'
            WHEN s.case_state IN ('silent', 'recovered') THEN 'waiting_for_wiping'
            WHEN s.case_state IN ('rejected', 'withdrawn', 'stopped') THEN s.case_state
            ELSE 'waiting_for_disposal'
        END,
        CASE WHEN s.holds IS NOT NULL THEN 'held' END,
        -- A case that is over has nothing due.
        CASE WHEN s.due_on < %(day)s AND NOT is_over(s.case_state)
             THEN 'overdue' END,
        CASE WHEN s.owner_type IS NULL THEN 'no_owner' END
    ], NULL) END AS reasons
    FROM standing AS s
)
"""
# A programme in a few rows: how many stand in the same way.
GROUPS: Final = f"""{_STANDING}
SELECT is_done, case_state, reasons, count(*) AS devices FROM judged GROUP BY is_done, case_state, reasons
"""  # noqa: S608 - a constant in a constant
# Each device with all that the reporting line asks of it. State and site are those of the day.
DEVICES: Final = f"""{_STANDING}
SELECT j.device_no, m.kind, m.model_no, t.site_no, coalesce(r.told ->> 'name_zh', t.name_zh) AS site_zh,
       coalesce(r.told ->> 'name_en', t.name_en) AS site_en,
       coalesce(r.told ->> 'region_code', t.region_code) AS region_code, j.owner_type,
       CASE WHEN j.told IS NULL THEN d.original_value_fen ELSE (j.told ->> 'original_value_fen')::bigint END
           AS original_value_fen,
       then_.state, j.entered_at, j.is_done, CASE WHEN j.is_done THEN j.retired_at END AS retired_at, j.reasons,
       coalesce(j.holds, '{{}}') AS holds, j.case_no, j.case_state, j.case_since, j.path, j.due_on, j.kept_until,
       steps.proposed_at, steps.approved_at, steps.executed_at, steps.disposed_at, steps.approval_document,
       CASE WHEN steps.disposed_at IS NOT NULL THEN j.method END AS method,
       CASE WHEN steps.disposed_at IS NOT NULL THEN j.recipient END AS recipient,
       CASE WHEN steps.disposed_at IS NOT NULL THEN j.receipt_no END AS receipt_no,
       CASE WHEN steps.disposed_at IS NOT NULL THEN j.income_fen END AS income_fen
FROM judged AS j JOIN devices AS d USING (device_id)
JOIN models AS m ON m.model_id = coalesce((j.told ->> 'model_id')::integer, d.model_id)
CROSS JOIN LATERAL (SELECT coalesce(
    (SELECT q.to_state FROM device_transitions AS q
     WHERE q.device_id = j.device_id AND q.at < %(end)s ORDER BY q.at DESC, q.transition_id DESC LIMIT 1),
    (SELECT q.from_state FROM device_transitions AS q
     WHERE q.device_id = j.device_id AND q.at >= %(end)s ORDER BY q.at, q.transition_id LIMIT 1),
    j.told ->> 'state', j.state) AS state) AS then_
CROSS JOIN LATERAL (SELECT coalesce(
    (SELECT q.site_id FROM device_placements AS q
     WHERE q.device_id = j.device_id AND q.since < %(end)s ORDER BY q.since DESC, q.placement_id DESC LIMIT 1),
    (j.told ->> 'site_id')::integer, j.site_id) AS site_id) AS place
JOIN sites AS t ON t.site_id = place.site_id
LEFT JOIN LATERAL (
    SELECT (array_agg(coalesce(a.before, a.after) ORDER BY a.audit_id))[1] AS told FROM audit AS a
    WHERE a.entity = 'sites' AND a.label = t.site_no AND a.at >= %(end)s
) AS r ON true
CROSS JOIN LATERAL (
    SELECT min(q.at) FILTER (WHERE q.to_state = 'proposed') AS proposed_at,
           min(q.at) FILTER (WHERE q.to_state = 'approved') AS approved_at,
           min(q.at) FILTER (WHERE q.to_state = 'executing') AS executed_at,
           min(q.at) FILTER (WHERE q.to_state = 'disposed') AS disposed_at,
           coalesce(
               (array_agg(q.document ORDER BY q.at DESC)
                   FILTER (WHERE q.to_state = 'approved' AND q.document IS NOT NULL))[1],
               (SELECT p.name FROM case_documents AS p
                WHERE p.case_id = j.case_id AND p.kind IN ('approval', 'consent') AND p.added_at < %(end)s
                ORDER BY p.document_id DESC LIMIT 1)) AS approval_document
    FROM case_steps AS q WHERE q.case_id = j.case_id AND q.at < %(end)s
) AS steps
WHERE (%(reason)s::text IS NULL OR %(reason)s = ANY (j.reasons))
  AND (%(after)s::text IS NULL OR j.device_no > %(after)s)
ORDER BY j.device_no LIMIT %(rows)s
"""  # noqa: S608 - as above
# When devices came into scope, and when they left the ledger.
STEPS: Final = """
SELECT (m.at AT TIME ZONE 'Asia/Shanghai')::date AS day, count(*) FILTER (WHERE m.is_entry) AS entered,
       count(*) FILTER (WHERE NOT m.is_entry) AS retired
FROM programme_scope AS s CROSS JOIN LATERAL (VALUES (s.entered_at, true), (s.retired_at, false)) AS m (at, is_entry)
WHERE s.programme_id = %(programme_id)s::integer AND m.at < %(end)s::timestamptz
GROUP BY 1 ORDER BY 1
"""
# Several programmes at once, each on its own day. The list is asked of the scope besides: a join would find all of it.
FIGURES: Final = """
SELECT w.programme_id, count(*) AS devices, count(*) FILTER (WHERE s.retired_at < w.ends) AS retired,
       count(*) FILTER (WHERE s.retired_at < w.ends AND s.retired_at >= w.since) AS lately
FROM unnest(%(programme_ids)s::integer[], %(ends)s::timestamptz[], %(sinces)s::timestamptz[])
    AS w (programme_id, ends, since)
JOIN programme_scope AS s ON s.programme_id = w.programme_id AND s.entered_at < w.ends
WHERE s.programme_id = ANY(%(programme_ids)s::integer[])
GROUP BY w.programme_id
"""


def parameters(programme: Programme, day: date) -> dict[str, Any]:
    """What the queries take of *programme* on *day*."""
    judged = programme.judged_on(day)
    return {"programme_id": programme.programme_id, "day": judged, "end": end_of(judged)}


def devices(
    connection: Connection[Any],
    programme: Programme,
    day: date,
    *,
    reason: str | None = None,
    after: str | None = None,
    rows: int | None = None,
) -> list[dict[str, Any]]:
    """The devices of *programme* as they stood at the end of *day*, by number; with *reason*, those it holds up."""
    asked = parameters(programme, day) | {"reason": reason, "after": after, "rows": rows}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(DEVICES, asked).fetchall()


def groups(connection: Connection[Any], programme: Programme, day: date) -> Sequence[Mapping[str, Any]]:
    """How many devices stand in the same way at the end of *day*."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(GROUPS, parameters(programme, day)).fetchall()
