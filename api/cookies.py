"""The cookie of a session: a random token that no script can read and no other site's page sends along.

Lax and not Strict: whoever follows a link from a dashboard to a device is still logged in there. What changes something
needs a JSON body from this origin besides.
"""

from typing import Final

from fastapi import Request
from starlette.responses import Response

from store.settings import Settings

COOKIE: Final = "tracefleet_session"
# What browsers take over TLS alone, from this host alone.
_PRIVATE: Final = f"__Host-{COOKIE}"


def token_in(request: Request) -> str | None:
    """The token that *request* shows, whatever it may be."""
    return request.cookies.get(_name(request))


def give(request: Request, response: Response, token: str, *, seconds: int) -> None:
    """Let the browser keep *token* for *seconds*; over TLS, never to be sent without."""
    response.set_cookie(
        _name(request), token, max_age=seconds, path="/", httponly=True, samesite="lax", secure=_is_private(request)
    )


def take(request: Request, response: Response) -> None:
    """Let the browser forget it."""
    response.delete_cookie(_name(request), path="/", httponly=True, samesite="lax", secure=_is_private(request))


def _name(request: Request) -> str:
    return _PRIVATE if _is_private(request) else COOKIE


def _is_private(request: Request) -> bool:
    """Whether people come over TLS, to this process or to what stands before it."""
    settings: Settings = request.app.state.settings
    return request.url.scheme == "https" or settings.public_url.startswith("https://")
