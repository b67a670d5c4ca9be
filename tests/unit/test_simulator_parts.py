"""The small parts of the simulator: outbox, faults, account, schedule, broker address."""

import asyncio
import time
from datetime import time as TimeOfDay  # noqa: N812 - a class; the module of that name is needed as well
from itertools import islice
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.simulator.city import build
from deploy.simulator.clocks import DeviceClock
from deploy.simulator.dice import Dice
from deploy.simulator.faults import faults
from deploy.simulator.hours import CityClock
from deploy.simulator.machine import Machine, World
from deploy.simulator.message import Outgoing, contradicted, presence, repeated
from deploy.simulator.mqtt import Broker
from deploy.simulator.outbox import Outbox, capacity
from deploy.simulator.schedule import drive
from deploy.simulator.spoil import altered
from deploy.simulator.tally import Tally


def message(seq: int = 0, records: int = 1, stream: str = "scan") -> Outgoing:
    """A message with numbered records."""
    return Outgoing("D1", stream, "b1", seq, tuple(b'{"n":%d}' % n for n in range(seq, seq + records)), 0.0)


def new_tally() -> Tally:
    """An account with nothing in it."""
    return Tally(devices=1, seed=1, rate=0, run="r", started_at="2026-11-23T00:00:00.000Z")


@given(st.lists(st.integers(1, 20), max_size=60), st.integers(20, 100))
def test_outbox_keeps_the_newest_records(sizes: list[int], room: int) -> None:
    """Oldest first out, at most its capacity inside, and every record either kept or counted as overwritten."""
    outbox = Outbox(room)
    overwritten = sum(outbox.put(message(number, size)) for number, size in enumerate(sizes))
    kept = [outbox.take() for _ in range(len(outbox))]
    assert [m.seq for m in kept] == list(range(len(sizes)))[len(sizes) - len(kept) :]
    assert sum(len(m.records) for m in kept) + overwritten == sum(sizes)
    assert outbox.records == 0
    assert sum(len(m.records) for m in kept) <= room


def test_outbox_gives_back_what_returned_first() -> None:
    """What was sent before is sent again before all others, in its order, and is never overwritten."""
    outbox = Outbox(20)
    for seq in range(5):
        outbox.put(message(seq))
    outbox.put_back([outbox.take(), outbox.take()])
    assert outbox.put(message(5, 18)) == 3
    assert [outbox.take().seq for _ in range(len(outbox))] == [0, 1, 5]


@pytest.mark.parametrize(("devices", "expected"), [(1, 10_000), (100, 10_000), (5_000, 200), (50_000, 20)])
def test_outboxes_of_a_large_fleet_share_a_million_records(devices: int, expected: int) -> None:
    """Ten thousand records each, as long as they fit."""
    assert capacity(devices) == expected


def test_faults_when_the_seed_is_the_same() -> None:
    """The same misfortunes at the same seconds, in the order of time."""
    one, other = (list(islice(faults(Dice(5), 100, "many"), 50)) for _ in range(2))
    assert one == other
    assert [fault.after_seconds for fault in one] == sorted(fault.after_seconds for fault in one)
    assert {fault.kind for fault in one} == {"outage", "reboot", "death"}


def test_faults_at_level_none_do_not_come() -> None:
    """A run without faults ends as it began."""
    assert list(faults(Dice(5), 100, "none")) == []


def test_copies_have_the_bytes_they_should() -> None:
    """Sent twice is the same bytes; a contradiction is the same identity with another body."""
    first = Outgoing("D1", "status", "b1", 4, (b'{"at":1,"uptime_s":7}',), 0.0)
    sent = first.payload(1.0)
    other = contradicted(first, tuple(altered("status", record) for record in first.records)).payload(1.0)
    assert repeated(first).payload(99.0) == sent
    assert orjson.loads(other) == orjson.loads(sent) | {"records": [{"at": 1, "uptime_s": 8}]}


def test_tally_counts_copies_apart() -> None:
    """Distinct messages once; what was repeated or contradicted beside them; presence is no telemetry."""
    tally = new_tally()
    first = message(records=3)
    first.bad_records = 1
    for each in (first, repeated(first), contradicted(first, first.records), presence("D1", "b1", "online")):
        tally.acknowledged(each)
    told = tally.as_dict()
    assert (told["acknowledged_records"], told["good_records"]) == (9, 2)
    assert told["streams"]["scan"] == {
        "messages": 1,
        "records": 3,
        "bad_records": 1,
        "resent_messages": 1,
        "resent_records": 3,
        "conflicting_messages": 1,
        "conflicting_records": 3,
    }
    assert told["streams"]["presence"]["messages"] == 1
    assert told["telemetry"]["messages"] == 1


def test_tally_file_is_replaced_whole(tmp_path: Path) -> None:
    """The second writing replaces the first, and nothing is left beside it."""
    tally, path = new_tally(), tmp_path / "tally.json"
    tally.write(path)
    tally.acknowledged(message())
    tally.write(path)
    assert orjson.loads(path.read_bytes())["acknowledged_records"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_schedule_at_a_rate_keeps_the_natural_order() -> None:
    """The same messages in the same order as at the natural pace; only the pauses are others."""

    def machines() -> list[Machine]:
        world = World(Dice(3), "r", CityClock.starting_at(TimeOfDay(8), time.time()))
        made = [Machine(d, world, DeviceClock(), Outbox(100)) for d in build(30, 3).devices]
        for machine in made:
            machine.power_up(0.0)
        return made

    async def first(count: int, rate: float) -> list[tuple[str, str, int]]:
        seen: list[tuple[str, str, int]] = []
        enough = asyncio.Event()

        def hand_over(_: Machine, made: Outgoing) -> None:
            seen.append((made.device_no, made.stream, made.seq))
            if len(seen) == count:
                enough.set()

        task = asyncio.create_task(drive(machines(), rate, hand_over))
        await enough.wait()
        task.cancel()
        await asyncio.wait([task])
        return seen[:count]

    assert asyncio.run(first(10, 0)) == asyncio.run(first(10, 5000))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://127.0.0.1:21883", Broker("127.0.0.1", 21883)),
        ("mqtt://broker", Broker("broker", 1883)),
        ("mqtts://me:p%40ss@broker", Broker("broker", 8883, "me", "p@ss", is_tls=True)),
    ],
)
def test_broker_of_a_url(url: str, expected: Broker) -> None:
    """Ports by scheme, user and password unquoted."""
    assert Broker.at(url) == expected
