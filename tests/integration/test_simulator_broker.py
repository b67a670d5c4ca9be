"""The simulator over a real broker: what it says was acknowledged is what an independent subscriber receives."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import aiomqtt
import orjson
import psycopg
import pytest

from deploy.embedded.broker import EmbeddedBroker
from deploy.simulator import service
from deploy.simulator.city import build
from deploy.simulator.clocks import DeviceClock
from deploy.simulator.dice import Dice
from deploy.simulator.hours import CityClock
from deploy.simulator.line import Line, Road
from deploy.simulator.machine import Machine, World
from deploy.simulator.message import Outgoing
from deploy.simulator.mqtt import Broker, late_writers_ignored
from deploy.simulator.outbox import Outbox
from deploy.simulator.tally import Tally
from store.errors import TracefleetError
from store.settings import Settings
from tests.conftest import free_port

LIMIT_SECONDS = 30


class Heard:
    """What a subscriber received: topics and payloads in the order of arrival."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    def of(self, stream: str) -> list[dict[str, object]]:
        """The bodies on one stream."""
        return [orjson.loads(payload) for topic, payload in self.messages if topic.endswith(f"/{stream}")]

    def distinct(self) -> Counter[str]:
        """How many different messages came on each stream."""
        return Counter(topic.rpartition("/")[2] for topic, _ in set(self.messages))


