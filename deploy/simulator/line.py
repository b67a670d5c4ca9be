"""The way from devices to the broker: one connection, opened again whenever it breaks, and what waits to be sent.

A device has a line of its own, or shares one as behind its site's gateway. Acknowledged is what the broker has
acknowledged; what was sent over a connection that broke is sent again, first.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from deploy.simulator import mqtt
from deploy.simulator.machine import Machine
from deploy.simulator.message import PRESENCE, Outgoing, State, presence
from deploy.simulator.mqtt import Broker, ConnectionFailedError, Session
from deploy.simulator.tally import Tally
from store.backoff import Backoff

# A message that waited longer than this was held back, and belongs to the backlog that is sent slowly.
BACKLOG_SECONDS: Final = 2.0
LONGEST_WAIT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Road:
    """What all lines share: the broker and how many may knock at once, the window of each, the pace of a backlog."""

    broker: Broker
    opening: asyncio.Semaphore
    window: int
    backlog_gap_seconds: float
    tally: Tally
    on_acknowledged: Callable[[Machine, Outgoing], None]
    # Of devices with a line of their own, where the broker asks who they are; shared lines enter as the URL says.
    secrets: Mapping[str, str] = field(default_factory=dict)

    def entrance(self, device_no: str) -> Broker:
        """The broker as *device_no* enters it."""
        secret = self.secrets.get(device_no)
        return self.broker if secret is None else self.broker.as_device(device_no, secret)


class Line:
    """One connection for *machines*; the first one's own when it is alone, with its death as the Last Will."""

    def __init__(self, machines: Sequence[Machine], road: Road) -> None:
        self.machines = machines
        self._road = road
        self._by_number = {machine.device.device_no: machine for machine in machines}
        self._is_shared = len(machines) > 1
        self._session: Session | None = None
        self._wanted = asyncio.Event()
        if self._is_shared or machines[0].is_on:
            self._wanted.set()
        self._ready: deque[Machine] = deque()
        self._in_flight: dict[int, Outgoing] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closing = False

    @property
    def is_shared(self) -> bool:
        """Whether several devices speak over it."""
        return self._is_shared

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        return self._session is not None

    @property
    def unacknowledged(self) -> list[Outgoing]:
        """What has been published and not acknowledged, over this connection or an earlier one."""
        returned = (message for machine in self.machines for message in machine.outbox.returned)
        return [*(message for message in self._in_flight.values() if message.stream != PRESENCE), *returned]

    async def run(self) -> None:
        """Keep the connection open until cancelled, through any loss of the broker."""
        backoff = Backoff(cap_seconds=LONGEST_WAIT_SECONDS)
        while True:
            await self._wanted.wait()
            boot = self.machines[0].boot
            try:
                session = await self._connect()
            except ConnectionFailedError:
                await asyncio.sleep(backoff.next_seconds())
                continue
            backoff.reset()
            try:
                if self._is_shared or (self._wanted.is_set() and boot == self.machines[0].boot):
                    self._up(session)
                else:
                    # It lost its power meanwhile, and the Last Will is a former boot's.
                    session.cut()
                await session.ended()
            finally:
                self._down()
                await session.close()
            if self._wanted.is_set():
                # Everybody lost the broker at the same moment; they shall not all come back in the same one.
                await asyncio.sleep(backoff.next_seconds())

    async def _connect(self) -> Session:
        machine = self.machines[0]
        will = None if self._is_shared else presence(machine.device.device_no, machine.boot, "offline")
        identifier = f"gw-{machine.device.device_no}" if self._is_shared else machine.device.device_no
        broker = self._road.broker if self._is_shared else self._road.entrance(identifier)
        async with self._road.opening:
            return await mqtt.connect(broker, identifier, will=will, window=self._road.window)

    def _up(self, session: Session) -> None:
        self._session = session
        self._road.tally.connections += 1
        for machine in self.machines:
            if machine.is_on and machine.is_reachable:
                self._welcome(machine)
        self._feed()

    def _down(self) -> None:
        """Give everything unacknowledged back, to be sent again in the same order."""
        self._session = None
        self._road.tally.connections_lost += not self._is_closing and self._wanted.is_set()
        lost: dict[str, list[Outgoing]] = {}
        for message in self._in_flight.values():
            if message.stream != PRESENCE:
                lost.setdefault(message.device_no, []).append(message)
        for device_no, messages in lost.items():
            self._by_number[device_no].outbox.put_back(messages)
        self._in_flight.clear()
        self._idle.set()

    def part(self, machine: Machine) -> None:
        """*machine* lost its network or its power, without a word of its own."""
        machine.is_reachable = False
        if not self._is_shared:
            self._wanted.clear()
            if self._session is not None:
                self._session.cut()
        elif self._session is not None:
            # The gateway notices and says so.
            self._announce(machine, "offline")

    def rejoin(self, machine: Machine) -> None:
        """*machine* is back."""
        machine.is_reachable = True
        self._wanted.set()
        if self._is_shared and self._session is not None:
            self._welcome(machine)

    def _welcome(self, machine: Machine) -> None:
        machine.back_at = time.monotonic()
        self._announce(machine, "online")
        self.offer(machine)

    def _announce(self, machine: Machine, state: State) -> None:
        self._send(presence(machine.device.device_no, machine.boot, state))

    def offer(self, machine: Machine) -> None:
        """*machine* has something to send."""
        if self._session is not None and machine.is_reachable and not machine.is_queued:
            machine.is_queued = True
            self._ready.append(machine)
            self._feed()

    def _feed(self) -> None:
        while self._ready and self._session is not None and not self._is_closing:
            if len(self._in_flight) >= self._road.window:
                return
            machine = self._ready.popleft()
            machine.is_queued = False
            if not machine.is_reachable or not machine.outbox:
                continue
            message = machine.outbox.take()
            self._send(message)
            if not machine.outbox:
                continue
            machine.is_queued = True
            if message.made_at < machine.back_at - BACKLOG_SECONDS:
                asyncio.get_running_loop().call_later(self._road.backlog_gap_seconds, self._resume, machine)
            else:
                self._ready.append(machine)

    def _resume(self, machine: Machine) -> None:
        machine.is_queued = False
        self.offer(machine)

    def _send(self, message: Outgoing) -> None:
        session = self._session
        if session is None:
            return
        tally = self._road.tally
        if message.sends:
            tally.sent_again_messages += 1
            tally.sent_again_records += len(message.records)
        message.sends += 1
        self._in_flight[id(message)] = message
        self._idle.clear()

        def acknowledged() -> None:
            # An acknowledgement that came with the end of its connection is too late: it is on its way again.
            if self._session is session:
                self._acknowledged(message)

        session.publish(message.topic, message.payload(time.time()), acknowledged)

    def _acknowledged(self, message: Outgoing) -> None:
        del self._in_flight[id(message)]
        self._road.tally.acknowledged(message)
        self._road.on_acknowledged(self._by_number[message.device_no], message)
        self._feed()
        if not self._in_flight:
            self._idle.set()

    async def finish(self, *, seconds: float) -> None:
        """Publish nothing more, wait up to *seconds* for acknowledgements, and tell that the devices go offline."""
        self._is_closing = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
                for machine in self.machines:
                    if machine.is_on and machine.is_reachable:
                        self._announce(machine, "offline")
                await self._idle.wait()
        except TimeoutError:
            pass  # what is missing is in unacknowledged
