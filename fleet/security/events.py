"""Security events: a retired identity speaks. One for a device and a channel, open until somebody dealt with it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from fleet import events
from fleet.acting import FLEET, acting
from fleet.errors import RefusedError, UnknownEntryError
from fleet.events import Event
from fleet.keys import Keys
from fleet.security import attempts
from fleet.security.attempts import Attempts

# Every change is audited: what goes on and on is brought up to date now and then.
NOTED_EVERY: Final = timedelta(minutes=10)
REMEDY_ZH: Final = (
    "找到该设备并断电，确认其凭据未被复制；查明后注明情况并办结。误停用的，用新编号重新登记，原编号不再使用。"
)
REMEDY_EN: Final = (
    "Find the device and switch it off, and make sure that nobody copied its credential; then settle the event with a "
    "note. If it was retired by mistake, register it under a new number: the old one is never issued again."
)

NOTE: Final = """
INSERT INTO security_events AS known (
    device_id, channel, first_at, last_at, attempts, evidence, raised_at, noted_at)
SELECT g.device_id, g.channel, g.first_at, g.last_at, g.attempts, g.evidence, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(device_id)s::int[], %(channel)s::text[], %(first_at)s::timestamptz[], %(last_at)s::timestamptz[],
            %(attempts)s::bigint[], %(evidence)s::jsonb[])
    AS g (device_id, channel, first_at, last_at, attempts, evidence)
ORDER BY g.device_id, g.channel
ON CONFLICT (device_id, channel) WHERE settled_at IS NULL DO UPDATE SET
    last_at = greatest(known.last_at, excluded.last_at), attempts = greatest(known.attempts, excluded.attempts),
    evidence = excluded.evidence, noted_at = excluded.noted_at, updated_at = now()
RETURNING security_event_id, device_id, channel
"""
# Locked: of two who settle it at once, the second sees that it is settled.
TAKE: Final = """
SELECT s.device_id, s.settled_at, s.settled_by FROM security_events AS s
WHERE s.security_event_id = %(security_event_id)s FOR UPDATE
"""
SETTLE: Final = """
UPDATE security_events SET settled_at = %(now)s, settled_by = acting_as(), note = %(note)s, updated_at = now()
WHERE security_event_id = %(security_event_id)s
"""
LIST: Final = """
SELECT s.security_event_id, d.device_no, d.state AS device_state, c.case_no, s.channel, s.first_at, s.last_at,
       s.attempts, s.evidence, s.raised_at, s.noted_at, s.settled_at, s.settled_by, s.note
FROM security_events AS s JOIN devices AS d USING (device_id)
LEFT JOIN LATERAL (
    SELECT case_no FROM cases WHERE cases.device_id = s.device_id AND executed_at IS NOT NULL
    ORDER BY case_id DESC LIMIT 1) AS c ON true
WHERE s.security_event_id < %(below)s::bigint
  AND (%(id)s::bigint IS NULL OR s.security_event_id = %(id)s::bigint)
  AND (%(open)s::bool IS NULL OR (s.settled_at IS NULL) = %(open)s::bool)
  AND (%(device_no)s::text IS NULL OR d.device_no = %(device_no)s::text)
  AND (%(channel)s::text IS NULL OR s.channel = %(channel)s::text)
ORDER BY s.security_event_id DESC LIMIT %(rows)s
"""
OPEN: Final = "SELECT channel, count(*)::int AS events FROM security_events WHERE settled_at IS NULL GROUP BY channel"
# Beyond every id.
FIRST_PAGE: Final = 2**62
EVERYTHING: Final = {"below": FIRST_PAGE, "id": None, "open": None, "device_no": None, "channel": None, "rows": 50}


def watch(connection: Connection[Any], *, keys: Keys, now: datetime) -> int:
    """Raise what retired identities began to try, and bring the numbers of what they go on with up to date; how many.

    A round of the fleet: *connection* is in autocommit, and where nothing is new nothing is written.
    """
    noted_before = now - NOTED_EVERY
    if not attempts.read(connection, noted_before=noted_before):
        return 0
    with acting(connection, FLEET, keys=keys, reason="a retired identity speaks"):
        found = attempts.read(connection, noted_before=noted_before)
        enter(connection, found, now=now)
    return len(found)


def enter(connection: Connection[Any], found: Sequence[Attempts], *, now: datetime) -> None:
    """Keep what was *found*; of those that are new, tell who watches. To be called within acting."""
    if not found:
        return
    columns: dict[str, list[Any]] = {
        name: [getattr(one, name) for one in found]
        for name in ("device_id", "channel", "first_at", "last_at", "attempts")
    }
    kept = connection.execute(NOTE, columns | {"evidence": [Jsonb(one.evidence) for one in found], "now": now})
    ids = {(device_id, channel): number for number, device_id, channel in kept}
    events.record(
        connection,
        [
            Event(
                "security.retired_speaks",
                one.device_no,
                {
                    "security_event_id": ids[one.device_id, one.channel],
                    "channel": one.channel,
                    "attempts": one.attempts,
                },
            )
            for one in found
            if one.security_event_id is None
        ],
    )


def settle(connection: Connection[Any], security_event_id: int, note: str, *, now: datetime) -> dict[str, Any]:
    """The event, dealt with at *now*; what is tried later is another one. To be called within acting.

    Raises UnknownEntryError, or RefusedError when it was settled before or nothing is said about it.
    """
    given = {"security_event_id": security_event_id, "note": note.strip(), "now": now}
    if not given["note"]:
        raise RefusedError("Say in the note what was found and done.")
    row = connection.execute(TAKE, given).fetchone()
    if row is None:
        raise UnknownEntryError(f"There is no security event {security_event_id}.")
    device_id, settled_at, settled_by = row
    if settled_at is not None:
        raise RefusedError(f"The security event {security_event_id} was settled by {settled_by} already.")
    # What was tried until now is dealt with as well.
    latest = attempts.read(connection, noted_before=now, device_id=device_id)
    enter(connection, [one for one in latest if one.security_event_id == security_event_id], now=now)
    connection.execute(SETTLE, given)
    [settled] = look(connection, id=security_event_id)
    return settled


def look(connection: Connection[Any], **chosen: object) -> list[dict[str, Any]]:
    """Events as LIST chooses them, the newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(LIST, EVERYTHING | chosen).fetchall()
