"""Who may connect, for brokers that ask over HTTP: the ledger's identities in memory, and a note of who came.

Both begin with the first question, so an API that no broker asks holds nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, Request

from api.problems import UNAVAILABLE, ProblemError
from fleet.checks import Checks
from fleet.identity.accesses import Accesses
from fleet.identity.snapshot import Identities
from store.settings import Settings

# Brokers wait about as long for an answer.
LOAD_SECONDS: Final = 4.0
CHECK: Final = "accesses"


class Doorkeeper:
    """The identities and the notes of this process."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._identities = Identities()
        self._checks = Checks({CHECK: None})
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.accesses = Accesses()

    async def identities(self) -> Identities:
        """The ledger's identities, followed. Raises ProblemError when they were never read."""
        self._keep_up()
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                await self._identities.loaded.wait()
        except TimeoutError:
            raise ProblemError(UNAVAILABLE, "The ledger's identities could not be read yet.") from None
        return self._identities

    async def close(self) -> None:
        """End what was begun."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _keep_up(self) -> None:
        self._run("identities", lambda: self._identities.follow(self._database_url))
        self._run(CHECK, lambda: self.accesses.record(self._database_url, self._checks))

    def _run(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._tasks.get(name)
        if task is not None and not task.done():
            return
        if task is not None and not task.cancelled():
            # It survives any loss of the database, so this is a mistake of ours; the next question begins anew.
            structlog.get_logger().error("the door is not kept", task=name, exc_info=task.exception())
        self._tasks[name] = asyncio.create_task(work(), name=name)


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Doorkeeper]:
    """A doorkeeper; what it began ends with it."""
    doorkeeper = Doorkeeper(settings.require_database_url())
    try:
        yield doorkeeper
    finally:
        await doorkeeper.close()


async def _of(request: Request) -> Doorkeeper:
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    return doorkeeper


DoorkeeperDep = Annotated[Doorkeeper, Depends(_of)]
