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

from ingest.arrival import Arrival
from ingest.inbox import Inbox
from ingest.subscription import Peer, Subscription
from store.backoff import Backoff

RECONNECT_CAP_SECONDS: Final = 30.0
KEEPALIVE_SECONDS: Final = 15
CONNECT_SECONDS: Final = 10.0
# A connection that lasted so long was a good one, and the next try is made at once.
STEADY_SECONDS: Final = 30.0
# SUBACK codes from here on mean refused.
REFUSED: Final = 0x80

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

log = structlog.get_logger()


class AiomqttSession:
    """See :class:`ingest.session.Session`. How many messages are under way unacknowledged, the broker decides."""

    def __init__(self, peer: Peer, *, client_id: str, subscription: Subscription, inbox: Inbox) -> None:
        self._peer = peer
        self._client_id = client_id
        self._subscription = subscription
        self._inbox = inbox
        # Set when the inbox was full and messages were left unread: only a new connection brings them again.
        self._left_some = False
        self._client: aiomqtt.Client | None = None
        self._connection = 0
        self._unacknowledged: set[int] = set()
        self._draining = False
        self.connected = False

    @property
    def unacknowledged(self) -> int:
        """Messages of this connection that wait for their commit."""
        return len(self._unacknowledged)

    def drain(self) -> None:
        """Take no more messages; those that still come stay unacknowledged, so the broker keeps them."""
        self._draining = True

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Tell the broker that these are stored, in the order given, which must be the order of receipt."""
        client = self._client
        if client is None:
            return
        for arrival in arrivals:
            if arrival.connection == self._connection:
                self._unacknowledged.discard(arrival.packet_id)
                client._client.ack(arrival.packet_id, 1)  # noqa: SLF001 - see the module's first lines

    def resume(self) -> None:
        """Connect anew when messages were left unread: the broker brings them again."""
        if self._left_some and self._client is not None and not self._draining:
            self._client._client.disconnect()  # noqa: SLF001 - see the module's first lines

    async def run(self) -> None:
        """Stay connected until cancelled, then take leave; the broker keeps the session and what comes for it."""
        backoff = Backoff(cap_seconds=RECONNECT_CAP_SECONDS)
        while True:
            try:
                await self._stay_connected(backoff)
            except aiomqtt.MqttError as error:
                if self.connected or backoff.attempts == 0:
                    log.warning(
                        "broker connection lost",
                        error=str(error),
                        hint=f"if this repeats: does another process use the client id {self._client_id}?",
                    )
                self._forget()
                await asyncio.sleep(backoff.next_seconds())
            finally:
                self._forget()

    async def _stay_connected(self, backoff: Backoff) -> None:
        self._connection += 1
        self._left_some = False
        client = _client(self._peer, self._client_id)
        client._client.on_message = partial(self._on_message, self._connection)  # noqa: SLF001 - see the module's first lines
        # Before the connection is opened: messages of a persistent session come with the CONNACK, and one that came
        # before the switch would be acknowledged unseen.
        client._client.manual_ack_set(True)  # noqa: SLF001 - see the module's first lines
        # Before it, too: their commits may come while we still subscribe.
        self._client = client
        async with client:
            for pattern in self._subscription.stale:
                await client.unsubscribe(pattern)
            for pattern in self._subscription.filters:
                codes = await client.subscribe(pattern, qos=1)
                if any((code if isinstance(code, int) else code.value) >= REFUSED for code in codes):
                    raise aiomqtt.MqttError(f"the broker refused the subscription to {pattern}")
            self.connected = True
            subscribed_seconds = time.monotonic()
            log.info("subscribed", topics=list(self._subscription.filters), client_id=self._client_id, protocol="3.1.1")
            try:
                # Nothing ever comes out of the iterator, since we take the messages; it ends when the connection does.
                async for _ in client.messages:
                    pass
            finally:
                # A connection that ends at once is no success: two processes with one client id throw each other out.
                if time.monotonic() - subscribed_seconds > STEADY_SECONDS:
                    backoff.reset()

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
        self._inbox.put(
            Arrival(
                topic,
                bytes(message.payload),
                datetime.now(UTC),
                message.retain,
                connection if packet_id else 0,
                packet_id,
            )
        )

    def _forget(self) -> None:
        self.connected = False
        self._client = None
        self._unacknowledged.clear()


def _client(peer: Peer, client_id: str) -> aiomqtt.Client:
    return aiomqtt.Client(
        peer.host,
        peer.port,
        username=peer.username,
        password=peer.password,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=False,
        keepalive=KEEPALIVE_SECONDS,
        timeout=CONNECT_SECONDS,
        tls_context=ssl.create_default_context() if peer.secure else None,
    )
