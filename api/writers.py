"""Writes what came over HTTP: a few connections, a short queue, one transaction at a time on each.

The ledger of devices is held in memory and kept current, and a batch is written, by the code that does so for MQTT.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import psycopg
import structlog
from fastapi import Depends, Request
from psycopg import AsyncConnection

from api.problems import BUSY, LEDGER_UNKNOWN, NOT_MIGRATED, NOT_WRITTEN, ProblemError
from ingest.account import Account
from ingest.batch import Batch
from ingest.metrics import Metrics
from ingest.registry import Registry
from ingest.writer import write
from store.database import connect_service, remedy_for

# How the account names this way in, beside the workers.
WORKER: Final = "http"
WRITERS: Final = 2
WAITING_MAX: Final = 8
# Waiting and writing together, below the half minute after which most clients give up.
WITHIN_SECONDS: Final = 20.0
# The database may end a transaction to save another, or have restarted since the last; then once more is enough.
TRIES: Final = 3
LIMIT: Final = "SELECT set_config('statement_timeout', %(milliseconds)s, false)"

# The database has not what the code expects: no record is to blame.
_UNFIT: Final = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
)

log = structlog.get_logger()

T = TypeVar("T")
# Puts a request's messages into a batch; called when its turn has come.
Fill = Callable[[Registry, Batch], Awaitable[None]]
# One transaction of its own making, whole or not at all, on a connection in autocommit.
Work = Callable[[AsyncConnection[Any]], Awaitable[T]]


class Writers:
    """Connections that each write one request at a time, and the requests that wait for one.

    Only a request that has its turn is unpacked and decoded, so memory is bounded by the bodies that wait.
    """

    def __init__(self, database_url: str, metrics: Metrics, *, within_seconds: float) -> None:
        self.registry = Registry()
        self._database_url = database_url
        self.metrics = metrics
        self._within_seconds = within_seconds
        self._turns = asyncio.Semaphore(WRITERS)
        self._idle: list[AsyncConnection[Any]] = []
        self._requests: set[asyncio.Task[Any]] = set()
        self._trouble = False

    async def store(self, fill: Fill) -> Account:
        """The account of what *fill* put into a batch, committed.

        Raises ProblemError: ledger-unknown or busy with nothing stored; not-written or schema-not-ready, after which
        sending again is right whatever became of it; and what *fill* raises, with nothing stored.
        """
        if not self.registry.loaded.is_set():
            raise ProblemError(LEDGER_UNKNOWN, "Before that, every device would be a stranger.")
        return await self._queued(lambda: self._store(fill))

    async def run(self, work: Work[T]) -> T:
        """What *work* gives, committed. It takes its turn among the bodies and is tried again when that may help.

        Raises ProblemError: busy with nothing done; not-written or schema-not-ready as :meth:`store` does.
        """
        return await self._queued(lambda: self._tried(lambda connection, _: work(connection)))

    async def _queued(self, job: Callable[[], Awaitable[T]]) -> T:
        if len(self._requests) >= WRITERS + WAITING_MAX:
            raise ProblemError(BUSY, f"{WRITERS} bodies are being written and {WAITING_MAX} wait.")
        task = asyncio.create_task(self._in_turn(job), name="write")
        self._requests.add(task)
        task.add_done_callback(self._ended)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._within_seconds)
        finally:
            # Not awaited: to cancel a statement asks the server, and that may be what does not answer.
            task.cancel()
        if not done:
            late = TimeoutError(f"not written within {self._within_seconds:g} s")
            self._note(late)
            raise ProblemError(NOT_WRITTEN, f"It was {late}.")
        return task.result()

    async def close(self) -> None:
        """End what is under way, and the connections."""
        for task in self._requests:
            task.cancel()
        if self._requests:
            await asyncio.wait(self._requests, timeout=1)
        for connection in self._idle:
            await connection.close()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._requests.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so asyncio does not complain of it

    async def _in_turn(self, job: Callable[[], Awaitable[T]]) -> T:
        async with self._turns:
            try:
                done = await job()
            except Exception as error:
                if (problem := self._problem(error)) is None:
                    raise
                raise problem from error
            if self._trouble:
                self._trouble = False
                log.info("what comes over HTTP is written again")
            return done

    async def _store(self, fill: Fill) -> Account:
        batch = Batch()
        await fill(self.registry, batch)
        started = time.monotonic()
        account = await self._tried(
            lambda connection, isolate: write(connection, batch, worker=WORKER, isolate=isolate)
        )
        self.metrics.committed(account, seconds=time.monotonic() - started, now=datetime.now(UTC))
        return account

    async def _tried(self, work: Callable[[AsyncConnection[Any], bool], Awaitable[T]]) -> T:
        """Do *work* as ingest would: what passes is tried again, what a record is to blame for is isolated."""
        isolate = False
        for tries_left in reversed(range(TRIES)):
            connection = await self._connected()
            try:
                done = await work(connection, isolate)
            except Exception as error:  # the rim: whatever it is, nothing of it is written
                await self._leave(connection)
                remedy = remedy_for(error)
                if not tries_left or remedy == "stop" or isinstance(error, _UNFIT):
                    raise
                state = error.sqlstate if isinstance(error, psycopg.Error) else None
                self.metrics.retried(state, driver=not isinstance(error, psycopg.OperationalError) and state is None)
                # An error of a kind nobody knows may pass by itself; at last it is taken for a record's fault.
                isolate = isolate or remedy == "isolate" or (remedy is None and tries_left == 1)
            except BaseException:  # cancelled in the middle of a statement: nobody else may have this connection
                await connection.close()
                raise
            else:
                await self._leave(connection)
                return done
        raise AssertionError("the last try returns or raises")

    async def _connected(self) -> AsyncConnection[Any]:
        while self._idle:
            if not (connection := self._idle.pop()).closed:
                return connection
        connection = await connect_service(self._database_url, application_name="tracefleet api writer")
        try:
            # The caller is told then that nobody knows: the server must not go on for longer.
            await connection.execute(LIMIT, {"milliseconds": f"{WITHIN_SECONDS * 1000:.0f}"})
        except BaseException:  # as connect_service
            await connection.close()
            raise
        return connection

    async def _leave(self, connection: AsyncConnection[Any]) -> None:
        """Keep *connection* for the next, if it is still good."""
        if connection.broken or connection.closed:
            await connection.close()
        else:
            self._idle.append(connection)

    def _problem(self, error: Exception) -> ProblemError | None:
        if isinstance(error, _UNFIT):
            return ProblemError(
                NOT_MIGRATED, "A table or column is missing, or may not be written. Nothing was stored."
            )
        match error, remedy_for(error):
            case psycopg.errors.DiskFull(), _:
                words = "has no space left"
            case _, "stop":
                words = "cannot be written"
            case _, "retry":
                words = "does not answer, or ended the transaction"
            case _:
                return None
        self._note(error)
        return ProblemError(NOT_WRITTEN, f"The database {words}.")

    def _note(self, error: Exception) -> None:
        """Log the beginning of a trouble, once."""
        if not self._trouble:
            self._trouble = True
            words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            log.warning("what comes over HTTP is not written", error=words)


@asynccontextmanager
async def connect(
    database_url: str, metrics: Metrics, *, within_seconds: float = WITHIN_SECONDS
) -> AsyncIterator[Writers]:
    """Writers for *database_url*, whether the server is there yet or not; their ledger is kept current meanwhile."""
    writers = Writers(database_url, metrics, within_seconds=within_seconds)
    follow = asyncio.create_task(writers.registry.follow(database_url), name="registry")
    follow.add_done_callback(_note_crash)
    try:
        yield writers
    finally:
        follow.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.wait({follow})
                await writers.close()


def _note_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the ledger of devices is not renewed any more", exc_info=error)


def _of(request: Request) -> Writers:
    writers: Writers = request.app.state.writers
    return writers


WritersDep = Annotated[Writers, Depends(_of)]
