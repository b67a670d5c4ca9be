"""The session with any broker, in MQTT 3.1.1. The only user of aiomqtt.

aiomqtt acknowledges a message when it enters its queue, before anything is stored. Paho beneath it can leave that to
us, but only through aiomqtt's private client: that reach, and what it must not get wrong, is all in this module.
"""

import asyncio
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import aiomqtt
import structlog

from ingest.arrival import Arrival, Receipt
from ingest.broker_certificate import ends_seconds
from ingest.inbox import Inbox
from ingest.subscription import Subscription, UnfitBrokerError
from ingest.topic import mark_of
from store.backoff import Backoff
from store.peer import Peer
from store.stopping import end

RECONNECT_CAP_SECONDS: Final = 30.0
KEEPALIVE_SECONDS: Final = 15
CONNECT_SECONDS: Final = 10.0
# A broker that is frozen must not hold up a stop.
LEAVE_SECONDS: Final = 1.0
# A connection that lasted so long was a good one, and the next try is made at once.
STEADY_SECONDS: Final = 30.0
# What a killed run held may come as late as this: nats-server delivers again by time, not at once.
SETTLE_SECONDS: Final = 60.0
# The window is open, and so nothing waits at the broker, while no more than these are unacknowledged for a second.
CAUGHT_UP: Final = 32
CAUGHT_UP_LOOKS: Final = 10
LOOK_SECONDS: Final = 0.1
# The SUBACK code of QoS 1: less the broker could lose without a word, and 128 means refused.
GRANTED: Final = 1

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

log = structlog.get_logger()


