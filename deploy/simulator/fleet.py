"""The running fleet: machines of a city on their lines, what befalls them, and what they repeat."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from deploy.simulator import outbox
from deploy.simulator.city import City
from deploy.simulator.faults import RATES, Fault, Level, clock_of, faults
from deploy.simulator.line import Line, Road
from deploy.simulator.machine import Machine, World
from deploy.simulator.message import PRESENCE, Outgoing, contradicted, repeated
from deploy.simulator.mqtt import Broker
from deploy.simulator.outbox import Outbox
from deploy.simulator.schedule import drive
from deploy.simulator.spoil import altered
from deploy.simulator.tally import Tally

# Connections in the making at a time: more only queue in front of the broker, and each holds a thread.
OPENING: Final = 32
# Unacknowledged messages of the whole fleet, and of one line at least and at most. A broker that flushes each message
# to disk may answer a thousand a second, and nats-server closes a connection whose message it has not stored in 5 s.
FLEET_WINDOW: Final = 1024
WINDOWS: Final = (1, 256)
BACKLOG_PER_SECOND: Final = 20.0
# What a device that the ledger does not know tries.
UNKNOWN_SECRET: Final = "factory-default"  # noqa: S105 - it opens nothing


class Fleet:
    """Every device of *city* that is not asleep, powered up, on at most *connections* lines."""

    def __init__(
        self, city: City, world: World, level: Level, *, broker: Broker, rate: float, connections: int, tally: Tally
    ) -> None:
        devices = [device for device in (*city.devices, *city.strangers) if not device.is_asleep]
        capacity = outbox.capacity(len(devices))
        self._world = world
        self._level = level
        self._rate = rate
        self._tally = tally
        self.machines = [
            Machine(device, world, clock_of(world.dice, device, level), Outbox(capacity)) for device in devices
        ]
        now = time.time()
        for machine in self.machines:
            machine.power_up(now)
        count = min(connections, len(devices))
        self._secrets: dict[str, str] = {}
        fewest, most = WINDOWS
        road = Road(
            broker,
            asyncio.Semaphore(OPENING),
            window=max(fewest, min(most, FLEET_WINDOW // count)),
            backlog_gap_seconds=1 / max(BACKLOG_PER_SECOND, 5 * rate / len(devices)),
            tally=tally,
            on_acknowledged=self._acknowledged,
            secrets=self._secrets,
        )
        self.lines = [Line(share, road) for share in _shares(self.machines, count)]
        self._line_of = {id(machine): line for line in self.lines for machine in line.machines}

    @property
    def online(self) -> int:
        """Devices that can be heard now."""
        return sum(
            machine.is_on and machine.is_reachable for line in self.lines if line.is_up for machine in line.machines
        )

    @property
    def alone(self) -> list[str]:
        """The numbers of devices with a line of their own."""
        return [line.machines[0].device.device_no for line in self.lines if not line.is_shared]

    def equip(self, secrets: Mapping[str, str]) -> None:
        """Give devices with a line of their own what they prove themselves by; the others of them know none."""
        self._secrets.update({number: secrets.get(number, UNKNOWN_SECRET) for number in self.alone})

    async def connect(self) -> None:
        """Hold every line open until cancelled; the first connections are spread over the warm-up."""
        apart_seconds = self._world.warm_up_seconds / len(self.lines) * min(1.0, len(self.lines) / 100)
        async with asyncio.TaskGroup() as group:
            for line in self.lines:
                group.create_task(line.run(), name=f"line of {line.machines[0].device.device_no}")
                await asyncio.sleep(apart_seconds)

    async def speak(self) -> None:
        """Let the devices make and send messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(drive(self.machines, self._rate, self._hand_over), name="schedule")
            group.create_task(self._suffer(), name="faults")

    async def finish(self, *, seconds: float) -> None:
        """Publish nothing more, wait up to *seconds* for what is outstanding, and put what is left into the account."""
        await asyncio.gather(*(line.finish(seconds=seconds) for line in self.lines))
        unacknowledged = [message for line in self.lines for message in line.unacknowledged]
        self._tally.unacknowledged_messages = len(unacknowledged)
        self._tally.unacknowledged_records = sum(len(message.records) for message in unacknowledged)
        waiting = sum(machine.outbox.records for machine in self.machines)
        returned = itertools.chain.from_iterable(machine.outbox.returned for machine in self.machines)
        self._tally.buffered_records = waiting - sum(len(message.records) for message in returned)

    def _hand_over(self, machine: Machine, message: Outgoing) -> None:
        self._tally.made_messages += 1
        self._tally.made_records += len(message.records)
        self._tally.overwritten_records += machine.outbox.put(message)
        self._line_of[id(machine)].offer(machine)

    def _acknowledged(self, machine: Machine, message: Outgoing) -> None:
        rates = RATES[self._level]
        if message.copy != "first" or message.stream == PRESENCE or not rates.resent:
            return
        rng = self._world.dice.for_("again", machine.device.index, machine.boots, message.seq)
        fate = rng.random()
        if fate < rates.resent:
            copy = repeated(message)
        elif fate < rates.resent + rates.conflicting and not message.bad_records:
            copy = contradicted(message, tuple(altered(message.stream, record) for record in message.records))
        else:
            return
        self._tally.overwritten_records += machine.outbox.put(copy)
        self._line_of[id(machine)].offer(machine)

    async def _suffer(self) -> None:
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in faults(self._world.dice, len(self.machines), self._level):
                await asyncio.sleep(max(0.0, start + fault.after_seconds - time.monotonic()))
                machine = self.machines[fault.device]
                # One misfortune at a time.
                if machine.is_on and machine.is_reachable:
                    self._tally.faults[fault.kind] = self._tally.faults.get(fault.kind, 0) + 1
                    group.create_task(self._befall(machine, fault), name=f"{fault.kind} {machine.device.device_no}")

    async def _befall(self, machine: Machine, fault: Fault) -> None:
        line = self._line_of[id(machine)]
        line.part(machine)
        if fault.kind != "outage":
            machine.power_down(for_good=fault.seconds is None)
        if fault.seconds is None:
            return
        await asyncio.sleep(fault.seconds)
        if fault.kind == "reboot":
            machine.power_up(time.time())
        line.rejoin(machine)


def _shares(machines: Sequence[Machine], count: int) -> Iterator[Sequence[Machine]]:
    """*machines* in *count* runs of nearly the same length: neighbours in the order of sites share a line."""
    for number in range(count):
        yield machines[number * len(machines) // count : (number + 1) * len(machines) // count]
