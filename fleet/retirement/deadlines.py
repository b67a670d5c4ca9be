"""Cases that stay too long where they are: somebody is reminded before the day, and others are told after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from fleet import events
from fleet.acting import FLEET, acting
from fleet.business_day import today
from fleet.errors import UnknownEntryError
from fleet.events import Event
from fleet.keys import Keys

# Rows that a step holds are left to the next round: the step gives them another day anyway.
REMIND: Final = """
WITH due AS MATERIALIZED (
    SELECT c.case_id FROM cases AS c JOIN case_deadlines AS l USING (state)
    WHERE c.due_on <= %(day)s::date + l.remind_days AND c.reminded_at IS NULL
    ORDER BY c.case_id FOR NO KEY UPDATE OF c SKIP LOCKED
)
UPDATE cases AS c SET reminded_at = %(now)s, updated_at = now()
FROM devices AS d
WHERE c.case_id = ANY (ARRAY(SELECT case_id FROM due)) AND d.device_id = c.device_id
RETURNING c.case_no, d.device_no, c.state, c.due_on
"""
ESCALATE: Final = """
WITH overdue AS MATERIALIZED (
    SELECT c.case_id FROM cases AS c JOIN case_deadlines AS l USING (state)
    WHERE c.due_on + l.escalate_days < %(day)s::date AND c.escalated_at IS NULL
    ORDER BY c.case_id FOR NO KEY UPDATE OF c SKIP LOCKED
)
UPDATE cases AS c SET escalated_at = %(now)s, updated_at = now()
FROM devices AS d
WHERE c.case_id = ANY (ARRAY(SELECT case_id FROM overdue)) AND d.device_id = c.device_id
RETURNING c.case_no, d.device_no, c.state, c.due_on
"""
# Kept through a day that is over: somebody has to look at the device again. Where that was done there is a later case.
KEPT: Final = """
WITH over AS MATERIALIZED (
    SELECT c.case_id FROM cases AS c
    WHERE c.state = 'kept' AND c.kept_until < %(day)s::date AND c.reminded_at IS NULL
      AND NOT EXISTS (SELECT FROM cases AS l WHERE l.device_id = c.device_id AND l.case_id > c.case_id)
    ORDER BY c.case_id FOR NO KEY UPDATE OF c SKIP LOCKED
)
UPDATE cases AS c SET reminded_at = %(now)s, updated_at = now()
FROM devices AS d
WHERE c.case_id = ANY (ARRAY(SELECT case_id FROM over)) AND d.device_id = c.device_id
RETURNING c.case_no, d.device_no, c.state, c.kept_until
"""
DEADLINES: Final = "SELECT state, days, remind_days, escalate_days FROM case_deadlines ORDER BY state"
PUT: Final = """
UPDATE case_deadlines
SET days = %(days)s, remind_days = %(remind_days)s, escalate_days = %(escalate_days)s, updated_at = now()
WHERE state = %(state)s RETURNING state, days, remind_days, escalate_days
"""
_KINDS: Final = (("case.due_soon", REMIND), ("case.escalated", ESCALATE), ("case.kept_until_over", KEPT))


@dataclass(frozen=True, slots=True)
class Deadline:
    """A case is to leave *state* within *days*; it is reminded of *remind_days* before, and escalated so long after."""

    state: str
    days: int
    remind_days: int
    escalate_days: int


def put_deadline(connection: Connection[Any], deadline: Deadline) -> Deadline:
    """*deadline* as it shall be for cases that enter its state from now on. Raises UnknownEntryError."""
    with connection.cursor(row_factory=class_row(Deadline)) as cursor:
        given = {name: getattr(deadline, name) for name in ("state", "days", "remind_days", "escalate_days")}
        found = cursor.execute(PUT, given).fetchone()
    if found is None:
        raise UnknownEntryError(f"cases have no deadline in the state {deadline.state!r}.")
    return found


def follow_up(connection: Connection[Any], *, now: datetime) -> Sequence[Event]:
    """Tell of the cases that are due soon, overdue, or kept until a day that has come, each once; what was told.

    To be called within acting.
    """
    given = {"day": today(now), "now": now}
    told = []
    for kind, query in _KINDS:
        for case_no, device_no, state, day in connection.execute(query, given):
            told.append(Event(kind, case_no, {"device_no": device_no, "state": state, "due_on": day.isoformat()}))
    events.record(connection, told)
    return told


def sweep(connection: Connection[Any], *, keys: Keys, now: datetime) -> None:
    """One round of :func:`follow_up`, as the fleet's own. *connection* is in autocommit."""
    with acting(connection, FLEET, keys=keys, reason="deadlines of cases"):
        follow_up(connection, now=now)
