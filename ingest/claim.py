"""One process to a worker name: a second one under the same name would take the first one's session at the broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from store.database import connect_service, explain_unreachable
from store.errors import DatabaseError, TracefleetError

# A worker that was killed keeps its claim until the server notices that its connection is gone.
PATIENCE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.2

# The first key is ours among advisory locks; the second stands for the name.
CLAIM: Final = "SELECT pg_try_advisory_lock(1953653091, hashtext(%(worker)s))"


@asynccontextmanager
async def claimed(database_url: str, *, worker: str) -> AsyncIterator[None]:
    """Hold the name *worker* for the body; the claim ends with its connection, however this process ends.

    A database that goes away takes the claim with it and the body goes on: it is a guard against a slip, not a lease.
    Raises TracefleetError when another process holds the name, DatabaseError when the database cannot be asked.
    """
    try:
        connection = await connect_service(database_url, application_name=f"tracefleet {worker} claim")
    except psycopg.OperationalError as error:
        raise DatabaseError(explain_unreachable(database_url, error)) from error
    async with connection:
        if not await _claim(connection, worker):
            raise TracefleetError(
                f"another ingest runs under the name {worker} on this database, and a second one would take its "
                f"session at the broker. Stop that one, or give this one its own name with TRACEFLEET_INGEST_WORKER."
            )
        yield


async def _claim(connection: AsyncConnection[Any], worker: str) -> bool:
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        cursor = await connection.execute(CLAIM, {"worker": worker})
        row = await cursor.fetchone()
        if row is not None and row[0]:
            return True
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(RETRY_SECONDS)
