"""Bodies of requests: only the media types that a route takes, and never more, nor longer, than the server can hold."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from api.problems import BUSY, SLOW_BODY, TOO_LARGE, UNREADABLE, UNSUPPORTED_MEDIA, ProblemError
from api.rim import BODY_BYTES_MAX

# Bodies that are on their way at once, each held as far as it has come.
RECEIVING_MAX: Final = 64
RECEIVE_SECONDS: Final = 30.0
JSON: Final = "application/json"

ModelT = TypeVar("ModelT", bound=BaseModel)


class Bodies:
    """The bodies that are being received."""

    def __init__(self, *, within_seconds: float = RECEIVE_SECONDS) -> None:
        self._within_seconds = within_seconds
        self._receiving = 0

    async def receive(self, request: Request, *, at_most: int = BODY_BYTES_MAX) -> bytes:
        """The body as sent.

        Raises ProblemError: busy when too many are on their way; too-large as soon as it has grown beyond what is
        taken; slow-body when it does not end in time; unreadable-body when the connection ended first.
        """
        body = bytearray()
        try:
            async with self._place(), asyncio.timeout(self._within_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > at_most:
                        raise ProblemError(TOO_LARGE, f"At most {at_most} bytes are taken.")
        except TimeoutError:
            raise ProblemError(SLOW_BODY, f"It had not come within {self._within_seconds:g} s.") from None
        except ClientDisconnect:
            raise ProblemError(UNREADABLE, "The connection ended before the body.") from None
        return bytes(body)

    async def read(self, request: Request, kind: type[ModelT]) -> ModelT:
        """The JSON object in the body.

        The media type is also what keeps a page of another origin from posting: no browser sends it unasked. Raises
        ProblemError as :meth:`receive` does, or unsupported-media-type; RequestValidationError when it is no *kind*.
        """
        given = request.headers.get("content-type", "")
        if given.partition(";")[0].strip().lower() != JSON or request.headers.get("content-encoding"):
            raise ProblemError(UNSUPPORTED_MEDIA, f"Only {JSON} is read here, and not packed.")
        body = await self.receive(request)
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._receiving >= RECEIVING_MAX:
            raise ProblemError(BUSY, f"{RECEIVING_MAX} bodies are on their way.")
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1


def described(kind: type[BaseModel]) -> dict[str, Any]:
    """What OpenAPI is told of a route that reads a *kind* with :meth:`Bodies.read`."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": kind.model_json_schema()}}}}


async def _of(request: Request) -> Bodies:
    bodies: Bodies = request.app.state.bodies
    return bodies


BodiesDep = Annotated[Bodies, Depends(_of)]
