"""Serves the API until it is told to stop."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import structlog
import uvicorn

from api.app import create_app
from store.errors import PortTakenError, SettingsError
from store.settings import Settings

BACKLOG: Final = 2048
GRACE_SECONDS: Final = 3
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; requests under way get 3 seconds to end.

    Raises PortTakenError before anything else starts. A database that is away, then or later, is answered with 503
    until it is back; whether its schema fits is for the caller to check first, and for ``/readyz``.
    """
    with listen(settings) as listener:
        _quiet()
        server = _Server(
            uvicorn.Config(
                create_app(settings),
                log_config=None,
                access_log=False,
                lifespan="on",
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        structlog.get_logger().info("api listens", url=url_of(listener))
        await _serve(server, listener)
        structlog.get_logger().info("api ended")


def listen(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say.

    Raises PortTakenError when another process does already, SettingsError when the address is none of this machine's.
    """
    host, port = settings.api_host, settings.api_port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        raise SettingsError(
            f"TRACEFLEET_API_HOST={host}: {error.strerror}. Give an address of this machine."
        ) from error
    except OSError as error:
        raise _explain(host, port, error) from error
    # Inherited by its connections: asyncio does so only for sockets that name their protocol. Without it the body of
    # an answer waits for the caller's acknowledgement of its head, 40 ms on a connection that is kept.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _explain(host: str, port: int, error: OSError) -> PortTakenError | SettingsError:
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(
            f"port {port} on {host} is in use by another process. "
            f"Stop that process, or set TRACEFLEET_API_PORT to a free port."
        )
    return SettingsError(
        f"the API cannot listen on {host}:{port}: {error.strerror}. Check TRACEFLEET_API_HOST and TRACEFLEET_API_PORT."
    )


class _Server(uvicorn.Server):
    """Uvicorn, but streams that have no end get one before it waits for requests under way."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order."""
        self.config.app.state.feed.stop()  # type: ignore[union-attr]
        await super().shutdown(sockets)


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    with _signals_end(server):
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise


@contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """SIGINT and SIGTERM end *server*, and nothing else.

    Uvicorn raises the signal that ended it once more, for the handlers before its own. By default that would end the
    process as killed; these handlers see one that has done its work.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    try:
        before = [(number, signal.signal(number, end)) for number in _SIGNALS]
    except ValueError:  # not the main thread: uvicorn leaves signals alone there, too
        yield
        return
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _quiet() -> None:
    """The access log is the metrics' business, and a lost database is told once, by the Database."""
    for name in ("uvicorn.error", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
