"""The rim of every request: measured, given its headers, bounded in size, and never without an answer."""

import re
import time
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.metrics import UNMATCHED, Metrics
from api.origin import is_foreign
from api.rates import Rates
from store.settings import Settings

# Of a body as it is sent, whatever the route; this bounds what a confused client may announce.
BODY_BYTES_MAX: Final = 1_048_576
# Of a sheet: as much as a hundred thousand rows come to.
SHEET_BYTES_MAX: Final = 33_554_432
_OF_SHEETS: Final = re.compile(r"/api/v1/ledger/[a-z_]+/import")
# What is no length is the server's business: it refused the request before it came here.
_LENGTH: Final = re.compile(r"\d{1,18}", re.ASCII)
_ENDLESS: Final = "text/event-stream"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    # A page that shows something sets its own.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Once seen over TLS, never without again.
_OVER_TLS: Final = {"Strict-Transport-Security": "max-age=31536000"}


@dataclass(slots=True)
class Reply:
    """What went out for one request; a HEAD gets the head alone."""

    send: Send
    is_head: bool
    is_private: bool = False
    status: int = 0
    began_at: float = field(default_factory=time.perf_counter)
    # Of a stream that lasts as long as its client, the time until its head: what comes after says nothing of us.
    seconds_to_head: float | None = None
    is_complete: bool = False

    async def pass_on(self, message: Message) -> None:
        """Send *message*, the head completed with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in (_HEADERS | _OVER_TLS if self.is_private else _HEADERS).items():
                headers.setdefault(name, value)
            if headers.get("content-type", "").startswith(_ENDLESS):
                self.seconds_to_head = time.perf_counter() - self.began_at
        elif self.is_head:
            if self.is_complete:
                return
            # Complete with its head: what has no end would go on to be sent to nobody.
            self.is_complete = self.seconds_to_head is not None
            message = {**message, "body": b""} | ({"more_body": False} if self.is_complete else {})
        await self.send(message)

    @property
    def seconds(self) -> float:
        """How long the answer took."""
        return time.perf_counter() - self.began_at if self.seconds_to_head is None else self.seconds_to_head


class Rim:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, settings: Settings) -> None:
        self._app = app
        self._metrics = metrics
        self._public_url = settings.public_url
        self._rates = Rates(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything else (the lifespan) goes straight through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        reply = Reply(send, is_head=method == "HEAD", is_private=scope["scheme"] == "https")
        if reply.is_head:
            # Every GET answers HEAD too (RFC 9110); routes need not say so.
            scope["method"] = "GET"
        try:
            await self._answer(scope, receive, reply)
        finally:
            self._metrics.observe(
                method=method,
                route=_template(scope),
                status=reply.status or problems.INTERNAL.status,
                seconds=reply.seconds,
            )

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        try:
            answer: ASGIApp = self._refusal(scope) or self._app
            await answer(scope, receive, reply.pass_on)
        except Exception:  # the rim: whatever it was, the caller gets an answer and the operator the cause
            structlog.get_logger().exception("request failed", route=_template(scope))
            if reply.status:
                raise  # half an answer is out: only a broken connection can tell
            await problems.answer(problems.INTERNAL, "The server failed.")(scope, receive, reply.pass_on)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is refused whatever it asks for, before anything is read of it."""
        headers = Headers(scope=scope)
        if is_foreign(scope["method"], headers, scheme=scope["scheme"], public_url=self._public_url):
            return problems.answer(problems.CROSS_SITE, "Pages of other sites change nothing here.")
        wait = self._rates.wait_seconds(scope)
        if wait:
            said = "There were more requests within a minute than one caller may make."
            return problems.answer(problems.TOO_OFTEN, said, headers={"Retry-After": str(wait)})
        most = SHEET_BYTES_MAX if _OF_SHEETS.fullmatch(scope["path"]) else BODY_BYTES_MAX
        if _announced_bytes(headers) > most:
            return problems.answer(problems.TOO_LARGE, f"At most {most} bytes are taken.")
        return None


def _announced_bytes(headers: Headers) -> int:
    announced = headers.get("content-length", "0")
    return int(announced) if _LENGTH.fullmatch(announced) else 0


def _template(scope: dict[str, Any] | Scope) -> str:
    """The route's template, which is one of a few; an address is not."""
    return str(getattr(scope.get("route"), "path", UNMATCHED))
