"""The API's way to PostgreSQL: short reads over a pool, where a trouble is a problem to be answered, never a hang."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Final, LiteralString

import psycopg
import structlog
from fastapi import Depends, Request
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from api.problems import NOT_MIGRATED, TOO_SLOW, UNAVAILABLE, ProblemError
from store.database import explain_unreachable, open_pool
from store.settings import Settings

POOL_SIZE: Final = 8
WAIT_SECONDS: Final = 2.0
STATEMENT_SECONDS: Final = 5.0
# Above both, for a server that took a statement and fell silent: no timeout of its own will end that.
SILENCE_SECONDS: Final = 9.0
# How long the pool tries before it forgets a lost connection. The default backs off for minutes, and so long after a
# restart of the server every request would fail; forgotten, a connection is made anew for the next request.
RECONNECT_SECONDS: Final = 2.0

Query = LiteralString | sql.Composed
Parameters = Mapping[str, object]


class Database:
    """Reads for the routes. It knows whether the last one found the server, and logs only the change."""

    def __init__(self, pool: AsyncConnectionPool, where: str) -> None:
        self._pool = pool
        self._where = where
        self._is_away = False
        self._abandoned: set[asyncio.Task[list[DictRow]]] = set()

    async def fetch(
        self, query: Query, parameters: Parameters | None = None, *, within_seconds: float = SILENCE_SECONDS
    ) -> list[DictRow]:
        """The rows of *query*, by column name, within *within_seconds*.

        Raises ProblemError: database-unavailable, schema-not-ready or too-slow; the error behind it is its cause.
        """
        task = asyncio.create_task(self._read(query, parameters), name="read")
        try:
            done, _ = await asyncio.wait({task}, timeout=within_seconds)
        finally:
            self._abandon(task)
        error = task.exception() if done else TimeoutError(f"no answer within {within_seconds:g} s")
        if error is None:
            self._heard()
            return task.result()
        problem = self._problem(error)
        if problem is None:
            raise error
        raise problem from error

    async def fetch_one(self, query: Query, parameters: Parameters | None = None) -> DictRow | None:
        """The only row of *query*, or None; raises like :meth:`fetch`."""
        rows = await self.fetch(query, parameters)
        return rows[0] if rows else None

    def explain(self, error: BaseException) -> str:
        """One sentence for the operator: where the database should be, and what was heard."""
        return explain_unreachable(self._where, error if isinstance(error, Exception) else Exception(str(error)))

    async def _read(self, query: Query, parameters: Parameters | None) -> list[DictRow]:
        async with self._pool.connection(timeout=WAIT_SECONDS) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(query, parameters)
            return await cursor.fetchall()

    def _abandon(self, task: asyncio.Task[list[DictRow]]) -> None:
        """Let an unfinished read end by itself: to cancel it asks the server, and that is what does not answer."""
        if task.done():
            return
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[list[DictRow]]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so asyncio does not complain of it

    def _problem(self, error: BaseException) -> ProblemError | None:
        match error:
            case errors.QueryCanceled():
                return ProblemError(TOO_SLOW, f"The database did not finish within {STATEMENT_SECONDS:g} s.")
            case errors.UndefinedTable() | errors.UndefinedColumn() | errors.UndefinedFunction():
                return ProblemError(NOT_MIGRATED, "A table or column is missing.")
            case errors.InsufficientPrivilege():
                return ProblemError(NOT_MIGRATED, "The user of TRACEFLEET_DATABASE_URL may not read a table.")
            case psycopg.OperationalError() | psycopg.InterfaceError() | TimeoutError() | OSError():
                self._lost(error)
                return ProblemError(UNAVAILABLE, f"No answer came within {WAIT_SECONDS:g} s.")
        return None

    def _lost(self, error: BaseException) -> None:
        if not self._is_away:
            self._is_away = True
            structlog.get_logger().warning("database does not answer", error=self.explain(error))

    def _heard(self) -> None:
        if self._is_away:
            self._is_away = False
            structlog.get_logger().info("database answers again")


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Database]:
    """A Database over a pool of its own, whether the server is there yet or not; closed at the end."""
    url = settings.require_database_url()
    pool = open_pool(with_guards(url), application_name="tracefleet api", size=POOL_SIZE)
    pool.reconnect_timeout = RECONNECT_SECONDS
    await pool.open(wait=False)
    try:
        yield Database(pool, url)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await pool.close(timeout=1)


def with_guards(url: str) -> str:
    """*url* with what the API asks of each connection, after the operator's own options.

    Reads only, in UTC, none longer than the statement timeout; optional filters are planned by their values.
    """
    guards: Sequence[tuple[str, Any]] = (
        ("statement_timeout", f"{STATEMENT_SECONDS * 1000:.0f}"),
        ("default_transaction_read_only", "on"),
        ("plan_cache_mode", "force_custom_plan"),
        ("timezone", "UTC"),
    )
    given = conninfo_to_dict(url).get("options") or ""
    return make_conninfo(url, options=" ".join([str(given), *(f"-c {name}={value}" for name, value in guards)]).strip())


def _of(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(_of)]
