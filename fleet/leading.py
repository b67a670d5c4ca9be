"""Work that one replica does at a time: whoever holds its advisory lock leads, the others pass.

The work itself is the fleet's plain functions on a connection of their own, in a thread: what the server takes seconds
for must not keep a device waiting at the door. What keeps Python itself busy for seconds is done in fleet.apart.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import IntEnum
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, Connection

from store.database import connect_once

CANCEL_AGAIN_SECONDS: Final = 0.1
# What a round comes to that was left to another replica: no failure, and nothing that anybody knows to be done.
PASSED: Final = "passed"

TRY_LOCK: Final = "SELECT pg_try_advisory_lock(%(lock)s)"
UNLOCK: Final = "SELECT pg_advisory_unlock(%(lock)s)"


class Lock(IntEnum):
    """Any fixed numbers but those of others: what ends in 01, 03, 04 and 20 is of migrations, sealing, anchors, names.

    A sweep that led with the number of sealing would wait for ever for its own seal.
    """

    HOUSEKEEPING = 0x7461636500000002
    OBSOLESCENCE = 0x7461636500000005
    RETIREMENT = 0x7461636500000006
    RETAINED = 0x746163650000000B
    OUTAGES = 0x7461636500000007
    SECURITY = 0x7461636500000008
    DAYS = 0x7461636500000009
    HEALTH = 0x746163650000000A
    VERIFICATION = 0x746163650000000C


async def leads(connection: AsyncConnection[Any], lock: Lock) -> bool:
    """Whether *connection* leads from now on, until :func:`hand_over` or its end."""
    return await (await connection.execute(TRY_LOCK, {"lock": lock})).fetchone() == (True,)


async def hand_over(connection: AsyncConnection[Any], lock: Lock) -> None:
    """Lead no longer."""
    await connection.execute(UNLOCK, {"lock": lock})


def led(lock: Lock, work: Callable[[], Awaitable[object]]) -> Callable[[AsyncConnection[Any]], Awaitable[str | None]]:
    """*work* as a sweep's: done by one replica at a time.

    The sweep comes to PASSED while another replica is at it. Raises psycopg.Error, and what *work* raises. A leader
    that loses the lock with its connection finishes what it has begun: two at once must do no harm, only needless work.
    """

    async def sweep(connection: AsyncConnection[Any]) -> str | None:
        if not await leads(connection, lock):
            return PASSED
        await work()
        # Not in a finally: what gets past the work is a connection at its end or a cancellation; the lock goes with it.
        await hand_over(connection, lock)
        return None

    return sweep


async def in_a_thread(work: Callable[[Connection[Any]], object], database_url: str, *, name: str) -> None:
    """Do *work* on a connection of its own, in autocommit.

    Raises DatabaseError, psycopg.Error, and what *work* raises. When it is cancelled, what the server is at is broken
    off, and the thread with it.
    """
    connection = await asyncio.to_thread(connect_once, database_url, application_name=f"tracefleet fleet {name}")
    working = asyncio.ensure_future(asyncio.to_thread(work, connection))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        # Again and again: a cancellation that comes between two statements breaks off neither. We go no sooner, though
        # we be cancelled again: the thread has the connection.
        while not working.done():
            # There may be no server to ask: then the thread ends of that.
            with suppress(psycopg.Error, asyncio.CancelledError):
                await asyncio.to_thread(connection.cancel_safe)
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working], timeout=CANCEL_AGAIN_SECONDS)
        # Looked at, so that nobody complains of an error that nobody saw.
        working.exception()
        raise
    finally:
        connection.close()
