"""The one place that speaks MQTT: a connection with a Last Will, messages at QoS 1, word of each acknowledgement."""

import asyncio
import errno
import logging
import math
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote, urlsplit

import aiomqtt

from deploy.simulator.message import Outgoing

KEEPALIVE_SECONDS: Final = 30
# aiomqtt and paho report every lost connection; thousands of devices losing the same broker are one event, and ours.
_SILENT: Final = logging.getLogger(f"{__name__}.silent")
_SILENT.setLevel(logging.CRITICAL + 1)


class ConnectionFailedError(Exception):
    """The broker could not be reached, or refused; its words are the argument."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to enter."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    is_tls: bool = False

    @classmethod
    def at(cls, url: str) -> "Broker":
        """The broker of an ``mqtt://`` or ``mqtts://`` URL."""
        parts = urlsplit(url)
        is_tls = parts.scheme == "mqtts"
        return cls(
            parts.hostname or "127.0.0.1",
            parts.port or (8883 if is_tls else 1883),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            is_tls,
        )

    def as_device(self, device_no: str, secret: str) -> "Broker":
        """The same broker, entered as a device."""
        return replace(self, username=device_no, password=secret)


class Session:
    """An open connection. Messages leave in the order in which they are given; up to *window* may be unacknowledged."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._publishing: set[asyncio.Task[None]] = set()

    def publish(self, topic: str, payload: bytes, acknowledged: Callable[[], None]) -> None:
        """Send at QoS 1; *acknowledged* is called when the PUBACK has come, and never if the connection ends first."""
        task = asyncio.create_task(self._publish(topic, payload, acknowledged))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(self, topic: str, payload: bytes, acknowledged: Callable[[], None]) -> None:
        # Without a limit of its own: a broker that is slow is waited for, one that is gone ends the session.
        with suppress(aiomqtt.MqttError):
            await self._client.publish(topic, payload, qos=1, timeout=math.inf)
            acknowledged()

    async def ended(self) -> None:
        """Return when the connection has ended, for whatever reason."""
        with suppress(aiomqtt.MqttError):
            # Nothing is subscribed to: this only ever ends with the connection.
            async for _ in self._client.messages:
                pass

    def cut(self) -> None:
        """Lose the connection as a power cut would: no goodbye, so the broker tells the Last Will."""
        _cut(self._client)

    async def close(self) -> None:
        """Say goodbye if the connection still stands; whatever was not acknowledged stays so."""
        for task in list(self._publishing):
            task.cancel()
        with suppress(aiomqtt.MqttError):
            await self._client.__aexit__(None, None, None)


async def connect(broker: Broker, identifier: str, *, will: Outgoing | None, window: int) -> Session:
    """A new connection under the client id *identifier*, with *will* as its Last Will.

    Raises ConnectionFailedError. Cancelled, it leaves nothing open.
    """
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        identifier=identifier,
        will=aiomqtt.Will(will.topic, will.sent, qos=1) if will is not None else None,
        keepalive=KEEPALIVE_SECONDS,
        max_inflight_messages=window,
        tls_context=ssl.create_default_context() if broker.is_tls else None,
        logger=_SILENT,
    )
    client.pending_calls_threshold = window + 1
    # aiomqtt connects in a thread; leaving that thread behind would hand a socket to a loop that may be gone.
    opening = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(opening)
    except aiomqtt.MqttError as error:
        # A broker that was too slow to answer may still do so.
        _cut(client)
        raise ConnectionFailedError(str(error)) from error
    except asyncio.CancelledError:
        with suppress(aiomqtt.MqttError):
            await opening
            await client.__aexit__(None, None, None)
        raise
    return Session(client)


@contextmanager
def late_writers_ignored() -> Iterator[None]:
    """Within it, the loop says nothing of a socket that aiomqtt wants to watch and that was closed a moment before.

    Its wish to write is one turn of the loop late; a connection that ends in that turn is a connection that ended,
    which its session tells anyway.
    """
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno == errno.EBADF:
            return
        (before or type(loop).default_exception_handler)(loop, context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)


def _cut(client: aiomqtt.Client) -> None:
    # aiomqtt has no way to leave without a goodbye; the socket below it has.
    below = client._client.socket()  # noqa: SLF001
    if isinstance(below, socket.socket):
        with suppress(OSError):
            below.shutdown(socket.SHUT_RDWR)
