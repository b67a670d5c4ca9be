"""The API's way to change the ledger: the fleet's own functions, in a thread, as the caller and under audit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import psycopg
from fastapi import Depends, Request
from psycopg import Connection
from psycopg_pool import ConnectionPool, PoolTimeout

from api.callers import CallerDep
from api.problems import (
    ILLEGAL_TRANSITION,
    KEY_UNUSABLE,
    NOT_MIGRATED,
    RULE_BROKEN,
    UNAVAILABLE,
    UNKNOWN_ENTRY,
    ProblemError,
)
from fleet.acting import Actor, acting
from fleet.errors import IllegalTransitionError, KeyFileError, RefusedError, UnknownEntryError
from fleet.identity.api_keys import note_use
from fleet.identity.sessions import note_visit
from fleet.keys import Keys
from store.database import CONNECT_TIMEOUT_SECONDS
from store.settings import Settings

POOL_SIZE: Final = 4
WAIT_SECONDS: Final = 2.0
# A change waits so long for an import that holds the ledger, and then frees its connection for others. No single
# statement may hold the ledger for more than a minute, an import's neither: it makes many.
LIMITS: Final = "SELECT set_config('lock_timeout', '5s', false), set_config('statement_timeout', '60s', false)"

T = TypeVar("T")


class Desk:
    """Where changes are made. One for the process."""

    def __init__(self, pool: "ConnectionPool[Connection[Any]]", keys: Keys) -> None:
        self._pool = pool
        self.keys = keys

    async def change(self, actor: Actor, work: Callable[[Connection[Any]], T], *, reason: str = "") -> T:
        """The result of *work* in a transaction that is *actor*'s; it is committed when this returns.

        A caller that goes away meanwhile does not end it: half a change is none. Raises ProblemError.
        """
        return await asyncio.shield(asyncio.to_thread(self._change, actor, work, reason))

    async def note_key_use(self, key_id: str, at: datetime) -> None:
        """Remember when a key of the API was last used. Raises ProblemError."""
        await self.read(lambda connection: note_use(connection, key_id, at))

    async def note_visit(self, token_sha256: bytes) -> None:
        """Remember that a session is used. Raises ProblemError."""
        await self.read(lambda connection: note_visit(connection, token_sha256))

    async def read(self, work: Callable[[Connection[Any]], T]) -> T:
        """The result of *work*, for what the fleet's functions read. Raises ProblemError."""
        return await asyncio.to_thread(self._read, work)

    def _change(self, actor: Actor, work: Callable[[Connection[Any]], T], reason: str) -> T:
        def within(connection: Connection[Any]) -> T:
            with acting(connection, actor, keys=self.keys, reason=reason):
                return work(connection)

        return self._read(within)

    def _read(self, work: Callable[[Connection[Any]], T]) -> T:
        try:
            with self._pool.connection(timeout=WAIT_SECONDS) as connection:
                return work(connection)
        except IllegalTransitionError as error:
            raise ProblemError(ILLEGAL_TRANSITION, str(error), allowed=error.allowed) from error
        except UnknownEntryError as error:
            raise ProblemError(UNKNOWN_ENTRY, str(error)) from error
        except RefusedError as error:
            raise ProblemError(RULE_BROKEN, str(error)) from error
        except KeyFileError as error:
            raise ProblemError(
                KEY_UNUSABLE, "The audit could not be sealed, or what is sealed not be opened."
            ) from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise ProblemError(NOT_MIGRATED, "A table or column is missing.") from error
        except psycopg.errors.QueryCanceled as error:
            raise ProblemError(UNAVAILABLE, "The database did not finish in time. Nothing was changed.") from error
        except psycopg.errors.LockNotAvailable as error:
            raise ProblemError(UNAVAILABLE, "The ledger is held by an import, or by another change.") from error
        except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise ProblemError(UNAVAILABLE, f"No answer came within {WAIT_SECONDS:g} s.") from error


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Desk]:
    """A desk whose pool opens when the server is there; closed at the end."""
    pool = ConnectionPool(
        settings.require_database_url(),
        kwargs={
            "autocommit": True,
            "application_name": "tracefleet api ledger",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        },
        min_size=0,
        max_size=POOL_SIZE,
        open=False,
        configure=_configure,
        check=ConnectionPool.check_connection,
    )
    pool.open(wait=False)
    try:
        yield Desk(pool, Keys.of(settings))
    finally:
        await asyncio.to_thread(pool.close, 1)


def _configure(connection: Connection[Any]) -> None:
    connection.execute(LIMITS)


def _of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


DeskDep = Annotated[Desk, Depends(_of)]


def _actor(request: Request, caller: CallerDep) -> Actor:
    by = f" key {caller.key_id}" if caller.key_id else " session" if caller.session else ""
    return Actor(caller.name, f"api {request.client.host if request.client else 'unknown'}{by}")


ActorDep = Annotated[Actor, Depends(_actor)]
