"""Serves the API until it is told to stop."""

import asyncio
import errno
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
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


async def run(settings: Settings, *, insecure: bool = False, before: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; requests under way get 3 seconds to end.

    *before* is called once nothing stands in the way of serving, and before the first request is.

    Off this machine it speaks TLS, unless it is to be *insecure*: passwords and keys would be read on the way.
    Raises SettingsError and PortTakenError before anything else starts. A database that is away, then or later, is
    answered with 503 until it is back; whether its schema fits is for the caller to check first, and for ``/readyz``.
    """
    with listen(settings) as listener:
        is_private = _require_private(settings, listener, insecure=insecure)
        before()
        _quiet()
        server = _Server(
            uvicorn.Config(
                create_app(settings),
                log_config=None,
                access_log=False,
                lifespan="on",
                server_header=False,
                # Whoever says that he forwards could say that he is anybody.
                proxy_headers=bool(settings.api_trusted_proxies),
                forwarded_allow_ips=settings.api_trusted_proxies or None,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_certfile=settings.api_tls_certificate,
                ssl_keyfile=settings.api_tls_key,
            )
        )
        structlog.get_logger().info("api listens", url=url_of(listener, is_private=is_private))
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


def url_of(listener: socket.socket, *, is_private: bool = False) -> str:
    """Where a browser on this machine finds it; over TLS where it *is_private*."""
    host, port = listener.getsockname()[:2]
    return f"http{'s' if is_private else ''}://{f'[{host}]' if ':' in host else host}:{port}"


def _require_private(settings: Settings, listener: socket.socket, *, insecure: bool) -> bool:
    """Whether the API speaks TLS. Raises SettingsError where it has to and cannot."""
    certificate, key = settings.api_tls_certificate, settings.api_tls_key
    if (certificate is None) != (key is None):
        raise SettingsError(
            "TRACEFLEET_API_TLS_CERTIFICATE and TRACEFLEET_API_TLS_KEY are set together, or neither. "
            "证书与私钥须同时设置。"
        )
    if certificate is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"TRACEFLEET_API_TLS_CERTIFICATE={certificate}, TRACEFLEET_API_TLS_KEY={key}: {error}. Give a "
                f"certificate and its key, each a PEM file that this user may read. 请提供可读取的PEM证书及其私钥。"
            ) from error
        return True
    if not insecure and not ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback:
        raise SettingsError(
            f"the API would listen on {settings.api_host} without TLS: passwords and keys could be read on the way. "
            f"Set TRACEFLEET_API_TLS_CERTIFICATE and TRACEFLEET_API_TLS_KEY; or, behind a proxy that speaks TLS, type "
            f"--insecure. API 将在本机以外监听且未启用TLS：请设置证书与私钥；前置代理已启用TLS时，使用 --insecure。"
        )
    return False


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
