"""The ingest process.

    broker ──▶ session ──▶ inbox ──▶ intake ──▶ batch ──▶ writer ──▶ commit
                  ▲        bounded   topic,               COPY, duplicates,  │
                  │                  registry,            conflicts, dead    │
                  │                  decode               letters, latest    │
                  └──────────────── acknowledge ◀── pump ◀───────────────────┘

A record goes one way, and its acknowledgement comes back only from the commit.
"""

import asyncio
import gc
from collections.abc import Mapping
from contextlib import closing

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from ingest.claim import claimed
from ingest.committer import Committer
from ingest.heartbeat import Vitals, beat, say_goodbye
from ingest.inbox import Inbox
from ingest.intake import take_in
from ingest.metrics import Metrics
from ingest.passing import Passing, is_needed
from ingest.poison import Poison
from ingest.pump import Pump
from ingest.registry import Registry
from ingest.roster import GIVEN_UP_SECONDS, announce
from ingest.session import session_for
from ingest.subscription import Subscription, subscription_of
from store.database import connect_service
from store.exporter import Exporter
from store.peer import peer_of
from store.settings import Settings
from store.stopping import end, told_to_stop

# Of the ten seconds a stop may take; the rest is for cancelling a statement on a server that does not answer.
DRAIN_SECONDS = 4.0
LATE_SECONDS = 30.0
# Of messages read and not yet decoded; with it full the session stops reading, and the broker keeps the rest.
INBOX_BYTES = 32 * 1024 * 1024

log = structlog.get_logger()


