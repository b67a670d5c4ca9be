"""Messages that end the process, so that none can do so for ever.

An exception is caught where it is raised. What ends the process at once, as a fault in a compiled library or the kernel
for want of memory does, leaves the broker's memory of what was not acknowledged, and it comes again. The journal says
what was being read at a death; a message that was at three is a dead letter, unread.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import structlog

from ingest.arrival import Arrival
from ingest.journal import Journal
from store.database import connect_service

# One may be an accident: the process was killed from outside, or the machine ran short, while it read this one.
DEATHS: Final = 3

SUSPECT: Final = """
INSERT INTO deadly_messages AS d (message_hash, worker, deaths, last_died_at)
VALUES (%(message_hash)s::bytea, %(worker)s, 1, now())
ON CONFLICT (message_hash) DO UPDATE SET
    worker = excluded.worker, deaths = d.deaths + 1, last_died_at = excluded.last_died_at
"""
CONDEMNED: Final = "SELECT message_hash FROM deadly_messages WHERE deaths >= %(deaths)s"
# Of a message that has not come again; an upgrade may have mended what it met.
FORGET: Final = "DELETE FROM deadly_messages WHERE last_died_at < now() - interval '30 days'"

log = structlog.get_logger()


class Poison:
    """What this worker knows of it: its journal, and the messages it will not read."""

    def __init__(self, folder: Path, database_url: str, *, worker: str) -> None:
        self._path = folder / f"{worker}.journal"
        self._database_url = database_url
        self._worker = worker
        self._journal: Journal | None = None
        self._condemned: frozenset[bytes] = frozenset()

    async def open(self) -> None:
        """Find out what the last run died of, if it did.

        Raises psycopg.OperationalError when the database cannot be asked.
        """
        try:
            self._journal = Journal(self._path)
        except OSError as error:
            log.warning("without a journal a message that ends the process comes for ever", error=str(error))
        left = self._journal.left_behind() if self._journal is not None else None
        async with await connect_service(
            self._database_url, application_name=f"tracefleet {self._worker} poison"
        ) as connection:
            parameters = {"worker": self._worker, "deaths": DEATHS}
            if left is not None:
                log.warning("the last run died while it read a message", topic=left[0], payload_bytes=len(left[1]))
                await connection.execute(SUSPECT, parameters | {"message_hash": _hash(*left)})
            await connection.execute(FORGET)
            cursor = await connection.execute(CONDEMNED, parameters)
            condemned: list[tuple[Any, ...]] = list(await cursor.fetchall())
        self._condemned = frozenset(bytes(message_hash) for (message_hash,) in condemned)
        self.leave()

    def is_condemned(self, arrival: Arrival) -> bool:
        """Whether *arrival* has ended the process too often to be read again."""
        return bool(self._condemned) and _hash(arrival.topic, arrival.payload) in self._condemned

    def enter(self, arrival: Arrival) -> None:
        """*arrival* is about to be read."""
        if self._journal is not None:
            self._journal.enter(arrival)

    def leave(self) -> None:
        """What was entered has been read."""
        if self._journal is not None:
            self._journal.leave()

    def close(self) -> None:
        """Give the journal back."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None


def _hash(topic: str, payload: bytes) -> bytes:
    return hashlib.sha256(topic.encode("utf-8", "surrogatepass") + b"\0" + payload).digest()
