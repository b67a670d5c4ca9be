"""The seam between ingest and the broker: what a session promises, and which one suits the broker.

Two are behind it. :mod:`ingest.mqtt5_session` speaks MQTT 5 and costs a fraction; :mod:`ingest.aiomqtt_session` speaks
3.1.1, which every broker understands.
"""

from collections.abc import Iterable
from typing import Protocol

import structlog

from ingest.aiomqtt_session import AiomqttSession
from ingest.arrival import Receipt
from ingest.inbox import Inbox
from ingest.mqtt5_line import OldBrokerError
from ingest.mqtt5_session import Mqtt5Session
from ingest.subscription import Subscription
from store.peer import peer_of
from store.settings import Settings

log = structlog.get_logger()


class Session(Protocol):
    """A persistent session: every message goes into the inbox, and is acknowledged by :meth:`acknowledge` alone.

    On the connection it came on, or never: packet ids are used again on the next one. What is not acknowledged, the
    broker delivers again.
    """

    @property
    def connected(self) -> bool:
        """Whether it is subscribed."""

    @property
    def trouble(self) -> str | None:
        """Why the broker does not serve us, where only somebody's hand helps."""

    @property
    def unacknowledged(self) -> int:
        """Messages of this connection that wait for their commit."""

    @property
    def certificate_ends_seconds(self) -> float:
        """When the certificate ends that the broker showed last, since 1970; 0 while it showed none."""

    def mark(self, payload: bytes) -> int | None:
        """Publish *payload* to ourselves; the connection on which it comes back after all that waited before it.

        None, and nothing is published, while what waits may still come after it.
        """

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """Tell the broker that their messages are stored, in the order given, which must be the order of receipt."""

    def resume(self) -> None:
        """The inbox was full and has room again."""

    def drain(self) -> None:
        """Take no more messages; those that still come stay unacknowledged, so the broker keeps them."""

    async def run(self) -> None:
        """Stay connected until cancelled, then take leave; the broker keeps the session and what comes for it."""


class FittingSession:
    """MQTT 5 where the broker speaks it, else 3.1.1: asked once, at the first connection."""

    def __init__(self, first: Session, fallback: Session) -> None:
        self._current = first
        self._fallback = fallback

    @property
    def connected(self) -> bool:
        """Whether it is subscribed."""
        return self._current.connected

    @property
    def trouble(self) -> str | None:
        """Why the broker does not serve us."""
        return self._current.trouble

    @property
    def unacknowledged(self) -> int:
        """Messages of this connection that wait for their commit."""
        return self._current.unacknowledged

    @property
    def certificate_ends_seconds(self) -> float:
        """When the broker's certificate ends."""
        return self._current.certificate_ends_seconds

    def mark(self, payload: bytes) -> int | None:
        """Publish *payload* to ourselves."""
        return self._current.mark(payload)

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """Tell the broker that their messages are stored."""
        self._current.acknowledge(receipts)

    def resume(self) -> None:
        """Read on."""
        self._current.resume()

    def drain(self) -> None:
        """Take no more messages."""
        self._current.drain()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        try:
            await self._current.run()
        except OldBrokerError as error:
            log.info("speaking MQTT 3.1.1", reason=str(error))
            self._current = self._fallback
            await self._current.run()


def session_for(settings: Settings, subscription: Subscription, inbox: Inbox) -> Session:
    """The session that the settings ask for, not yet connected."""
    peer = peer_of(settings.broker_url.get_secret_value())
    old = AiomqttSession(peer, client_id=settings.ingest_worker, subscription=subscription, inbox=inbox)
    if settings.broker_protocol == "3.1.1":
        return old
    new = Mqtt5Session(
        peer,
        client_id=settings.ingest_worker,
        subscription=subscription,
        inbox=inbox,
        window=settings.ingest_window,
    )
    return new if settings.broker_protocol == "5" else FittingSession(new, old)
