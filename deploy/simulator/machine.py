"""A running device: its power-ups and sequence numbers, its clock, its habits, and the outbox they fill.

Sans I/O: told what time it is, it says what it would send. It has two times: the *due* of the schedule, which a given
rate stretches, and *now*, the real one that stands in records.
"""

import hashlib
import math
import random
from dataclasses import dataclass
from typing import Final

import orjson

from deploy.simulator import coldchain, rhythm, scanning, status, weighing
from deploy.simulator.city import Device
from deploy.simulator.clocks import DeviceClock
from deploy.simulator.dice import Dice, chance
from deploy.simulator.hours import CityClock, busyness
from deploy.simulator.message import Outgoing
from deploy.simulator.outbox import Outbox
from deploy.simulator.spoil import spoil

_LOGGERS: Final = frozenset({"store_logger", "truck_logger", "door_sensor"})
_SCALES: Final = frozenset({"counter_scale", "platform_scale"})
# Of bad messages with one record, so many lose their end instead.
_CUT: Final = 0.15

Records = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class World:
    """What all machines of a run share. *run* tells its boots from those of every other run of the same seed."""

    dice: Dice
    run: str
    clock: CityClock
    bad_share: float = 0.0
    warm_up_seconds: float = rhythm.WARM_UP_SECONDS


class Machine:
    """Off until :meth:`power_up`. *seq* goes through all streams, from 0 at each power-up."""

    __slots__ = (
        "_cold",
        "_customer_comes",
        "_last_trade",
        "_next_status",
        "_next_work",
        "_readings",
        "_spoken_at",
        "_world",
        "back_at",
        "boot",
        "booted_at",
        "boots",
        "clock",
        "device",
        "is_on",
        "is_queued",
        "is_reachable",
        "made",
        "outbox",
        "seq",
    )

    def __init__(self, device: Device, world: World, clock: DeviceClock, outbox: Outbox) -> None:
        self._world = world
        self.device = device
        self.clock = clock
        self.outbox = outbox
        self.boot = ""
        self.boots = 0
        self.seq = 0
        self.made = 0
        self.booted_at = 0.0
        self.is_on = False
        # Kept for the line it speaks over: whether its network works, since when, and whether it waits to be sent.
        self.is_reachable = True
        self.back_at = 0.0
        self.is_queued = False
        self._last_trade: dict[str, object] | None = None
        self._cold = coldchain.beginning(world.dice.for_("cold", device.index), device)
        self._readings = 1
        self._spoken_at = 0.0
        # Somebody stands at every stall in the morning; nobody queues at a kiosk.
        self._customer_comes = device.role != "kiosk"
        rng = world.dice.for_("warm_up", device.index)
        # The first of each kind speaks first, so a slow run shows every stream soon.
        first = device.device_no[:-2].endswith("000001")
        self._next_work = rng.uniform(0, 0.2) if first else rng.uniform(0, world.warm_up_seconds)
        self._next_status = self._next_work if first else rng.uniform(0, rhythm.STATUS_SECONDS)

    @property
    def due(self) -> float:
        """Seconds on the schedule at which :meth:`act` wants to be called next."""
        return min(self._next_work, self._next_status)

    def power_up(self, now: float) -> None:
        """A new boot; what an earlier one had not sent stays in the outbox."""
        self.boots += 1
        name = f"{self._world.run} {self.device.device_no} {self.boots}"
        self.boot = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        self.seq = 0
        self.booted_at = self._spoken_at = now
        self.is_on = True

    def power_down(self, *, for_good: bool) -> None:
        """Silence, until the next power-up; *for_good* takes the device off the schedule."""
        self.is_on = False
        if for_good:
            self._next_work = self._next_status = math.inf

    def act(self, now: float, made_at: float) -> Outgoing | None:
        """What the device does at its :attr:`due`, and the message that comes of it, if any; not yet in the outbox.

        *now* is Unix time, *made_at* the same moment on the clock that paces the line.
        """
        due = self.due
        is_status = self._next_status <= self._next_work
        rng = self._world.dice.for_("act", self.device.index, self.made)
        self.made += 1
        if is_status:
            self._next_status = due + rhythm.until_status(rng)
            return self._report(rng, now, made_at) if self.is_on else None
        if not self.is_on:
            self._next_work = due + rhythm.WARM_UP_SECONDS
            return None
        busy = busyness(self.device.site.kind, self._world.clock.hour(now))
        if self.device.role in _LOGGERS:
            return self._read(rng, due, busy, now, made_at)
        return self._serve(rng, due, busy, now, made_at)

    def _report(self, rng: random.Random, now: float, made_at: float) -> Outgoing:
        fields = status.report(rng, self.device, self._condition(now))
        return self._message(rng, "status", [fields], [now], made_at)

    def _serve(self, rng: random.Random, due: float, busy: float, now: float, made_at: float) -> Outgoing | None:
        role = self.device.role
        if role == "gateway":
            self._next_work = math.inf
            return None
        somebody_came = self._customer_comes and busy > 0
        wait_seconds, self._customer_comes = rhythm.until_customer(rng, role, busy)
        self._next_work = due + wait_seconds
        if not somebody_came:
            return None
        if role not in _SCALES:
            return self._message(rng, "scan", [scanning.scan(rng, self.device)], [now], made_at)
        shown = self.clock.shown(now, self.booted_at)
        self._last_trade = weighing.trade(rng, self.device, shown, self.made, self._last_trade)
        return self._message(rng, "weighing", [self._last_trade], [now], made_at)

    def _read(self, rng: random.Random, due: float, busy: float, now: float, made_at: float) -> Outgoing:
        records: Records = []
        for _ in range(self._readings):
            self._cold, reading = coldchain.step(rng, self._cold, self.device, busy)
            records.append(reading)
        # A batch covers the time since the one before it.
        apart = (now - self._spoken_at) / len(records)
        moments = [now - apart * after for after in reversed(range(len(records)))]
        self._spoken_at = now
        self._readings = coldchain.readings_until_next(rng, self._cold)
        self._next_work = due + self._readings * coldchain.STEP_SECONDS
        return self._message(rng, "coldchain", records, moments, made_at)

    def _condition(self, now: float) -> status.Condition:
        ahead_seconds = self.clock.shown(now, self.booted_at) - now
        return status.Condition(
            uptime_s=int(now - self.booted_at),
            backlog=self.outbox.records,
            clock_offset_ms=round(ahead_seconds * 1000) if self.clock.has_clock else None,
            has_failed_probe=self._cold.probe_minutes > 0,
            battery_pct=self._cold.battery_pct,
        )

    def _message(
        self, rng: random.Random, stream: str, records: Records, moments: list[float], made_at: float
    ) -> Outgoing:
        stamped = [
            self.clock.stamp(moment, self.booted_at) | fields for moment, fields in zip(moments, records, strict=True)
        ]
        # orjson's bytes hold on to a buffer of kilobytes; a backlog of a million copies does not.
        encoded = [bytes(memoryview(orjson.dumps(fields))) for fields in stamped]
        message = Outgoing(self.device.device_no, stream, self.boot, self.seq, (), made_at)
        self.seq += len(records)
        if chance(rng, self._world.bad_share):
            message.bad_records = 1
            message.is_cut = len(records) == 1 and chance(rng, _CUT)
            if not message.is_cut:
                spoiled = rng.randrange(len(records))
                encoded[spoiled] = spoil(rng, stream, stamped[spoiled])
        if self.device.is_stranger or self.device.is_retired:
            message.bad_records = len(records)
        message.records = tuple(encoded)
        return message