class AiomqttSession:
    """See :class:`ingest.session.Session`. How many messages are under way unacknowledged, the broker decides."""

    def __init__(
        self,
        peer: Peer,
        *,
        client_id: str,
        subscription: Subscription,
        inbox: Inbox,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._peer = peer
        self._client_id = client_id
        self._subscription = subscription
        self._inbox = inbox
        self._settle_seconds = settle_seconds
        # Set when the inbox was full and messages were left unread: only a new connection brings them again.
        self._left_some = False
        self._is_fetching = False
        self._client: aiomqtt.Client | None = None
        self._connection = 0
        self._unacknowledged: set[int] = set()
        self._draining = False
        self._settled = False
        self.connected = False
        self.trouble: str | None = None
        self.certificate_ends_seconds = 0.0

    @property
    def unacknowledged(self) -> int:
        """Messages of this connection that wait for their commit."""
        return len(self._unacknowledged)

    def mark(self, payload: bytes) -> int | None:
        """Publish *payload* to ourselves, once nothing can come any more that the last run held."""
        if self._client is None or not self._settled:
            return None
        self._client._client.publish(mark_of(self._client_id), payload, qos=1)  # noqa: SLF001 - see the module's first lines
        return self._connection

    def drain(self) -> None:
        """Take no more messages; those that still come stay unacknowledged, so the broker keeps them."""
        self._draining = True

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """Tell the broker that their messages are stored, in the order given, which must be the order of receipt."""
        client = self._client
        if client is None:
            return
        for receipt in receipts:
            if receipt.connection == self._connection:
                self._unacknowledged.discard(receipt.packet_ids)
                client._client.ack(receipt.packet_ids, 1)  # noqa: SLF001 - see the module's first lines

    def resume(self) -> None:
        """Connect anew when messages were left unread: the broker brings them again."""
        if self._left_some and self._client is not None and not self._draining:
            self._is_fetching = True
            self._client._client.disconnect()  # noqa: SLF001 - see the module's first lines

    async def run(self) -> None:
        """Stay connected until cancelled, then take leave; the broker keeps the session and what comes for it."""
        backoff = Backoff(cap_seconds=RECONNECT_CAP_SECONDS)
        while True:
            try:
                await self._stay_connected(backoff)
            except UnfitBrokerError as error:
                self._lament(str(error))
                self._forget()
                await asyncio.sleep(backoff.next_seconds())
            except aiomqtt.MqttError as error:
                if self._is_fetching:  # we hung up ourselves, and want the rest at once
                    backoff.reset()
                elif self.connected or backoff.attempts == 0:
                    log.warning(
                        "broker connection lost",
                        error=str(error),
                        hint=self._hint(),
                    )
                self._forget()
                await asyncio.sleep(backoff.next_seconds())
            finally:
                self._forget()

    def _hint(self) -> str:
        if self.connected:
            return f"if this repeats: does another process use the client id {self._client_id}?"
        return f"is there a broker at {self._peer.name}? TRACEFLEET_BROKER_URL names it"

    def _lament(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.error("the broker does not serve us; asking again now and then", reason=trouble)
        self.trouble = trouble

    async def _stay_connected(self, backoff: Backoff) -> None:
        self._connection += 1
        self._left_some = self._is_fetching = False
        client = _client(self._peer, self._client_id)
        client._client.on_message = partial(self._on_message, self._connection)  # noqa: SLF001 - see the module's first lines
        # Before the connection is opened: messages of a persistent session come with the CONNACK, and one that came
        # before the switch would be acknowledged unseen.
        client._client.manual_ack_set(True)  # noqa: SLF001 - see the module's first lines
        # Before it, too: their commits may come while we still subscribe.
        self._client = client
        async with client:
            socket = client._client.socket()  # noqa: SLF001 - see the module's first lines
            shown = socket.getpeercert() if isinstance(socket, ssl.SSLSocket) else None
            self.certificate_ends_seconds = ends_seconds(shown)
            try:
                await self._subscribe(client)
                await self._read(client, backoff)
            except asyncio.CancelledError:
                await self._be_heard_out(client)
                raise

    async def _read(self, client: aiomqtt.Client, backoff: Backoff) -> None:
        self.connected, self.trouble = True, None
        subscribed_seconds = time.monotonic()
        log.info("subscribed", topics=list(self._subscription.filters), client_id=self._client_id, protocol="3.1.1")
        settling = asyncio.create_task(self._settle(client), name="settle")
        try:
            # Nothing ever comes out of the iterator, since we take the messages; it ends when the connection does.
            async for _ in client.messages:
                pass
        finally:
            await end(settling)
            # A connection that ends at once is no success: two processes with one client id throw each other out.
            if time.monotonic() - subscribed_seconds > STEADY_SECONDS:
                backoff.reset()

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        for pattern in self._subscription.filters:
            codes = await client.subscribe(pattern, qos=1)
            if any((code if isinstance(code, int) else code.value) != GRANTED for code in codes):
                raise UnfitBrokerError(
                    f"the broker refused the subscription to {pattern}. Let {self._client_id} read it there."
                )

    async def _settle(self, client: aiomqtt.Client) -> None:
        """Take back what is stale, but not before what waits for it is here.

        nats-server keeps messages by subscription, and drops with it those it has not delivered.
        """
        await asyncio.sleep(self._settle_seconds)
        self._settled = True
        stale = self._subscription.stale
        looks = 0
        while stale and looks < CAUGHT_UP_LOOKS:
            await asyncio.sleep(LOOK_SECONDS)
            looks = looks + 1 if self.unacknowledged <= CAUGHT_UP and not self._left_some else 0
        for pattern in sorted(stale):
            try:
                await client.unsubscribe(pattern)
            except aiomqtt.MqttError:
                return  # the connection ends, and the next one begins anew
            stale.discard(pattern)
            log.info("took back a subscription of an earlier configuration", topic=pattern, client_id=self._client_id)

    async def _be_heard_out(self, client: aiomqtt.Client) -> None:
        """Return when the broker has read all that we sent: an answer says so, to a request that changes nothing.

        Paho hangs up with its leave-taking. While the broker still speaks, that resets the connection, and
        acknowledgements that the broker has not read are lost with it.
        """
        self._draining = True
        asking = asyncio.create_task(client.unsubscribe(mark_of(self._client_id)), name="leave")
        gone = client._disconnected  # noqa: SLF001 - see the module's first lines
        try:
            await asyncio.wait({asking, gone}, timeout=LEAVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(asking)
            for ended in (asking, gone):  # seen, so that asyncio does not complain
                if ended.done() and not ended.cancelled():
                    ended.exception()

    def _on_message(self, connection: int, _client: object, _userdata: object, message: "MQTTMessage") -> None:
        """Paho's callback. What it raised would break the connection, and come again with the next one."""
        if self._draining:
            return
        packet_id = message.mid if message.qos > 0 else 0
        if packet_id in self._unacknowledged:
            return  # delivered again while it waits for its commit (nats-server does so by time): held already
        if packet_id and self._inbox.is_full:
            self._left_some = True
            return
        if packet_id:
            self._unacknowledged.add(packet_id)
        # The bytes, because a broker may pass on a topic that is no UTF-8, which paho's own property raises on.
        topic = message._topic.decode("utf-8", "backslashreplace")  # noqa: SLF001 - see above
        arrival = Arrival(
            topic, bytes(message.payload), datetime.now(UTC), message.retain, connection if packet_id else 0
        )
        self._inbox.put((arrival,), Receipt(connection, 1, packet_id) if packet_id else None)

    def _forget(self) -> None:
        self.connected = self._settled = False
        self._client = None
        self._unacknowledged.clear()


async def end_session(peer: Peer, client_id: str) -> None:
    """Have the broker forget the session of *client_id* and what it keeps for it.

    Raises OSError when it cannot be asked.
    """
    try:
        async with _client(peer, client_id, clean=True):
            pass
    except aiomqtt.MqttError as error:
        raise OSError(f"the broker at {peer.name} does not answer: {error}") from error


def _client(peer: Peer, client_id: str, *, clean: bool = False) -> aiomqtt.Client:
    return aiomqtt.Client(
        peer.host,
        peer.port,
        username=peer.username,
        password=peer.password,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=clean,
        keepalive=KEEPALIVE_SECONDS,
        timeout=CONNECT_SECONDS,
        tls_context=ssl.create_default_context() if peer.secure else None,
    )