class Service:
    """The parts of one ingest process, put together.

    *subscription* is what the settings say unless it is given.
    """

    def __init__(self, settings: Settings, subscription: Subscription | None = None) -> None:
        self._settings = settings
        self._subscription = subscription if subscription is not None else subscription_of(settings)
        self._broker = peer_of(settings.broker_url.get_secret_value()).name
        self._database_url = settings.require_database_url()
        self._registry = Registry()
        self._prometheus = CollectorRegistry()
        ProcessCollector(registry=self._prometheus)
        self._metrics = Metrics(self._prometheus)
        self._draining = False
        self._database_trouble: str | None = None
        self._is_relied_on = False
        self._inbox = Inbox(limit_bytes=INBOX_BYTES, on_room=self._resume)
        self._session = session_for(settings, self._subscription, self._inbox)
        self._committer = Committer(self._database_url, worker=settings.ingest_worker, metrics=self._metrics)
        self._poison = Poison(settings.data_dir, self._database_url, worker=settings.ingest_worker)
        self._passing = (
            Passing(
                self._database_url,
                worker=settings.ingest_worker,
                broker=self._broker,
                subscription=self._subscription,
            )
            if is_needed(self._subscription)
            else None
        )
        self._pump = Pump(
            inbox=self._inbox,
            registry=self._registry,
            committer=self._committer,
            poison=self._poison,
            metrics=self._metrics,
            max_records=settings.ingest_batch_records,
            # The other half of the window comes while this is written; with all of it here, the broker stands still.
            max_messages=max(1, settings.ingest_window // 2),
            max_wait_seconds=settings.ingest_batch_seconds,
            acknowledge=self._session.acknowledge,
            take_in=take_in if self._passing is None else self._passing.take_in,
        )
        self._metrics.connected.set_function(lambda: self._session.connected)
        self._metrics.unacknowledged.set_function(lambda: self._session.unacknowledged)
        self._metrics.certificate_ends.set_function(lambda: self._session.certificate_ends_seconds)
        self._metrics.waiting_seconds.set_function(lambda: self._pump.lag_seconds)
        self._metrics.window_messages.set(settings.ingest_window)
        self._metrics.inbox_bytes.set_function(lambda: self._inbox.held_bytes)
        self._metrics.inbox_limit_bytes.set(INBOX_BYTES)

    async def run(self, stop: asyncio.Event) -> None:
        """Ingest until *stop* is set, then write and acknowledge what is here, within 10 s."""
        exporter = Exporter(
            self._prometheus,
            host=self._settings.metrics_host,
            port=self._settings.ingest_metrics_port,
            readiness=self.readiness,
            setting="TRACEFLEET_INGEST_METRICS_PORT",
        )
        with exporter, closing(self._poison):
            async with claimed(self._database_url, worker=self._settings.ingest_worker):
                await self._poison.open()
                await self._announce()
                await self._run_parts(stop)
            await say_goodbye(self._database_url, worker=self._settings.ingest_worker)

    async def _run_parts(self, stop: asyncio.Event) -> None:
        worker = self._settings.ingest_worker
        pump = asyncio.create_task(self._pump.run(), name="pump")
        parts = [
            asyncio.create_task(self._registry.follow(self._database_url), name="registry"),
            asyncio.create_task(
                beat(self._database_url, worker=worker, vitals=self._vitals, trouble=self._note_database),
                name="heartbeat",
            ),
            asyncio.create_task(self._session_when_ready(), name="session"),
        ]
        if self._passing is not None:
            parts.append(asyncio.create_task(self._passing.follow(self._session), name="passing"))
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            # None of them ends by itself: one that does has failed, and an ingest that lacks a part must not look well.
            await asyncio.wait({pump, stopping, *parts}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._drain(pump)
            await end(stopping, *parts)
        for task in (pump, *parts):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    @property
    def is_drained(self) -> bool:
        """Whether what is stale is taken back and nothing that came waits for its commit."""
        waiting = self._session.unacknowledged or self._pump.lag_seconds
        return self._session.connected and not self._subscription.stale and not waiting

    def readiness(self) -> Mapping[str, str | None]:
        """Each check with None when it is fine, else the reason."""
        return {
            "running": "shutting down" if self._draining else None,
            "registry": None if self._registry.loaded.is_set() else "the device registry is not loaded yet",
            "broker": None if self._session.connected else self._session.trouble or "not subscribed at the broker",
            # Found out by the heartbeat, so that an idle worker knows, too.
            "database": self._database_trouble,
            "writing": self._committer.trouble or self._late(),
        }

    def _note_database(self, trouble: str | None) -> None:
        self._database_trouble = f"the database does not answer: {trouble}" if trouble is not None else None

    def _late(self) -> str | None:
        lag_seconds = self._pump.lag_seconds
        return f"a message has waited {lag_seconds:.0f} s for its commit" if lag_seconds > LATE_SECONDS else None

    async def _announce(self) -> None:
        async with await connect_service(
            self._database_url, application_name=f"tracefleet {self._settings.ingest_worker}"
        ) as connection:
            held, self._is_relied_on = await announce(
                connection,
                worker=self._settings.ingest_worker,
                broker=self._broker,
                group=self._subscription.group,
                reads=self._subscription.reads,
                filters=self._subscription.held,
            )
        self._subscription.remember(held)

    async def _session_when_ready(self) -> None:
        if self._is_relied_on:
            log.info("reading less than before; others are given time to notice", seconds=GIVEN_UP_SECONDS)
            await asyncio.sleep(GIVEN_UP_SECONDS)
        # Before the registry is known every device would be a stranger.
        await self._registry.loaded.wait()
        log.info("registry loaded", devices=len(self._registry))
        await self._session.run()

    async def _drain(self, pump: "asyncio.Task[None]") -> None:
        self._draining = True
        self._session.drain()
        self._pump.drain()
        done, _ = await asyncio.wait({pump}, timeout=DRAIN_SECONDS)
        if not done:
            log.warning("stopped with messages unwritten; the broker will deliver them again")
            await end(pump)

    def _resume(self) -> None:
        self._session.resume()

    def _vitals(self) -> Vitals:
        return Vitals(
            connected=self._session.connected and not self._draining,
            unacknowledged=self._session.unacknowledged,
            lag_seconds=self._pump.lag_seconds,
            stopped_reason=self._committer.trouble or self._session.trouble,
            broker=self._broker,
            group=self._subscription.group,
            reads=list(self._subscription.reads),
            filters=self._subscription.held,
        )


async def run(settings: Settings) -> None:
    """Ingest until SIGTERM or SIGINT; a second signal kills the process at once."""
    # A batch is tens of thousands of objects in no cycle, and each collection would walk all that is alive: an eighth
    # of the processor's time. What is loaded stays; what is young is looked at seldom.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    await Service(settings).run(told_to_stop())
