"""Takes messages in, writes them batch by batch, has them acknowledged: the heart of ingest, and its only writer."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from ingest.account import Account
from ingest.arrival import Arrival, Receipt
from ingest.batch import Batch, Batcher
from ingest.intake import take_in
from ingest.metrics import Metrics
from ingest.registry import Registry
from ingest.writer import write
from store.backoff import Backoff
from store.database import connect_service, remedy_for

RETRY_CAP_SECONDS: Final = 5.0
# A batch is bounded in bytes, too: what it refuses is kept whole, in one statement.
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
# An error of a kind nobody knows may pass by itself; after so many tries it is taken for a record's fault.
UNKNOWN_TRIES: Final = 3

log = structlog.get_logger()


class Pump:
    """One batch is open while another is written, so batches grow with the load and a quiet hour commits at once.

    Nothing bounds the open batch here: it holds what the broker has sent unacknowledged, which its window bounds.
    """

    def __init__(
        self,
        database_url: str,
        *,
        worker: str,
        registry: Registry,
        metrics: Metrics,
        max_records: int,
        max_wait_seconds: float,
        acknowledge: Callable[[Iterable[Receipt]], None],
    ) -> None:
        self._database_url = database_url
        self._worker = worker
        self._registry = registry
        self._metrics = metrics
        self._batcher = Batcher(max_records=max_records, max_bytes=MAX_BATCH_BYTES, max_wait_seconds=max_wait_seconds)
        self._acknowledge = acknowledge
        self._wake = asyncio.Event()
        self._draining = False
        self._connection: AsyncConnection[Any] | None = None
        self._writing: Batch | None = None
        # Why nothing is written, for readiness; None while all is well.
        self.trouble: str | None = None

    def put(self, arrival: Arrival) -> None:
        """Take a message in. Never blocks, never raises."""
        batch = self._batcher.open(time.monotonic())
        unknown = take_in(arrival, self._registry, batch)
        if unknown:
            self._metrics.unknown_fields.inc(unknown)
        self._wake.set()

    @property
    def lag_seconds(self) -> float:
        """How long the oldest message that is not committed has been here; 0 when there is none."""
        now = time.monotonic()
        if self._writing is not None:
            return now - self._writing.opened_seconds
        return self._batcher.age_seconds(now)

    def drain(self) -> None:
        """Write what is here without waiting for more, then let :meth:`run` end."""
        self._draining = True
        self._wake.set()

    async def run(self) -> None:
        """Write batches until drained. Cancelled, it leaves the current batch unwritten and unacknowledged."""
        try:
            while (batch := await self._next()) is not None:
                self._writing = batch
                started = time.monotonic()
                account = await self._write(batch)
                self._acknowledge(batch.receipts)
                self._metrics.committed(account, seconds=time.monotonic() - started, now=datetime.now(UTC))
                self._writing = None
        finally:
            await self._disconnect()

    async def _next(self) -> Batch | None:
        """The next batch, when it is due; None when all is drained."""
        while True:
            self._wake.clear()
            wait_seconds = self._batcher.wait_seconds(time.monotonic())
            if wait_seconds is None and self._draining:
                return None
            if wait_seconds is not None and (wait_seconds <= 0 or self._draining):
                return self._batcher.take()
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _write(self, batch: Batch) -> Account:
        """Write *batch*, however long it takes: nothing is acknowledged before, so nothing can be lost by waiting."""
        backoff = Backoff(cap_seconds=RETRY_CAP_SECONDS)
        isolate = False
        unknown = 0
        while True:
            try:
                account = await write(await self._connected(), batch, worker=self._worker, isolate=isolate)
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
            await self._disconnect()

    def _is_connected(self, error: Exception) -> bool:
        without_state = isinstance(error, psycopg.Error) and error.sqlstate is None
        return without_state and self._connection is not None and not self._connection.closed

    async def _connected(self) -> AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await connect_service(self._database_url, application_name=f"tracefleet {self._worker}")
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
