"""What changed and whom it may concern, for those who watch: rows of ``events``, which wake them by notification.

Recorded in the transaction of the change itself, so nobody hears of what was never committed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import Connection
from psycopg.types.json import Jsonb

RECORD: Final = """
INSERT INTO events (kind, subject, data)
SELECT kind, subject, data FROM unnest(%(kind)s::text[], %(subject)s::text[], %(data)s::jsonb[])
    WITH ORDINALITY AS e (kind, subject, data, place)
ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class Event:
    """*kind* is a noun and what became of it, `case.approved`; *subject* is what people call it by."""

    kind: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


def record(connection: Connection[Any], events: Iterable[Event]) -> None:
    """Tell *events*, in their order, once the transaction commits. No personal data belongs in them."""
    told = list(events)
    if told:
        connection.execute(
            RECORD,
            {
                "kind": [event.kind for event in told],
                "subject": [event.subject for event in told],
                "data": [Jsonb(event.data) for event in told],
            },
        )
