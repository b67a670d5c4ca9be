"""In which order events are told: by their numbers, none skipped that is still to come. Pure, and its two queries.

A number is taken when a row is inserted, and the row is seen when its transaction commits: 6 may be there before 5. Who
remembers a number to go on from must not miss what comes below it later, so events after a missing number wait for it.
It will come, or its transaction was rolled back: while a transaction that inserted lives, it holds a lock on the table,
so the number is given up when all that held one after the gap was seen have ended. An old transaction that has
recorded nothing delays nobody, as it would if everything waited for the oldest one alive.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

READ: Final = """
SELECT event_id, at, kind, subject, data FROM events WHERE event_id > %(after)s::bigint ORDER BY event_id LIMIT %(rows)s
"""
# Transactions that have inserted and not ended, by the number that each has as long as it lives.
WRITERS: Final = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'events'::regclass AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# The oldest that is kept, the newest that is seen, and the last number that was ever taken.
BOUNDS: Final = """
SELECT (SELECT min(event_id) FROM events) AS oldest, (SELECT coalesce(max(event_id), 0) FROM events) AS newest,
       coalesce(pg_sequence_last_value(pg_get_serial_sequence('events', 'event_id')::regclass), 0) AS taken
"""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is told."""

    event_id: int
    at: datetime
    kind: str
    subject: str
    data: dict[str, Any]


class Order:
    """How far events are told: *head*, below which nothing will come any more.

    Each round reads rows after :attr:`head` and passes them to :meth:`take`. While :attr:`is_waiting`, the writers are
    asked for before the rows are read; when :attr:`needs_writers`, after it, for :meth:`suspect`, and the rows are read
    again at once.
    """

    def __init__(self, head: int) -> None:
        self.head = head
        self.needs_writers = False
        # Who may still fill the gaps up to *covered*: nobody, when it is empty.
        self._suspects: frozenset[str] = frozenset()
        self._covered = head
        self._seen = head

    @property
    def is_waiting(self) -> bool:
        """Whether somebody may still fill a gap."""
        return bool(self._suspects)

    def take(self, rows: Sequence[Told], writers: AbstractSet[str] = frozenset()) -> list[Told]:
        """Those of *rows*, all there are after the head, that may be told now. *writers* were asked for before."""
        self._suspects &= writers
        self.needs_writers = False
        told = []
        for row in rows:
            if row.event_id != self.head + 1 and (self._suspects or row.event_id > self._covered):
                self._seen = rows[-1].event_id
                self.needs_writers = row.event_id > self._covered
                break
            told.append(row)
            self.head = row.event_id
        return told

    def suspect(self, writers: AbstractSet[str]) -> None:
        """Wait for *writers*, asked for after the rows: who took a number below those is among them, or has ended."""
        self._suspects = frozenset(writers)
        self._covered = self._seen
