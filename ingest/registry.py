"""Who may speak: the devices of the ledger, held in memory and renewed when the ledger changes.

The database notifies; polling is the fallback for a notification lost with its connection. A snapshot is replaced at
once, so a reader never sees half of a change.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection

from ingest.refusal import Refused
from ingest.topic import parse
from store.backoff import Backoff
from store.database import connect_service

CHANNEL: Final = "tracefleet_registry"
POLL_SECONDS: Final = 30.0
# A load of 100,000 devices holds the loop for a tenth of a second; changes one after the other share it.
SHARE_SECONDS: Final = 0.5

DEVICES = """
SELECT d.device_no, d.device_id, is_retired(d.state, d.decommissioned_at) AS retired, m.kind, k.streams
FROM devices AS d JOIN models AS m USING (model_id) JOIN kinds AS k USING (kind)
"""

log = structlog.get_logger()


class Device(msgspec.Struct, frozen=True, gc=False):
    """What ingest needs to know of a device: its key, what it may report, and whether it is retired."""

    device_id: int
    streams: frozenset[str]
    retired: bool


class Route(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Where a topic leads: who speaks there, and on which stream."""

    device_id: int
    device_no: str
    stream: str
    # The way of what the broker had only remembered.
    is_retained: bool = False


class Registry:
    """The current snapshot. Empty until the first :meth:`load`."""

    def __init__(self) -> None:
        self._devices: Mapping[str, Device] = {}
        # Of the topics that were asked for, as long as the snapshot lasts: it has at most so many as it has streams.
        self.routes: dict[str, Route] = {}
        self.loaded = asyncio.Event()

    def __len__(self) -> int:
        return len(self._devices)

    def route(self, topic: str) -> Route:
        """Where *topic* leads, when its device may report on its stream.

        Raises Refused: bad_topic, unknown_device, retired_device or wrong_stream.
        """
        device_no, stream = parse(topic)
        route = self.routes[topic] = Route(self._admit(device_no, stream).device_id, device_no, stream)
        return route

    def _admit(self, device_no: str, stream: str) -> Device:
        device = self._devices.get(device_no)
        if device is None:
            raise Refused("unknown_device", f"{device_no} is not in the ledger; register it and replay")
        if device.retired:
            raise Refused("retired_device", f"{device_no} is retired, disposed of or lost, and may not speak")
        if stream not in device.streams:
            raise Refused("wrong_stream", f"a device of this kind reports {', '.join(sorted(device.streams))}")
        return device

    async def load(self, connection: AsyncConnection[Any]) -> None:
        """Replace the snapshot by what the ledger says now."""
        cursor = await connection.execute(DEVICES)
        streams_of: dict[str, frozenset[str]] = {}
        devices = {}
        async for device_no, device_id, retired, kind, streams in cursor:
            if (known := streams_of.get(kind)) is None:
                known = streams_of[kind] = frozenset(streams)
            devices[device_no] = Device(device_id, known, retired)
        self.replace(devices)

    def replace(self, devices: Mapping[str, Device]) -> None:
        """Take *devices* for the whole registry from now on."""
        self._devices = devices
        self.routes = {}
        self.loaded.set()

    async def follow(self, database_url: str) -> None:
        """Keep the snapshot current until cancelled, through any loss of the database."""
        backoff = Backoff(cap_seconds=10)
        while True:
            try:
                async with await connect_service(
                    database_url, application_name="tracefleet ingest registry"
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await self._renew(connection, backoff)
            except (psycopg.Error, OSError) as error:
                if backoff.attempts == 0:
                    log.warning("registry cannot be renewed, the last snapshot stays", error=str(error))
                await asyncio.sleep(backoff.next_seconds())

    async def _renew(self, connection: AsyncConnection[tuple[object, ...]], backoff: Backoff) -> None:
        while True:
            await self.load(connection)
            if backoff.attempts:
                log.info("registry is renewed again", devices=len(self))
            backoff.reset()
            await asyncio.sleep(SHARE_SECONDS)
            # One notification ends the wait; those that came with it are answered by the same load.
            with contextlib.suppress(TimeoutError):
                async for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                    pass
