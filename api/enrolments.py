"""``POST /api/v1/enrolments``: an installer's one-time code for a device's login. The code is all that is asked for.

Every refusal is the same, and comes the same time after the request: it says neither whether there is such a device,
nor whether it has a code, nor what is wrong with the one given.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import PUBLIC
from api.ledger import EXAMPLE_LOGGER
from api.ledger_desk import DeskDep
from api.logins import Login, login_of
from api.parameters import DEVICE_NO_PATTERN
from api.problems import (
    BUSY,
    ENROLMENT_REFUSED,
    INVALID_REQUEST,
    KEY_UNUSABLE,
    NOT_MIGRATED,
    SLOW_BODY,
    TOO_LARGE,
    UNAVAILABLE,
    UNREADABLE,
    UNSUPPORTED_MEDIA,
    ProblemError,
    documented,
)
from api.tries import Tries
from fleet.acting import Actor
from fleet.identity.enrolments import redeem

router = APIRouter(prefix="/api/v1/enrolments", tags=["Credentials"], dependencies=PUBLIC)

# After the request; longer than the database takes.
REFUSED_AFTER_SECONDS: Final = 0.5
# At once, of the few connections that change the ledger.
REDEEMING_MAX: Final = 2
WAITING_MAX: Final = 64


class Enrolment(BaseModel):
    """What the installer has."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"device_no": EXAMPLE_LOGGER, "code": "7KQ2M-X0T9C"}}
    )

    device_no: str = Field(pattern=DEVICE_NO_PATTERN, description="As on the label of the device.")
    code: str = Field(
        max_length=64, description="Case, dashes and spaces do not matter; I, L and O are read as 1 and 0."
    )


class Enrolments:
    """The enrolments under way, and the tries that failed. One for the process."""

    def __init__(self) -> None:
        self.tries = Tries()
        self._turns = asyncio.Semaphore(REDEEMING_MAX)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn at the ledger. Raises ProblemError, busy, when too many wait for one."""
        if self._waiting >= WAITING_MAX:
            raise ProblemError(BUSY, f"{WAITING_MAX} devices are being enrolled.")
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1


@router.post(
    "",
    status_code=201,
    summary="Enrol a device",
    responses=documented(
        ENROLMENT_REFUSED,
        INVALID_REQUEST,
        SLOW_BODY,
        TOO_LARGE,
        UNSUPPORTED_MEDIA,
        UNREADABLE,
        BUSY,
        besides=(UNAVAILABLE, NOT_MIGRATED, KEY_UNUSABLE),
    ),
    openapi_extra=described(Enrolment),
)
async def post_enrolment(request: Request, bodies: BodiesDep, desk: DeskDep) -> Login:
    """The login of a device for its one-time code, told once; no key is needed.

    Passwords that the device had before end 24 h later. A code that is wrong five times is void.
    """
    began = time.monotonic()
    asked = await bodies.read(request, Enrolment)
    enrolments: Enrolments = request.app.state.enrolments
    host = request.client.host if request.client else "unknown"
    if not enrolments.tries.begin(host, began):
        raise ProblemError(BUSY, "Too many codes were tried from this address within a minute.")
    async with enrolments.turn():
        issued = await desk.change(
            Actor("installer", f"api {host}"),
            lambda connection: redeem(connection, asked.device_no, asked.code, now=datetime.now(UTC)),
            reason="enrolment",
        )
    if issued is None:
        await asyncio.sleep(REFUSED_AFTER_SECONDS - (time.monotonic() - began))
        raise ProblemError(ENROLMENT_REFUSED, "This code does not open this device.")
    enrolments.tries.succeeded(host)
    return login_of(issued)
