"""Whether whoever began what lasts, a stream of events, is still who he was: with the same roles and the same scope."""

import time
from typing import Final

from fastapi import Request

from api.callers import Caller, identify
from api.problems import UNAUTHENTICATED, ProblemError

# Not at each event: a busy day would ask the database once for each of all watchers.
ASK_SECONDS: Final = 2.0


class Tenure:
    """Of *caller*, who made *request*."""

    def __init__(self, request: Request, caller: Caller) -> None:
        self._request = request
        self._caller = caller
        self._asked_at = time.monotonic()

    async def lasts(self) -> bool:
        """Whether it does, as far as was asked; what cannot be asked now is asked again."""
        now = time.monotonic()
        if now - self._asked_at < ASK_SECONDS:
            return True
        self._asked_at = now
        try:
            return await identify(self._request) == self._caller
        except ProblemError as problem:
            return problem.kind is not UNAUTHENTICATED
