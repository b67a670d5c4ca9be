"""The session with a broker that speaks MQTT 5: connects, subscribes, and begins again when the line breaks."""

import asyncio
import ssl
import time
from collections.abc import Iterable
from typing import Final, NoReturn

import mqtt5
import structlog

from ingest.arrival import Receipt
from ingest.broker_certificate import ends_seconds
from ingest.inbox import Inbox
from ingest.mqtt5_line import Line, LineError, OldBrokerError, said
from ingest.subscription import Subscription, UnfitBrokerError
from ingest.topic import mark_of
from store.backoff import Backoff
from store.peer import Peer

RECONNECT_CAP_SECONDS: Final = 30.0
KEEPALIVE_SECONDS: Final = 15
CONNECT_SECONDS: Final = 10.0
# A connection that lasted so long was a good one, and the next try is made at once.
STEADY_SECONDS: Final = 30.0
# How long the broker keeps the session, and what comes for it, for a worker that is away: a device's own buffer lasts
# no longer, and a worker that never comes back must not fill the broker's disk for ever.
SESSION_EXPIRY_SECONDS: Final = 7 * 24 * 3600
# Packet ids of what we ask; one question is under way at a time, and a mark has an id of its own.
SUBSCRIBE_ID: Final = 1
UNSUBSCRIBE_ID: Final = 2
MARK_ID: Final = 3
# Less than that the broker could lose without a word.
GRANTED: Final = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE

log = structlog.get_logger()


