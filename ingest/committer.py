"""Has batches committed, however long it takes: nothing is acknowledged before, so nothing can be lost by waiting."""

import asyncio
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from ingest.account import Account
from ingest.batch import Batch
from ingest.lines import Memory
from ingest.metrics import Metrics
from ingest.writer import write
from store.backoff import Backoff
from store.database import connect_service, remedy_for

RETRY_CAP_SECONDS: Final = 5.0
# An error of a kind nobody knows may pass by itself; after so many tries it is taken for a record's fault.
UNKNOWN_TRIES: Final = 3

log = structlog.get_logger()


class Committer:
    """The writing connection of a worker, renewed when it is lost."""

    def __init__(self, database_url: str, *, worker: str, metrics: Metrics) -> None:
        self._database_url = database_url
        self._worker = worker
        self._metrics = metrics
        self._connection: AsyncConnection[Any] | None = None
        self._memory = Memory()
        # Why nothing is written, for readiness; None while all is well.
        self.trouble: str | None = None

    async def commit(self, batch: Batch) -> Account:
        """Write *batch*, again until it is committed. Cancelled, it leaves it unwritten or committed unknown to us."""
        backoff = Backoff(cap_seconds=RETRY_CAP_SECONDS)
        isolate = False
        unknown = 0
        while True:
            try:
                account = await write(
                    await self._connected(), batch, worker=self._worker, isolate=isolate, memory=self._memory
                )
            except Exception as error:  # noqa: BLE001 - the rim: whatever it is, the batch is not written and stays
                remedy = remedy_for(error)
                # A "lost connection" that is still there was none: the driver could not send what it was given.
                unknown += remedy is None or (remedy == "retry" and self._is_connected(error))
                isolate = remedy == "isolate" or unknown >= UNKNOWN_TRIES
                await self._after(error, batch, first=backoff.attempts == 0)
                if remedy != "isolate" or backoff.attempts:
                    await asyncio.sleep(backoff.next_seconds())
                else:
                    backoff.attempts += 1
            else:
                if self.trouble is not None:
                    log.info("writing again", was=self.trouble)
                    self.trouble = None
                return account

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _after(self, error: Exception, batch: Batch, *, first: bool) -> None:
        state = error.sqlstate if isinstance(error, psycopg.Error) else None
        self._metrics.retried(state, driver=not isinstance(error, psycopg.OperationalError) and state is None)
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        self.trouble = f"batches cannot be written: {words} (SQLSTATE {state})"
        if first:
            ours = None if isinstance(error, psycopg.Error) else error
            log.warning(
                "batch not written, trying again", sqlstate=state, error=words, records=batch.records, exc_info=ours
            )
        if self._connection is not None and self._connection.broken:
            await self.close()

    def _is_connected(self, error: Exception) -> bool:
        without_state = isinstance(error, psycopg.Error) and error.sqlstate is None
        return without_state and self._connection is not None and not self._connection.closed

    async def _connected(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await connect_service(self._database_url, application_name=f"tracefleet {self._worker}")
        return self._connection
