"""What is written of each step besides the case itself: the row of the step, and word to those who watch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.types.json import Jsonb

from fleet import events
from fleet.events import Event

RECORD: Final = """
INSERT INTO case_steps (case_id, from_state, to_state, at, reason, document, details)
SELECT case_id, from_state, to_state, %(now)s, reason, document, details
FROM unnest(
    %(case_id)s::int4[], %(from_state)s::text[], %(to_state)s::text[], %(reason)s::text[], %(document)s::text[],
    %(details)s::jsonb[]
) WITH ORDINALITY AS s (case_id, from_state, to_state, reason, document, details, place)
ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken."""

    case_id: int
    case_no: str
    device_no: str
    from_state: str | None
    to_state: str
    reason: str | None = None
    document: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


def record(connection: Connection[Any], taken: Sequence[Taken], *, now: datetime) -> None:
    """Write *taken* and tell of it, in their order."""
    if not taken:
        return
    names = ("case_id", "from_state", "to_state", "reason", "document")
    arrays: dict[str, Any] = {name: [getattr(step, name) for step in taken] for name in names}
    connection.execute(RECORD, arrays | {"details": [Jsonb(step.details) for step in taken], "now": now})
    events.record(
        connection,
        [
            Event(f"case.{step.to_state}", step.case_no, {"device_no": step.device_no, "from": step.from_state})
            for step in taken
        ],
    )
