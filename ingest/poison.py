"""Messages that end the process, so that none can do so for ever.

An exception is caught where it is raised. What ends the process at once, as a fault in a compiled library or the kernel
for want of memory does, leaves the broker's memory of what was not acknowledged, and it comes again. The journal says
what was being read at a death. Many messages are read together; those that were at a death are read one by one when
they come again, so the next death has one culprit. A message that was at three is a dead letter, unread.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from ingest.arrival import Arrival
from ingest.journal import Journal
from store.arrays import Blobs
from store.database import connect_service

# One may be an accident: the process was killed from outside, or the machine ran short, while it read this one.
DEATHS: Final = 3
# What a death leaves unacknowledged comes again at once. Later, who is suspected only is read with the others again.
SUSPECTED_SECONDS: Final = 600.0

# Only who was read alone is any nearer to its end by one more death; of many, most are innocent.
SUSPECT: Final = """
INSERT INTO deadly_messages AS d (message_hash, worker, deaths, last_died_at)
SELECT DISTINCT message_hash, %(worker)s, 1, now() FROM unnest(%(hashes)s::bytea[]) AS s (message_hash)
ORDER BY message_hash
ON CONFLICT (message_hash) DO UPDATE SET
    worker = excluded.worker, deaths = d.deaths + %(alone)s::int4, last_died_at = excluded.last_died_at
"""
KNOWN: Final = "SELECT message_hash, deaths >= %(deaths)s FROM deadly_messages"
# Of a message that has not come again; an upgrade may have mended what it met.
FORGET: Final = "DELETE FROM deadly_messages WHERE last_died_at < now() - interval '30 days'"

log = structlog.get_logger()


class Poison:
    """What this worker knows of it: its journal, the messages it reads alone, and those it will not read."""

    def __init__(self, folder: Path, database_url: str, *, worker: str) -> None:
        self._path = folder / f"{worker}.journal"
        self._database_url = database_url
        self._worker = worker
        self._journal: Journal | None = None
        self._suspected: set[bytes] = set()
        self._suspected_until_seconds = 0.0
        self._condemned: frozenset[bytes] = frozenset()

    async def open(self) -> None:
        """Find out what the last run died of, if it did.

        Raises psycopg.OperationalError when the database cannot be asked.
        """
        try:
            self._journal = Journal(self._path)
        except OSError as error:
            log.warning("without a journal a message that ends the process comes for ever", error=str(error))
        left = self._journal.left_behind() if self._journal is not None else []
        async with await connect_service(
            self._database_url, application_name=f"tracefleet {self._worker} poison"
        ) as connection:
            parameters = {"worker": self._worker, "deaths": DEATHS}
            if left:
                log.warning("the last run died while it read", messages=len(left), topics=[one[0] for one in left[:3]])
                hashes = Blobs(_hash(*one) for one in left)
                await connection.execute(SUSPECT, parameters | {"hashes": hashes, "alone": int(len(left) == 1)})
            await connection.execute(FORGET)
            cursor = await connection.execute(KNOWN, parameters)
            known: list[tuple[Any, ...]] = list(await cursor.fetchall())
        self._condemned = frozenset(bytes(message_hash) for message_hash, condemned in known if condemned)
        self._suspected = {bytes(message_hash) for message_hash, condemned in known if not condemned}
        self._suspected_until_seconds = time.monotonic() + SUSPECTED_SECONDS
        self.leave()

    def parted(self, arrivals: Sequence[Arrival]) -> Iterator[tuple[Sequence[Arrival], bool]]:
        """*arrivals* in order, those together that may be read together: nearly always all.

        With each part, whether it is a message that has ended the process too often to be read again.
        """
        if self._suspected and time.monotonic() > self._suspected_until_seconds:
            self._suspected = set()
        if not self._suspected and not self._condemned:
            yield arrivals, False
            return
        together: list[Arrival] = []
        for arrival in arrivals:
            message_hash = _hash(arrival.topic, arrival.payload)
            if message_hash not in self._suspected and message_hash not in self._condemned:
                together.append(arrival)
                continue
            if together:
                yield together, False
                together = []
            yield [arrival], message_hash in self._condemned
            self._suspected.discard(message_hash)
        if together:
            yield together, False

    def enter(self, arrivals: Sequence[Arrival]) -> bool:
        """*arrivals* are about to be read. False when they are too much to be entered together."""
        return self._journal is None or self._journal.enter(arrivals)

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
