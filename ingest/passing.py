"""What the worker that reads `other` leaves to the workers that read streams.

MQTT has no filter for "the rest", so it is sent everything, and passes over what is another's: acknowledged, not
counted, not stored. Nothing may be lost by that. So it passes over a stream only while another worker is known to be
subscribed to it, and only what was published after that was known: to tell, it publishes a mark to itself, and what
comes before the mark it stores. Where two store the same, the second is a duplicate.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
import structlog

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take
from ingest.registry import Registry
from ingest.roster import LOOK_SECONDS, TRUSTED_SECONDS, read_by_others
from ingest.session import Session
from ingest.subscription import Subscription
from ingest.topic import mark_of, stream_level
from store.database import connect_service
from store.records import OTHER, READABLE

# A mark that is away so long waits behind a backlog, or was lost: another is sent.
REPLACED_SECONDS: Final = 30.0
# After so long without any, it is said that everything is stored here.
OVERDUE_SECONDS: Final = 300.0

log = structlog.get_logger()


def is_needed(subscription: Subscription) -> bool:
    """Whether a worker of this subscription is sent what others read."""
    return OTHER in subscription.reads and len(subscription.reads) < len(READABLE)


@dataclass(slots=True)
class _Mark:
    """What has been true ever since it was published, and where it comes back."""

    payload: bytes
    connection: int
    streams: frozenset[str]
    sent_seconds: float


class Passing:
    """Which streams are passed over now."""

    def __init__(self, database_url: str, *, worker: str, broker: str, subscription: Subscription) -> None:
        self._database_url = database_url
        self._worker = worker
        self._broker = broker
        self._own = frozenset(subscription.reads)
        self._topic = mark_of(worker)
        self._streams: frozenset[str] = frozenset()
        self._connection = 0
        self._asked_seconds = 0.0
        self._mark: _Mark | None = None
        self._last_back_seconds = time.monotonic()

    def take_in(self, arrivals: Sequence[Arrival], registry: Registry, batch: Batch) -> int:
        """As :func:`ingest.intake.take_in`, but for those of *arrivals* that are another worker's."""
        batch.enter(arrivals)
        return take([arrival for arrival in arrivals if not self._is_anothers(arrival)], registry, batch)

    def _is_anothers(self, arrival: Arrival) -> bool:
        if arrival.topic == self._topic:
            self._see(arrival)
            return False
        return (
            arrival.connection == self._connection
            and stream_level(arrival.topic) in self._streams
            and time.monotonic() < self._asked_seconds + TRUSTED_SECONDS
        )

    async def follow(self, session: Session) -> None:
        """Keep in mind who reads what, until cancelled. While the database is away, nothing is passed over."""
        while True:
            try:
                async with await connect_service(
                    self._database_url, application_name=f"tracefleet {self._worker} roster"
                ) as connection:
                    while True:
                        asked_seconds = time.monotonic()
                        others = await read_by_others(connection, worker=self._worker, broker=self._broker)
                        self._learn(others - self._own, asked_seconds, session)
                        await asyncio.sleep(LOOK_SECONDS)
            except (psycopg.Error, OSError):
                await asyncio.sleep(LOOK_SECONDS)

    def _learn(self, others: frozenset[str], asked_seconds: float, session: Session) -> None:
        if asked_seconds > self._asked_seconds + TRUSTED_SECONDS:  # what was given up meanwhile, we have not seen
            self._streams, self._mark = frozenset(), None
        self._asked_seconds = asked_seconds
        self._streams &= others
        if self._mark is not None:
            self._mark.streams &= others
        # One every time, since a connection that is new needs one of its own.
        if self._mark is None or asked_seconds > self._mark.sent_seconds + REPLACED_SECONDS:
            payload = secrets.token_bytes(16)
            if (connection := session.mark(payload)) is not None:
                self._mark = _Mark(payload, connection, others, asked_seconds)
        if asked_seconds > self._last_back_seconds + OVERDUE_SECONDS:
            self._last_back_seconds = math.inf
            log.warning(
                "everything is stored here, what other workers read as well, which costs time and nothing else",
                reason=f"a backlog, or the broker does not let us publish to {self._topic}",
            )

    def _see(self, arrival: Arrival) -> None:
        mark = self._mark
        if mark is None or arrival.payload != mark.payload or arrival.connection != mark.connection:
            return
        if mark.streams != self._streams:
            log.info("leaving streams to other workers", streams=sorted(mark.streams))
        self._connection, self._streams, self._mark = mark.connection, mark.streams, None
        self._last_back_seconds = time.monotonic()
