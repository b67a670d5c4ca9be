"""Moves messages from the inbox into the database and has them acknowledged: the heart of ingest."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from ingest.arrival import Arrival, Receipt
from ingest.batch import Batch
from ingest.committer import Committer
from ingest.inbox import Inbox
from ingest.intake import TakeIn, condemn, take_in
from ingest.metrics import Metrics
from ingest.poison import Poison
from ingest.registry import Registry

# A batch is bounded in bytes, too: what it refuses is kept whole, in one statement.
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
# With nothing more coming for this part of the longest wait, a batch waits no longer: a small window is empty then.
QUIET_SHARE: Final = 0.2
# Of what still comes, a session may be waiting for company before it reads it (:mod:`ingest.mqtt5_line`).
QUIET_SECONDS: Final = 0.01
# Decoded in one go, before others get their turn, and the rest of the read that it ends in: about a millisecond.
CHUNK_BYTES: Final = 32 * 1024


def due_seconds(opened_seconds: float, last_seconds: float, max_wait_seconds: float) -> float:
    """When a batch is to be written at last, whose first message came when it was opened. Pure."""
    quiet_seconds = max(QUIET_SHARE * max_wait_seconds, QUIET_SECONDS)
    return min(opened_seconds + max_wait_seconds, last_seconds + quiet_seconds)


class Pump:
    """While one batch is written, the next is decoded; it is handed over as soon as the writer is free.

    So batches grow with the load, and in a quiet hour little waits. Beside the inbox, which has its own bound, two
    batches are held at most.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        registry: Registry,
        committer: Committer,
        poison: Poison,
        metrics: Metrics,
        max_records: int,
        max_messages: int,
        max_wait_seconds: float,
        acknowledge: Callable[[Iterable[Receipt]], None],
        take_in: TakeIn = take_in,
    ) -> None:
        self._inbox = inbox
        self._registry = registry
        self._committer = committer
        self._poison = poison
        self._metrics = metrics
        self._max_records = max_records
        self._max_messages = max_messages
        self._max_wait_seconds = max_wait_seconds
        self._acknowledge = acknowledge
        self._take_in = take_in
        self._draining = False
        self._filling = Batch()
        self._writing: Batch | None = None
        self._filled: asyncio.Queue[Batch | None] = asyncio.Queue(1)
        self._writer_is_free = asyncio.Event()

    @property
    def lag_seconds(self) -> float:
        """How long the oldest message that is not committed has been here; 0 when there is none."""
        oldest_at = self._oldest_at()
        return max(0.0, (datetime.now(UTC) - oldest_at).total_seconds()) if oldest_at is not None else 0.0

    def drain(self) -> None:
        """Write what is here without waiting for more, then let :meth:`run` end."""
        self._draining = True
        self._inbox.stirred.set()

    async def run(self) -> None:
        """Fill and write until drained. Cancelled, it leaves what is not committed unacknowledged."""
        filling = asyncio.create_task(self._fill_batches(), name="fill")
        try:
            while (batch := await self._next(filling)) is not None:
                await self._commit(batch)
        finally:
            filling.cancel()
            await asyncio.wait({filling})
            await self._committer.close()

    async def _commit(self, batch: Batch) -> None:
        self._writing = batch
        started = time.monotonic()
        account = await self._committer.commit(batch)
        self._acknowledge(batch.receipts)
        self._metrics.committed(account, seconds=time.monotonic() - started, now=datetime.now(UTC))
        self._writing = None

    async def _next(self, filling: "asyncio.Task[None]") -> Batch | None:
        self._writer_is_free.set()
        self._inbox.stirred.set()
        batch = asyncio.create_task(self._filled.get())
        try:
            await asyncio.wait({batch, filling}, return_when=asyncio.FIRST_COMPLETED)
            if not batch.done():
                filling.result()  # it never ends before it has said so: this raises what it failed of
            return await batch
        finally:
            batch.cancel()

    async def _fill_batches(self) -> None:
        while True:
            await self._fill()
            if not self._filling.arrivals:
                await self._filled.put(None)
                return
            batch, self._filling = self._filling, Batch()
            self._writer_is_free.clear()
            self._filled.put_nowait(batch)

    async def _fill(self) -> None:
        """Decode into the open batch until it is time to write it: full, or old enough and the writer free."""
        batch = self._filling
        opened_seconds: float | None = None
        last_seconds = 0.0
        while True:
            self._inbox.stirred.clear()
            arrivals, receipts = self._inbox.take(CHUNK_BYTES)
            if arrivals:
                batch.receipts += receipts
                last_seconds = time.monotonic()
                if opened_seconds is None:
                    opened_seconds = last_seconds
                self._decode(arrivals, batch)
                if self._is_full(batch):
                    break
            elif self._draining:
                break
            wait_seconds = None
            if opened_seconds is not None and self._writer_is_free.is_set():
                wait_seconds = due_seconds(opened_seconds, last_seconds, self._max_wait_seconds) - time.monotonic()
                if wait_seconds <= 0:
                    break
            await self._rest(wait_seconds, more=not self._inbox.is_empty)
        await self._writer_is_free.wait()

    async def _rest(self, wait_seconds: float | None, *, more: bool) -> None:
        """Let others have their turn; with nothing *more* to do, until something stirs or the time is up."""
        if more:
            await asyncio.sleep(0)
            return
        stirred = self._inbox.stirred
        # A timer that stirs costs a third of a timeout, and this is gone through with every read.
        timer = asyncio.get_running_loop().call_later(wait_seconds, stirred.set) if wait_seconds is not None else None
        try:
            await stirred.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _decode(self, arrivals: Sequence[Arrival], batch: Batch) -> None:
        unknown_fields = 0
        for together, is_condemned in self._poison.parted(arrivals):
            if is_condemned:
                condemn(together[0], batch)
            else:
                unknown_fields += self._read(together, batch)
        self._poison.leave()
        if unknown_fields:
            self._metrics.unknown_fields.inc(unknown_fields)

    def _read(self, arrivals: Sequence[Arrival], batch: Batch) -> int:
        if not self._poison.enter(arrivals) and len(arrivals) > 1:
            return sum(self._read([arrival], batch) for arrival in arrivals)
        return self._take_in(arrivals, self._registry, batch)

    def _is_full(self, batch: Batch) -> bool:
        # Not every message has a record.
        most = max(batch.records, len(batch.arrivals))
        return (
            most >= self._max_records
            or len(batch.arrivals) >= self._max_messages
            or batch.size_bytes >= MAX_BATCH_BYTES
        )

    def _oldest_at(self) -> datetime | None:
        for batch in (self._writing, self._filling):
            if batch is not None and batch.arrivals:
                return batch.arrivals[0].received_at
        return self._inbox.oldest_at
