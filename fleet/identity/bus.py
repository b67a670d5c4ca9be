"""The one place that speaks to nats-server over NATS: a connection, questions and answers on it.

A connection that is lost stays lost: whoever uses it begins again with a new one, and finds out what it missed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoRespondersError

CONNECT_SECONDS: Final = 5
# A server that vanished without a word is noticed within three of them.
PING_SECONDS: Final = 5
LEAVE_SECONDS: Final = 1.0

log = structlog.get_logger()


class BusError(Exception):
    """The server cannot be reached, or did not answer; its words are the argument."""


class Bus:
    """An open connection."""

    def __init__(self, client: Client, closed: asyncio.Event) -> None:
        self._client = client
        self._closed = closed

    async def answer(self, subject: str, handler: Callable[[bytes], bytes], *, queue: str) -> None:
        """Have *handler* answer each question on *subject*; of those with the same *queue* one gets it."""

        async def reply(message: Msg) -> None:
            if message.reply:
                # What fails here, an answer that is too large among it, on_error tells: whoever asked gets no answer.
                await self._client.publish(message.reply, handler(message.data))

        try:
            await self._client.subscribe(subject, queue=queue, cb=reply)
            await self._client.flush(CONNECT_SECONDS)
        except Error as error:
            raise BusError(_words(error)) from error

    async def ask(self, subject: str, question: bytes, *, seconds: float) -> bytes:
        """The first answer. Raises BusError when there is none in time."""
        try:
            return bytes((await self._client.request(subject, question, timeout=seconds)).data)
        except Error as error:
            raise BusError(_words(error)) from error

    async def ask_all(self, subject: str, question: bytes, *, seconds: float) -> list[bytes]:
        """The answers of everybody, until there has been none for *seconds*."""
        answers = []
        inbox = self._client.new_inbox()
        try:
            subscription = await self._client.subscribe(inbox)
            await self._client.publish(subject, question, reply=inbox)
            with suppress(TimeoutError):
                while True:
                    # An empty one is the server's: nobody listens there.
                    if answer := (await subscription.next_msg(seconds)).data:
                        answers.append(bytes(answer))
            await subscription.unsubscribe()
        except Error as error:
            raise BusError(_words(error)) from error
        return answers

    async def ended(self) -> None:
        """Return when the connection has ended."""
        await self._closed.wait()


@asynccontextmanager
async def connected(url: str, *, name: str) -> AsyncIterator[Bus]:
    """A connection to the server at *url*, as its user and password say. Raises BusError."""
    closed = asyncio.Event()
    told: list[Exception] = []

    async def on_closed() -> None:
        closed.set()

    async def on_error(error: Exception) -> None:
        if client.is_connected:
            log.warning("trouble with nats-server", connection=name, error=_words(error))
        else:
            told.append(error)

    client = Client()
    try:
        await client.connect(
            url,
            name=name,
            allow_reconnect=False,
            # Also of the first connection: sixty tries otherwise, two seconds apart.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            max_outstanding_pings=2,
            closed_cb=on_closed,
            error_cb=on_error,
        )
        yield Bus(client, closed)
    except (Error, OSError) as error:
        raise BusError(_words(told[-1] if told else error)) from error
    finally:
        # Also one that was refused: it leaves its socket open.
        with suppress(Error, OSError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await client.close()


def _words(error: Exception) -> str:
    if isinstance(error, NoRespondersError):
        return "nobody answers there"
    return " ".join(str(error).split()) or type(error).__name__
