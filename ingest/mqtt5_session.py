"""The session with a broker that speaks MQTT 5: connects, subscribes, and begins again when the line breaks."""

import asyncio
import ssl
import time
from collections.abc import Iterable
from typing import Final, NoReturn

import mqtt5
import structlog

from ingest.arrival import Arrival
from ingest.inbox import Inbox
from ingest.mqtt5_line import Line, LineError, OldBrokerError, said
from ingest.subscription import Peer, Subscription
from store.backoff import Backoff

RECONNECT_CAP_SECONDS: Final = 30.0
KEEPALIVE_SECONDS: Final = 15
CONNECT_SECONDS: Final = 10.0
# A connection that lasted so long was a good one, and the next try is made at once.
STEADY_SECONDS: Final = 30.0
# How long the broker keeps the session, and what comes for it, for a worker that is away: a device's own buffer lasts
# no longer, and a worker that never comes back must not fill the broker's disk for ever.
SESSION_EXPIRY_SECONDS: Final = 7 * 24 * 3600
GRANTED: Final = (mqtt5.SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE, mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE)

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
        self.connected = False

    @property
    def unacknowledged(self) -> int:
        """Messages of this connection that wait for their commit."""
        return self._line.unacknowledged if self._line is not None else 0

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Tell the broker that these are stored, all in one write."""
        if self._line is not None:
            self._line.acknowledge(arrivals)

    def resume(self) -> None:
        """Read on."""
        if self._line is not None and not self._draining:
            self._line.resume()

    def drain(self) -> None:
        """Read no more."""
        self._draining = True
        if self._line is not None:
            self._line.pause()

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises OldBrokerError when the broker speaks 3.1.1 only.
        """
        backoff = Backoff(cap_seconds=RECONNECT_CAP_SECONDS)
        while True:
            try:
                await self._stay_connected(backoff)
            except (OSError, TimeoutError) as error:
                if self.connected or backoff.attempts == 0:
                    log.warning(
                        "broker connection lost",
                        error=str(error) or type(error).__name__,
                        hint=f"if this repeats: does another process use the client id {self._client_id}?",
                    )
            finally:
                self.connected = False
                if self._line is not None:
                    self._line.close()
                    self._line = None
            await asyncio.sleep(backoff.next_seconds())

    async def _stay_connected(self, backoff: Backoff) -> NoReturn:
        self._lines += 1
        line = Line(self._lines, self._inbox)
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().create_connection(
                lambda: line,
                self._peer.host,
                self._peer.port,
                ssl=ssl.create_default_context() if self._peer.secure else None,
            )
            # Before anything is sent: messages of a persistent session come with the CONNACK, and their commits may
            # come while we still subscribe.
            self._line = line
            if self._draining:
                line.pause()
            keepalive_seconds = await self._open(line)
        self.connected = True
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
        if not welcome.shared_subscription_available and any(
            pattern.startswith("$share/") for pattern in self._subscription.filters
        ):
            raise LineError("the broker has no shared subscriptions; unset TRACEFLEET_INGEST_GROUP")
        await self._subscribe(line)
        return float(welcome.server_keep_alive or KEEPALIVE_SECONDS)

    async def _subscribe(self, line: Line) -> None:
        if self._subscription.stale:
            line.send(mqtt5.UnsubscribePacket(1, list(self._subscription.stale)).write())
            await line.answer(mqtt5.UnsubAckPacket)
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
        line.send(mqtt5.SubscribePacket(2, filters).write())
        answer = await line.answer(mqtt5.SubAckPacket)
        for pattern, code in zip(self._subscription.filters, answer.reason_codes, strict=True):
            if code not in GRANTED:
                raise LineError(f"the broker refused the subscription to {pattern}: {code!r}")