class Mqtt5Session:
    """See :class:`ingest.session.Session`. At most *window* messages are under way to us unacknowledged."""

    def __init__(self, peer: Peer, *, client_id: str, subscription: Subscription, inbox: Inbox, window: int) -> None:
        self._peer = peer
        self._client_id = client_id
        self._subscription = subscription
        self._inbox = inbox
        self._window = window
        self._line: Line | None = None
        self._lines = 0
        self._draining = False
        self._room = asyncio.Event()
        self.connected = False
        self.trouble: str | None = None
        self.certificate_ends_seconds = 0.0

    @property
    def unacknowledged(self) -> int:
        """Messages of this connection that wait for their commit."""
        return self._line.unacknowledged if self._line is not None else 0

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """Tell the broker that their messages are stored, all in one write."""
        if self._line is not None:
            self._line.acknowledge(receipts)

    def mark(self, payload: bytes) -> int | None:
        """Publish *payload* to ourselves: the broker sends first what it has kept for the session."""
        if self._line is None or not self.connected:
            return None
        topic = mark_of(self._client_id)
        self._line.send(
            mqtt5.PublishPacket(topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=MARK_ID).write()
        )
        return self._lines

    def resume(self) -> None:
        """Read on, or connect again."""
        self._room.set()
        if self._line is not None and not self._draining:
            self._line.resume()

    def drain(self) -> None:
        """Read no more."""
        self._draining = True
        if self._line is not None:
            self._line.pause()

    async def run(self) -> None:
        """Stay connected until cancelled, then take leave; the broker keeps the session and what comes for it.

        Raises OldBrokerError when the broker speaks 3.1.1 only, unless a group needs one that speaks 5.
        """
        backoff = Backoff(cap_seconds=RECONNECT_CAP_SECONDS)
        while True:
            await self._wait_for_room()
            try:
                await self._stay_connected(backoff)
            except OldBrokerError:
                if not self._subscription.is_shared:
                    raise
                self._lament(self._subscription.without_group)
            except UnfitBrokerError as error:
                self._lament(str(error))
            except asyncio.CancelledError:
                if self._line is not None:
                    await self._line.leave()
                raise
            except (OSError, TimeoutError) as error:
                if self.connected or backoff.attempts == 0:
                    log.warning(
                        "broker connection lost",
                        error=str(error) or type(error).__name__,
                        hint=self._hint(),
                    )
            finally:
                self.connected = False
                if self._line is not None:
                    self._line.close()
                    self._line = None
            await asyncio.sleep(backoff.next_seconds())

    async def _wait_for_room(self) -> None:
        """Return when the inbox can take what a new connection brings: all that is unacknowledged, once more."""
        while self._inbox.is_full:
            self._room.clear()
            await self._room.wait()

    def _hint(self) -> str:
        if self.connected:
            return f"if this repeats: does another process use the client id {self._client_id}?"
        return f"is there a broker at {self._peer.name}? TRACEFLEET_BROKER_URL names it"

    def _lament(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.error("the broker does not serve us; asking again now and then", reason=trouble)
        self.trouble = trouble

    async def _stay_connected(self, backoff: Backoff) -> NoReturn:
        self._lines += 1
        line = Line(self._lines, self._inbox, window=self._window)
        async with asyncio.timeout(CONNECT_SECONDS):
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: line,
                self._peer.host,
                self._peer.port,
                ssl=ssl.create_default_context() if self._peer.secure else None,
            )
            self.certificate_ends_seconds = ends_seconds(transport.get_extra_info("peercert"))
            # Before anything is sent: messages of a persistent session come with the CONNACK, and their commits may
            # come while we still subscribe.
            self._line = line
            if self._draining:
                line.pause()
            keepalive_seconds = await self._open(line)
        self.connected, self.trouble = True, None
        log.info("subscribed", topics=list(self._subscription.filters), client_id=self._client_id, protocol="5")
        subscribed_seconds = time.monotonic()
        try:
            await line.keep_alive(keepalive_seconds)
        finally:
            # A connection that ends at once is no success: two processes with one client id throw each other out.
            if time.monotonic() - subscribed_seconds > STEADY_SECONDS:
                backoff.reset()

    async def _open(self, line: Line) -> float:
        """Introduce ourselves and subscribe; how often to show that we are alive."""
        password = self._peer.password
        line.send(
            mqtt5.ConnectPacket(
                self._client_id,
                username=self._peer.username,
                password=password.encode() if password is not None else None,
                clean_start=False,
                keep_alive=KEEPALIVE_SECONDS,
                session_expiry_interval=SESSION_EXPIRY_SECONDS,
                receive_max=self._window,
            ).write()
        )
        welcome = await line.answer(mqtt5.ConnAckPacket)
        if welcome.reason_code == mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION:
            raise OldBrokerError("the broker does not speak MQTT 5")
        if welcome.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            raise LineError(f"the broker refuses us: {said(welcome)}")
        if self._subscription.is_shared and not welcome.shared_subscription_available:
            raise UnfitBrokerError(self._subscription.without_group)
        # What is new first: nothing may fall between the two. What waits in the session stays there.
        if self._subscription.filters:
            await self._subscribe(line)
        if self._subscription.stale:
            stale = list(self._subscription.stale)
            line.send(mqtt5.UnsubscribePacket(UNSUBSCRIBE_ID, stale).write())
            await line.answer(mqtt5.UnsubAckPacket)
            self._subscription.stale.difference_update(stale)
        return float(welcome.server_keep_alive or KEEPALIVE_SECONDS)

    async def _subscribe(self, line: Line) -> None:
        filters = [
            mqtt5.TopicFilter(
                pattern,
                max_qos=mqtt5.QoS.AT_LEAST_ONCE,
                # As 3.1.1 has it: the flag marks what the broker remembered, not what a device wants remembered.
                retain_as_published=False,
                retain_handling=mqtt5.RetainHandling.SEND_NEVER,
            )
            for pattern in self._subscription.filters
        ]
        line.send(mqtt5.SubscribePacket(SUBSCRIBE_ID, filters).write())
        answer = await line.answer(mqtt5.SubAckPacket)
        for pattern, code in zip(self._subscription.filters, answer.reason_codes, strict=True):
            if code == mqtt5.SubAckReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED:
                raise UnfitBrokerError(self._subscription.without_group)
            if code != GRANTED:
                raise UnfitBrokerError(
                    f"the broker refused the subscription to {pattern}: {code!r}. Let {self._client_id} read it there."
                )
