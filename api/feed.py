"""Events of the fleet for those who watch: one listener for the process, however many there are.

events ──NOTIFY, or every 5 s──▶ Feed ──in the order of their numbers──▶ a Watcher each ──▶ its client

A watcher that does not keep up is cut off and told so: it comes back with the number of the last event it saw.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal

import orjson
import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import class_row

from fleet.event_order import BOUNDS, READ, WRITERS, Order, Told
from store.backoff import Backoff
from store.database import connect_service
from store.settings import Settings

CHANNEL: Final = "tracefleet_events"
# Notifications can be lost with the connection, and a rollback makes none.
POLL_SECONDS: Final = 5.0
# As long as somebody may still fill a gap in the numbers.
GAP_SECONDS: Final = 0.2
READ_AT_ONCE: Final = 500
WATCHERS_MAX: Final = 100
# What a watcher may be behind by; the bytes themselves are shared by all watchers.
BEHIND_EVENTS: Final = 2000
BEHIND_BYTES: Final = 1024 * 1024

Ending = Literal["slow", "stopping"]


def frame(event: Told) -> bytes:
    """*event* as a server-sent event. JSON has no line break, nor has a kind."""
    data = {"at": event.at, "kind": event.kind, "subject": event.subject, "data": event.data}
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.event_id, event.kind.encode(), orjson.dumps(data))


class Watcher:
    """What waits for one client, and never more than a bound of it."""

    def __init__(self, kinds: Sequence[str], head: int) -> None:
        self._kinds = tuple(kinds)
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._woken = asyncio.Event()
        # Events up to here are not put: they were told before it came.
        self.head = head
        self.ending: Ending | None = None

    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.ending is not None

    def wants(self, kind: str) -> bool:
        """Whether it asked for events of *kind*."""
        return not self._kinds or kind.startswith(self._kinds)

    def put(self, kind: str, framed: bytes) -> None:
        """Leave an event for the client."""
        if self.ending is not None or not self.wants(kind):
            return
        if len(self._frames) >= BEHIND_EVENTS or self._bytes + len(framed) > BEHIND_BYTES:
            self.end("slow")
            return
        self._frames.append(framed)
        self._bytes += len(framed)
        self._woken.set()

    def end(self, why: Ending) -> None:
        """Nothing more comes; what still waits for a slow client is let go, since it comes back for it."""
        self.ending = why
        if why == "slow":
            self._frames.clear()
        self._woken.set()

    async def take(self, *, within_seconds: float) -> bytes:
        """All that waits, as soon as something does; empty after *within_seconds*, or at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._woken.wait()
        waiting = b"".join(self._frames)
        self._frames.clear()
        self._bytes = 0
        if self.ending is None:
            self._woken.clear()
        return waiting


class Feed:
    """The events as they come, for any number of watchers. It listens as long as there is one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._watchers: set[Watcher] = set()
        self._listening: asyncio.Task[None] | None = None
        self._order: Order | None = None
        self._is_stopping = False
        self._ready = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether it has as many watchers as it takes."""
        return len(self._watchers) >= WATCHERS_MAX

    @contextmanager
    def watching(self, kinds: Sequence[str]) -> Iterator[Watcher]:
        """A watcher of events whose kind begins with one of *kinds*, or of all; its head is set once it is ready."""
        watcher = Watcher(kinds, -1)
        self._watchers.add(watcher)
        if self._is_stopping:
            watcher.end("stopping")
        elif self._listening is None:
            self._ready.clear()
            self._listening = asyncio.create_task(self._listen(), name="events")
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers and self._listening is not None:
                self._listening.cancel()
                self._listening, self._order = None, None

    async def begin(self, watcher: Watcher, *, within_seconds: float) -> bool:
        """Let events come to *watcher* from now on, above its head; False while the database has not told yet."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._ready.wait()
        if self._order is None:
            return False
        watcher.head = self._order.head
        return True

    def stop(self) -> None:
        """End all watchers, now and to come: the server is about to wait for its requests."""
        self._is_stopping = True
        for watcher in self._watchers:
            watcher.end("stopping")
        self._ready.set()

    async def _listen(self) -> None:
        """Follow the events until cancelled, through any loss of the database; the order goes on where it was."""
        backoff = Backoff(cap_seconds=5)
        while True:
            try:
                url = self._settings.require_database_url()
                async with await connect_service(url, application_name="tracefleet api events") as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await self._follow(connection, backoff)
            except (psycopg.Error, OSError) as error:
                if backoff.attempts == 0:
                    structlog.get_logger().warning("events cannot be followed", error=" ".join(str(error).split()))
                await asyncio.sleep(backoff.next_seconds())

    async def _follow(self, connection: AsyncConnection[Any], backoff: Backoff) -> None:
        if self._order is None:
            self._order = Order(await _settled(connection))
            self._ready.set()
        order = self._order
        while True:
            writers = await _writers(connection) if order.is_waiting else frozenset[str]()
            rows = await _read(connection, order.head)
            told = order.take(rows, writers)
            self._tell(told)
            backoff.reset()
            if order.needs_writers:
                order.suspect(await _writers(connection))
            elif not (told and len(rows) == READ_AT_ONCE):
                await _woken(connection, GAP_SECONDS if order.is_waiting else POLL_SECONDS)

    def _tell(self, events: Sequence[Told]) -> None:
        for event in events:
            framed = frame(event)
            for watcher in self._watchers:
                # One that has not begun reads them from the database when it does.
                if 0 <= watcher.head < event.event_id:
                    watcher.put(event.kind, framed)


async def _settled(connection: AsyncConnection[Any]) -> int:
    """The newest number there is, once none below it is still to come."""
    row = await (await connection.execute(BOUNDS)).fetchone()
    suspects = await _writers(connection)
    while suspects:
        await asyncio.sleep(GAP_SECONDS)
        suspects &= await _writers(connection)
    return int(row[1]) if row is not None else 0


async def _writers(connection: AsyncConnection[Any]) -> frozenset[str]:
    return frozenset(row[0] for row in await (await connection.execute(WRITERS)).fetchall())


async def _read(connection: AsyncConnection[Any], after: int) -> list[Told]:
    async with connection.cursor(row_factory=class_row(Told)) as cursor:
        await cursor.execute(READ, {"after": after, "rows": READ_AT_ONCE})
        return await cursor.fetchall()


async def _woken(connection: AsyncConnection[Any], seconds: float) -> None:
    # One notification ends the wait; those that came with it are answered by the same read.
    with suppress(TimeoutError):
        async for _ in connection.notifies(timeout=seconds, stop_after=1):
            pass
