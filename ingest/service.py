"""The ingest process.

    broker ──▶ mqtt.Session ──▶ intake ──▶ batch ──▶ writer ──▶ commit
                   ▲            topic,     when to   COPY, duplicates,  │
                   │            registry,  write     conflicts, dead    │
                   │            decode               letters, latest    │
                   └────────────── acknowledge ◀── pump ◀───────────────┘

A record goes one way, and its acknowledgement comes back only from the commit.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from ingest.arrival import Arrival, Receipt
from ingest.heartbeat import Vitals, beat
from ingest.metrics import Metrics
from ingest.mqtt import Session
from ingest.pump import Pump
from ingest.registry import Registry
from store.exporter import Exporter
from store.settings import Settings
from store.stopping import told_to_stop

# Of the ten seconds a stop may take, what is left to disconnect and to exit.
DRAIN_SECONDS = 8.0

log = structlog.get_logger()


class Service:
    """The parts of one ingest process, put together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database_url = settings.require_database_url()
        self._registry = Registry()
        self._prometheus = CollectorRegistry()
        self._metrics = Metrics(self._prometheus)
        self._draining = False
        self._session = Session(
            settings.broker_url.get_secret_value(), client_id=settings.ingest_worker, take=self._take
        )
        self._pump = Pump(
            self._database_url,
            worker=settings.ingest_worker,
            registry=self._registry,
            metrics=self._metrics,
            max_records=settings.ingest_batch_records,
            max_wait_seconds=settings.ingest_batch_seconds,
            acknowledge=self._acknowledge,
        )
        self._metrics.connected.set_function(lambda: self._session.connected)
        self._metrics.unacknowledged.set_function(lambda: self._session.unacknowledged)

    async def run(self, stop: asyncio.Event) -> None:
        """Ingest until *stop* is set, then write and acknowledge what is here, within 10 s."""
        exporter = Exporter(
            self._prometheus,
            host=self._settings.metrics_host,
            port=self._settings.ingest_metrics_port,
            readiness=self.readiness,
            setting="TRACEFLEET_INGEST_METRICS_PORT",
        )
        with exporter:
            async with self._background(), _task(self._session_when_ready(), "session"):
                pump = asyncio.create_task(self._pump.run(), name="pump")
                try:
                    await _first_of(stop.wait(), pump)
                finally:
                    await self._drain(pump)

    def readiness(self) -> Mapping[str, str | None]:
        """Each check with None when it is fine, else the reason."""
        return {
            "running": "shutting down" if self._draining else None,
            "registry": None if self._registry.loaded.is_set() else "the device registry is not loaded yet",
            "broker": None if self._session.connected else "not subscribed at the broker",
            "database": self._pump.trouble,
        }

    async def _session_when_ready(self) -> None:
        # Before the registry is known every device would be a stranger.
        await self._registry.loaded.wait()
        log.info("registry loaded", devices=len(self._registry))
        await self._session.run()

    @contextlib.asynccontextmanager
    async def _background(self) -> AsyncIterator[None]:
        follow = self._registry.follow(self._database_url)
        heartbeat = beat(self._database_url, worker=self._settings.ingest_worker, vitals=self._vitals)
        async with _task(follow, "registry"), _task(heartbeat, "heartbeat"):
            yield

    async def _drain(self, pump: "asyncio.Task[None]") -> None:
        self._draining = True
        self._session.drain()
        self._pump.drain()
        done, _ = await asyncio.wait({pump}, timeout=DRAIN_SECONDS)
        if not done:
            pump.cancel()
            log.warning("stopped with messages unwritten; the broker will deliver them again")
            await asyncio.wait({pump})
        if not pump.cancelled() and (error := pump.exception()) is not None:
            raise error

    def _take(self, arrival: Arrival) -> None:
        self._pump.put(arrival)

    def _acknowledge(self, receipts: Iterable[Receipt]) -> None:
        self._session.acknowledge(receipts)

    def _vitals(self) -> Vitals:
        return Vitals(
            connected=self._session.connected and not self._draining,
            unacknowledged=self._session.unacknowledged,
            lag_seconds=self._pump.lag_seconds,
            stopped_reason=self._pump.trouble,
        )


async def run(settings: Settings) -> None:
    """Ingest until SIGTERM or SIGINT; a second signal kills the process at once."""
    await Service(settings).run(told_to_stop())


@contextlib.asynccontextmanager
async def _task(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run *work* beside the body; it is cancelled and awaited at the end."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_note_crash)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def _note_crash(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part of ingest ended", part=task.get_name(), exc_info=error)


async def _first_of(stop: Coroutine[Any, Any, Any], pump: "asyncio.Task[None]") -> None:
    stopping = asyncio.create_task(stop)
    await asyncio.wait({stopping, pump}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
