"""After a death: which message may have been the cause, so that it cannot kill the worker for ever.

An exception is caught where it is raised. What ends the process at once, as a fault in a compiled library or the kernel
for want of memory does, leaves only the broker's memory of what was not acknowledged, and it comes again. So a worker
whose last run did not stop in order goes carefully for a while: it writes down which messages it is about to decode and
store, few at a time, and those under suspicion one by one. What was being tried at two deaths is a dead letter.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, LiteralString

import psycopg
import structlog
from psycopg import AsyncConnection

from ingest.arrival import Arrival
from store.arrays import Blobs
from store.backoff import Backoff
from store.database import connect_service

# Brokers redeliver at once when we reconnect, or after a time that must be below this.
CAREFUL_SECONDS: Final = 60.0
# Tried together while nobody is under suspicion.
GROUP: Final = 256
# The first delivery is not written down, these are: so it was delivered three times.
DEATHS: Final = 2
RETRY_CAP_SECONDS: Final = 5.0

LAST_RUN: Final = "SELECT stopped_at IS NULL FROM workers WHERE worker = %(worker)s"
SUSPECTS: Final = "SELECT message_hash, tries FROM ingest_trials"
BEGIN: Final = """
INSERT INTO ingest_trials AS t (message_hash, worker, tries, tried_at)
SELECT hash, %(worker)s, 1, now() FROM unnest(%(hashes)s::bytea[]) AS hash ORDER BY hash
ON CONFLICT (message_hash) DO UPDATE SET worker = excluded.worker, tries = t.tries + 1, tried_at = excluded.tried_at
"""
END: Final = "DELETE FROM ingest_trials WHERE message_hash = ANY (%(hashes)s::bytea[])"
# Of a suspect that was never delivered again.
FORGET: Final = "DELETE FROM ingest_trials WHERE tried_at < now() - interval '30 days'"

log = structlog.get_logger()


class Trials:
    """The careful time after a death; over before it begins when the last run stopped in order."""

    def __init__(self, database_url: str, *, worker: str) -> None:
        self._database_url = database_url
        self._worker = worker
        self._connection: AsyncConnection[Any] | None = None
        self._tries: dict[bytes, int] = {}
        self._until_seconds = 0.0

    @property
    def are_on(self) -> bool:
        """Whether messages are to be tried."""
        return time.monotonic() < self._until_seconds

    async def open(self) -> None:
        """Find out how the last run ended, and begin."""
        died = await self._ask(LAST_RUN)
        if not died or not died[0][0]:
            return
        await self._ask(FORGET)
        self._tries = {bytes(message_hash): tries for message_hash, tries in await self._ask(SUSPECTS)}
        self._until_seconds = time.monotonic() + CAREFUL_SECONDS
        log.warning(
            "the last run did not stop in order; going carefully", seconds=CAREFUL_SECONDS, suspects=len(self._tries)
        )

    def groups(self, arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
        """*arrivals* in their order, in the groups in which they are to be tried: each suspect alone."""
        group: list[Arrival] = []
        for arrival in arrivals:
            if self.deaths_of(arrival):
                if group:
                    yield group
                yield [arrival]
                group = []
            else:
                group.append(arrival)
            if len(group) == GROUP:
                yield group
                group = []
        if group:
            yield group

    def deaths_of(self, arrival: Arrival) -> int:
        """At how many deaths it was being tried."""
        return self._tries.get(_hash(arrival), 0)

    async def begin(self, group: Sequence[Arrival]) -> None:
        """Write down that *group* is being tried, however long the database is away."""
        await self._ask_for_ever(BEGIN, group)

    async def end(self, group: Sequence[Arrival]) -> None:
        """They are stored, or dead letters."""
        await self._ask_for_ever(END, group)
        for arrival in group:
            self._tries.pop(_hash(arrival), None)

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _ask_for_ever(self, query: LiteralString, group: Sequence[Arrival]) -> None:
        hashes = list({_hash(arrival) for arrival in group})
        backoff = Backoff(cap_seconds=RETRY_CAP_SECONDS)
        while True:
            try:
                await self._ask(query, hashes)
            except (psycopg.Error, OSError) as error:
                # Who writes the batch has a voice already; this one speaks when it is the first to notice.
                if backoff.attempts == 0:
                    log.warning("the trial of a message cannot be written down, trying again", error=str(error))
                await self.close()
                await asyncio.sleep(backoff.next_seconds())
            else:
                return

    async def _ask(self, query: LiteralString, hashes: Sequence[bytes] = ()) -> list[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = await connect_service(
                self._database_url, application_name=f"tracefleet {self._worker} trials"
            )
        cursor = await self._connection.execute(query, {"worker": self._worker, "hashes": Blobs(hashes)})
        return await cursor.fetchall() if cursor.description is not None else []


def _hash(arrival: Arrival) -> bytes:
    return hashlib.sha256(arrival.topic.encode("utf-8", "surrogateescape") + b"\0" + arrival.payload).digest()
