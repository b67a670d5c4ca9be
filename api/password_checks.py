"""Passwords compared and hashed apart from the event loop, two at a time: each takes 64 MiB."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import Depends, Request

from api.problems import BUSY, ProblemError
from fleet.identity import passwords

AT_ONCE: Final = 2
WAITING_MAX: Final = 32


class PasswordChecks:
    """The checks under way. One for the process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def check(self, password: str, password_hash: str | None) -> tuple[bool, str | None]:
        """As :func:`fleet.identity.passwords.check`. Raises ProblemError, busy, when too many wait."""
        async with self._turn():
            return await asyncio.to_thread(passwords.check, password, password_hash)

    async def hash_of(self, password: str) -> str:
        """What is kept of *password*. Raises ProblemError, busy, when too many wait."""
        async with self._turn():
            return await asyncio.to_thread(passwords.hash_of, password)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING_MAX:
            raise ProblemError(BUSY, f"{WAITING_MAX} passwords wait to be compared.")
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1


async def _of(request: Request) -> PasswordChecks:
    checks: PasswordChecks = request.app.state.password_checks
    return checks


PasswordChecksDep = Annotated[PasswordChecks, Depends(_of)]
