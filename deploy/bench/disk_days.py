"""Whole days of a simulated city, written as ingest writes them: what the disk is filled with when it is measured.

The devices are the simulator's, their days are real ones of the past, and nothing waits: a day takes seconds.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Final

from deploy.simulator.city import City
from deploy.simulator.clocks import DeviceClock
from deploy.simulator.dice import Dice
from deploy.simulator.hours import CityClock
from deploy.simulator.machine import Machine, World
from deploy.simulator.message import Outgoing, presence
from deploy.simulator.outbox import Outbox
from fleet.business_day import SHANGHAI
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.lines import Memory
from ingest.registry import Registry
from ingest.writer import write
from store.database import connect_service

# What a worker commits at once when it is busy, without being full.
BATCH_RECORDS: Final = 2000
SECONDS_A_DAY: Final = 86_400
# From the making of a message to its receipt, here.
ON_ITS_WAY_SECONDS: Final = 0.2


class Days:
    """The devices of *city* from the beginning of *first* on, each powered up once and well all the time."""

    def __init__(self, city: City, first: date, *, seed: int) -> None:
        self._begin = datetime.combine(first, time.min, tzinfo=SHANGHAI).timestamp()
        world = World(Dice(seed), f"disk {first}", CityClock(), warm_up_seconds=60)
        self._machines = [
            Machine(device, world, DeviceClock(), Outbox(1)) for device in city.devices if not device.is_asleep
        ]
        self._numbers = count()
        self._due: list[tuple[float, int, Machine]] = []
        self._births: list[Outgoing] = []
        for machine in self._machines:
            machine.power_up(self._begin)
            self._births.append(presence(machine.device.device_no, machine.boot, "online"))
            self._plan(machine)
        self.messages: Counter[str] = Counter()
        self.peak_messages = 0

    @property
    def devices(self) -> int:
        """How many speak."""
        return len(self._machines)

    def write(self, database_url: str, day: int) -> None:
        """Store everything of the *day*-th day."""
        asyncio.run(self._write(database_url, (day + 1) * SECONDS_A_DAY))

    async def _write(self, database_url: str, end_seconds: float) -> None:
        registry, memory, batch = Registry(), Memory(), Batch()
        async with await connect_service(database_url, application_name="tracefleet bench") as connection:
            await registry.load(connection)
            for arrival in self._arrivals(end_seconds):
                take_in([arrival], registry, batch)
                if batch.records >= BATCH_RECORDS:
                    await write(connection, batch, worker="bench", memory=memory)
                    batch = Batch()
            await write(connection, batch, worker="bench", memory=memory)

    def _arrivals(self, end_seconds: float) -> Iterator[Arrival]:
        births, self._births = self._births, []
        for birth in births:
            yield self._received(birth, self._begin)
        minute, in_minute = -1, 0
        while self._due[0][0] < end_seconds:
            due, _, machine = heapq.heappop(self._due)
            message = machine.act(self._begin + due, due)
            self._plan(machine)
            if message is None:
                continue
            if int(due // 60) != minute:
                minute, in_minute = int(due // 60), 0
            in_minute += 1
            self.peak_messages = max(self.peak_messages, in_minute)
            yield self._received(message, self._begin + due)

    def _received(self, message: Outgoing, now: float) -> Arrival:
        self.messages[message.stream] += 1
        payload = message.payload(now)
        received_at = datetime.fromtimestamp(now, UTC) + timedelta(seconds=ON_ITS_WAY_SECONDS)
        return Arrival(message.topic, payload, received_at)

    def _plan(self, machine: Machine) -> None:
        heapq.heappush(self._due, (machine.due, next(self._numbers), machine))