@contextlib.asynccontextmanager
async def subscriber(broker_url: str) -> AsyncIterator[Heard]:
    """An independent client that hears everything below the topic root at QoS 1."""
    broker = Broker.at(broker_url)
    heard = Heard()
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe("tracefleet/v1/#", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                heard.messages.append((str(message.topic), message.payload))

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(condition: Callable[[], object]) -> None:
    """Return when *condition* holds; fail when it never does."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - a condition has no event
            await asyncio.sleep(0.02)


def new_tally() -> Tally:
    """An account with nothing in it."""
    return Tally(devices=1, seed=1, rate=0, run="r", started_at="2026-11-23T00:00:00.000Z")


def machines(count: int) -> list[Machine]:
    """Devices that are powered up."""
    world = World(Dice(1), f"{time.time_ns()}", CityClock())
    made = [Machine(device, world, DeviceClock(), Outbox(10_000)) for device in build(count, 1).devices]
    for machine in made:
        machine.power_up(time.time())
    return made


@contextlib.asynccontextmanager
async def line(of: Sequence[Machine], broker_url: str, tally: Tally, *, window: int = 16) -> AsyncIterator[Line]:
    """A line that is held open."""
    road = Road(Broker.at(broker_url), asyncio.Semaphore(8), window, 0.001, tally, lambda _machine, _message: None)
    made = Line(of, road)
    task = asyncio.create_task(made.run())
    try:
        with late_writers_ignored():
            await until(lambda: made.is_up)
            yield made
            task.cancel()
            await asyncio.wait([task])
    finally:
        task.cancel()


def fill(machine: Machine, count: int, *, made_at: float | None = None) -> None:
    """Put messages into the machine's outbox, numbered by seq."""
    for _ in range(count):
        record = b'{"at":"2026-11-23T00:00:00Z","uptime_s":1}'
        when = time.monotonic() if made_at is None else made_at
        machine.outbox.put(Outgoing(machine.device.device_no, "status", machine.boot, machine.seq, (record,), when))
        machine.seq += 1


def test_subscriber_hears_exactly_what_was_acknowledged(settings: Settings) -> None:
    """Stream by stream, with faults, bad records, repetitions and strangers in the run."""

    async def scenario() -> tuple[Heard, Tally]:
        async with subscriber(settings.broker_url.get_secret_value()) as heard:
            tally = await service.run(
                settings,
                devices=30,
                rate=150,
                seed=11,
                seconds=4,
                faults="many",
                bad_share=0.05,
                strangers=1,
                seed_store=False,
            )
            expected = Counter(
                {name: count.messages + count.conflicting_messages for name, count in tally.streams.items()}
            )
            del expected["presence"]
            await until(lambda: all(heard.distinct()[name] >= count for name, count in expected.items()))
            return heard, tally

    heard, tally = asyncio.run(scenario())
    assert tally.unacknowledged_messages == 0
    for stream, count in tally.streams.items():
        if stream != "presence":
            assert (stream, heard.distinct()[stream]) == (stream, count.messages + count.conflicting_messages)
    assert tally.totals().messages > 200
    assert tally.totals().bad_records > 0
    assert {body["state"] for body in heard.of("presence")} == {"online", "offline"}


def test_all_five_streams_when_the_fleet_is_small(settings: Settings) -> None:
    """Three devices are enough, and no rate has to be asked for."""

    async def scenario() -> Tally:
        stop = asyncio.Event()

        def watch(tally: Tally, _online: int) -> None:
            if all(count.messages for count in tally.streams.values()):
                stop.set()

        async with asyncio.timeout(LIMIT_SECONDS):
            return await service.run(settings, devices=3, seed_store=False, faults="none", stop=stop, watch=watch)

    tally = asyncio.run(scenario())
    assert all(count.messages for count in tally.streams.values())


def test_backlog_is_sent_oldest_first_after_an_outage(broker_url: str) -> None:
    """What was made offline comes in its order, and what is made meanwhile comes after it."""

    async def scenario() -> list[object]:
        (machine,) = machines(1)
        tally = new_tally()
        async with subscriber(broker_url) as heard, line([machine], broker_url, tally) as under_test:
            under_test.part(machine)
            await until(lambda: not under_test.is_up)
            fill(machine, 60, made_at=time.monotonic() - 100)
            under_test.offer(machine)
            assert tally.streams["status"].messages == 0
            under_test.rejoin(machine)
            await until(lambda: tally.streams["status"].messages > 0)
            fill(machine, 5)
            under_test.offer(machine)
            await until(lambda: len(heard.of("status")) >= 65)
            return [body["seq"] for body in heard.of("status")]

    assert asyncio.run(scenario()) == list(range(65))


def test_last_will_is_told_when_a_device_loses_its_network(broker_url: str) -> None:
    """The broker says offline with the boot that was online; after a reboot the device comes back with another."""

    async def scenario() -> tuple[list[str], list[object]]:
        (machine,) = machines(1)
        boots = [machine.boot]
        async with subscriber(broker_url) as heard, line([machine], broker_url, new_tally()) as under_test:
            await until(lambda: len(heard.of("presence")) >= 1)
            under_test.part(machine)
            machine.power_down(for_good=False)
            await until(lambda: len(heard.of("presence")) >= 2)
            machine.power_up(time.time())
            boots.append(machine.boot)
            under_test.rejoin(machine)
            await until(lambda: len(heard.of("presence")) >= 3)
            return boots, [(body["boot"], body["state"]) for body in heard.of("presence")]

    (first, second), told = asyncio.run(scenario())
    assert told == [(first, "online"), (first, "offline"), (second, "online")]


def test_shared_line_says_in_its_devices_names_who_comes_and_goes(broker_url: str) -> None:
    """A gateway has no Last Will for each: it tells of one that parted, and of all at the end."""

    async def scenario() -> tuple[list[Machine], Heard]:
        three = machines(3)
        async with subscriber(broker_url) as heard, line(three, broker_url, new_tally()) as under_test:
            under_test.part(three[1])
            await until(lambda: len(heard.of("presence")) >= 4)
            await under_test.finish(seconds=LIMIT_SECONDS)
            await until(lambda: len(heard.of("presence")) >= 6)
            return three, heard

    three, heard = asyncio.run(scenario())
    states = [(body["boot"], body["state"]) for body in heard.of("presence")]
    assert states[3] == (three[1].boot, "offline")
    assert Counter(states) == Counter((machine.boot, state) for machine in three for state in ("online", "offline"))


@pytest.fixture
def own_broker(tmp_path: Path, free_port_number: int) -> EmbeddedBroker:
    """A broker that the test may kill."""
    broker = EmbeddedBroker(tmp_path / "broker" / "store", free_port_number, sync="2m")
    broker.log.parent.mkdir(parents=True, exist_ok=True)
    return broker


@pytest.fixture
def free_port_number() -> int:
    """A port that nobody uses now."""
    return free_port()


def test_what_was_unacknowledged_is_sent_again_when_the_broker_comes_back(own_broker: EmbeddedBroker) -> None:
    """Each message is acknowledged in the end and counted once, though some were sent twice."""

    async def scenario() -> Tally:
        first = own_broker.start()
        own_broker.wait_ready(first)
        three = machines(3)
        tally = new_tally()
        try:
            async with line(three, own_broker.url, tally) as under_test:
                await until(lambda: tally.streams["presence"].messages == 3)
                # It takes messages and answers none of them.
                first.send_signal(signal.SIGSTOP)
                for machine in three:
                    fill(machine, 20)
                    under_test.offer(machine)
                assert len(under_test.unacknowledged) == 16
                first.kill()
                first.wait()
                await until(lambda: not under_test.is_up)
                second = own_broker.start()
                try:
                    await asyncio.to_thread(own_broker.wait_ready, second)
                    await until(lambda: tally.streams["status"].messages == 60)
                finally:
                    second.terminate()
                    second.wait()
                assert under_test.unacknowledged == []
                return tally
        finally:
            first.kill()

    tally = asyncio.run(scenario())
    assert tally.streams["status"].records == 60
    assert tally.sent_again_messages == 16


def test_ledger_of_the_city_is_imported_once(
    settings: Settings, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    """The devices are in the store before they speak; a second run of the seed changes nothing."""

    def rows() -> list[tuple[object, ...]]:
        return connection.execute("SELECT device_no, updated_at FROM devices ORDER BY device_no").fetchall()

    asyncio.run(service.run(settings, devices=12, seed=5, seconds=0))
    first = rows()
    asyncio.run(service.run(settings, devices=12, seed=5, seconds=0))
    city = build(12, 5)
    assert [device_no for device_no, _ in first] == sorted(one.device_no for one in (*city.devices, city.spare))
    assert rows() == first


def test_run_when_cancelled_still_writes_its_account(settings: Settings, tmp_path: Path) -> None:
    """Everything acknowledged until then is in the file, and the end is marked."""
    path = tmp_path / "tally.json"

    async def scenario() -> None:
        spoke = asyncio.Event()
        task = asyncio.create_task(
            service.run(
                settings,
                devices=10,
                rate=100,
                seed_store=False,
                tally_file=path,
                watch=lambda tally, _online: spoke.set() if tally.totals().messages else None,
            )
        )
        async with asyncio.timeout(LIMIT_SECONDS):
            await spoke.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(scenario())
    told = orjson.loads(path.read_bytes())
    assert told["ended_at"] is not None
    assert told["acknowledged_records"] > 0
    assert told["unacknowledged_messages"] == 0


def test_run_when_there_is_no_broker(make_settings: Callable[..., Settings], free_port_number: int) -> None:
    """A sentence with the address and a remedy, before anything is started."""
    settings = make_settings(broker_url=f"mqtt://127.0.0.1:{free_port_number}")
    with pytest.raises(TracefleetError, match=rf"127.0.0.1:{free_port_number} cannot be used: .*tracefleet up"):
        asyncio.run(service.run(settings, devices=1, seed_store=False))
