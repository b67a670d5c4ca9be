"""Both sessions keep the same promises, over every broker at hand."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiomqtt
import msgspec
import pytest

from deploy.bench import brokers
from ingest.aiomqtt_session import AiomqttSession
from ingest.arrival import Arrival, Receipt
from ingest.inbox import OVERHEAD_BYTES, Inbox
from ingest.mqtt5_line import OldBrokerError
from ingest.mqtt5_session import Mqtt5Session
from ingest.session import FittingSession, Session
from ingest.subscription import Subscription
from store.peer import peer_of
from store.stopping import end

# A line that does not read notices at the second keep-alive that it was broken: 30 s.
LIMIT_SECONDS: Final = 60
WAYS: Final = ("nats 3.1.1", "mosquitto 3.1.1", "mosquitto 5")
Publish = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    """A Mosquitto of this module's own."""
    if not brokers.has_mosquitto():
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with brokers.serve("mosquitto", tmp_path_factory.mktemp("mosquitto") / "broker", window=100) as broker:
        yield broker


@pytest.fixture(scope="module")
def mosquitto_url(mosquitto: brokers.Broker) -> str:
    """Its URL."""
    return _url(mosquitto)


def _url(broker: brokers.Broker) -> str:
    return f"mqtt://{brokers.HOST}:{broker.port}"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A broker's URL and the version of MQTT to speak with it."""
    broker, version = str(request.param).split()
    url: str = request.getfixturevalue("mosquitto_url" if broker == "mosquitto" else "broker_url")
    return url, version


class Reader:
    """A session under one client id, connected as often as a test likes, and what it took."""

    def __init__(self, url: str, version: str, *, limit_bytes: int = 10_000_000) -> None:
        self.url = url
        self.root = f"tracefleet/v1/{uuid.uuid4().hex}"
        self._version = version
        self._client_id = f"s-{uuid.uuid4().hex[:16]}"
        self._limit_bytes = limit_bytes
        self.session: Session
        self.inbox: Inbox

    @asynccontextmanager
    async def connecting(self) -> AsyncIterator["asyncio.Task[None]"]:
        """On its way to the broker, until the block ends; messages may come before it is subscribed."""
        self.inbox = Inbox(limit_bytes=self._limit_bytes, on_room=self._resume)
        self.session = self.another(self.inbox)
        run = asyncio.create_task(self.session.run())
        try:
            yield run
        finally:
            await end(run)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Subscribed to everything below the root, until the block ends."""
        async with self.connecting() as run:
            await until(lambda: self.session.connected or run.done())
            assert not run.done(), run.exception()
            yield

    async def empty(self, count: int) -> set[bytes]:
        """So many different payloads, each acknowledged as it is taken."""
        seen: set[bytes] = set()
        # nats-server brings again what others were given after ten seconds, for each of them.
        async with asyncio.timeout(2 * LIMIT_SECONDS):
            while len(seen) < count:
                arrivals, receipts = self.inbox.take(100_000)
                seen.update(payloads(arrivals))
                self.session.acknowledge(receipts)
                await asyncio.sleep(0.001)
        return seen

    def another(self, inbox: Inbox) -> Session:
        """A session under our client id, not connected."""
        peer, subscription = peer_of(self.url), Subscription((f"{self.root}/#",))
        if self._version == "5":
            return Mqtt5Session(peer, client_id=self._client_id, subscription=subscription, inbox=inbox, window=50)
        return AiomqttSession(peer, client_id=self._client_id, subscription=subscription, inbox=inbox)

    def _resume(self) -> None:
        self.session.resume()

    async def take(self, count: int) -> tuple[list[Arrival], list[Receipt]]:
        """So many messages, as soon as they have come, and what acknowledges them."""
        taken: list[Arrival] = []
        receipts: list[Receipt] = []
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(taken) < count:
                arrivals, given = self.inbox.take(1)
                taken += arrivals
                receipts += given
                await asyncio.sleep(0)
        return taken, receipts


@pytest.fixture
def reader(way: tuple[str, str]) -> Reader:
    """A session of the test's own."""
    return Reader(*way)


@pytest.fixture
async def publish(reader: Reader) -> AsyncIterator[Publish]:
    """Publishes bytes below the reader's root at QoS 1."""
    peer = peer_of(reader.url)
    async with aiomqtt.Client(peer.host, peer.port) as client:

        async def send(payload: bytes, *, path: str = "t", retain: bool = False) -> None:
            await client.publish(f"{reader.root}/{path}", payload, qos=1, retain=retain)

        yield send


async def until(condition: Callable[[], object]) -> None:
    """Return when *condition* holds; fail when it never does."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - it is not ours to set an event
            await asyncio.sleep(0.01)


def payloads(arrivals: Sequence[Arrival]) -> list[bytes]:
    """What they hold."""
    return [one.payload for one in arrivals]


async def test_message_is_acknowledged_once_it_is_committed(reader: Reader, publish: Publish) -> None:
    """Until then it counts as unacknowledged; afterwards the next connection does not get it again."""
    async with reader.connected():
        await publish(b"one")
        await publish(b"two")
        arrivals, receipts = await reader.take(2)
        assert (payloads(arrivals), reader.session.unacknowledged) == ([b"one", b"two"], 2)
        assert sum(receipt.messages for receipt in receipts) == 2
        reader.session.acknowledge(receipts)
        assert reader.session.unacknowledged == 0
    async with reader.connected():
        await publish(b"three")
        assert payloads((await reader.take(1))[0]) == [b"three"]


async def test_message_that_was_not_acknowledged_comes_again(reader: Reader, publish: Publish) -> None:
    """With the next connection, so a worker that dies before its commit loses nothing."""
    async with reader.connected():
        await publish(b"one")
        _, receipts = await reader.take(1)
        await publish(b"two")
        await reader.take(1)
        reader.session.acknowledge(receipts)
        # The acknowledgement is on its way before the leave-taking, and the broker reads in order.
        await publish(b"three")
        await reader.take(1)
    async with reader.connected():
        assert payloads((await reader.take(2))[0]) == [b"two", b"three"]


async def test_acknowledgement_of_an_old_connection_is_never_sent(reader: Reader, publish: Publish) -> None:
    """Packet ids are used again on a new one, where they stand for other messages."""
    async with reader.connected():
        await publish(b"one")
        _, [old] = await reader.take(1)
    async with reader.connected():
        await reader.take(1)
        reader.session.acknowledge([msgspec.structs.replace(old, connection=old.connection + 7)])
        assert reader.session.unacknowledged == 1
    async with reader.connected():
        assert payloads((await reader.take(1))[0]) == [b"one"]


async def test_messages_wait_while_nobody_is_connected(reader: Reader, publish: Publish) -> None:
    """The broker keeps the session, and what comes for it."""
    async with reader.connected():
        pass
    await publish(b"meanwhile")
    async with reader.connected():
        assert payloads((await reader.take(1))[0]) == [b"meanwhile"]


async def test_full_inbox_stops_the_flow_and_loses_nothing(way: tuple[str, str]) -> None:
    """A session that sees it full leaves the rest to the broker, and gets all of it once there is room."""
    reader = Reader(*way, limit_bytes=10 * (OVERHEAD_BYTES + 20_000))
    peer = peer_of(reader.url)
    bodies = [b"%d" % number + b"x" * 20_000 for number in range(60)]
    async with reader.connected(), aiomqtt.Client(peer.host, peer.port) as client:
        for body in bodies:
            await client.publish(f"{reader.root}/t", body, qos=1)
        await until(lambda: reader.inbox.is_full)
        # At most what one read brings beyond the limit: a read is a quarter of a megabyte.
        assert len(reader.inbox) < 30
        assert await reader.empty(len(bodies)) == set(bodies)


async def test_full_inbox_does_not_grow_with_each_connection(way: tuple[str, str]) -> None:
    """While nothing is written, a broken line must not bring once more what is here already."""
    reader = Reader(*way, limit_bytes=10 * (OVERHEAD_BYTES + 20_000))
    peer = peer_of(reader.url)
    bodies = [b"%d" % number + b"x" * 20_000 for number in range(40)]
    async with reader.connected(), aiomqtt.Client(peer.host, peer.port) as client:
        for body in bodies:
            await client.publish(f"{reader.root}/t", body, qos=1)
        await until(lambda: reader.inbox.is_full)
        held = len(reader.inbox)
        for _ in range(3):
            thief = asyncio.create_task(reader.another(Inbox(limit_bytes=1, on_room=lambda: None)).run())
            await until(lambda: not reader.session.connected)
            await end(thief)
            await asyncio.sleep(0.3)  # long enough to connect, for one that does
            assert len(reader.inbox) <= held + 1
            if not reader.session.connected:
                break  # it waits for room
        assert await reader.empty(len(bodies)) == set(bodies)


async def test_session_taken_over_comes_back(reader: Reader, publish: Publish) -> None:
    """Another process under our name throws us out; we return, and what was under way comes again."""
    async with reader.connected():
        await publish(b"one")
        _, first = await reader.take(1)
        thief = asyncio.create_task(reader.another(Inbox(limit_bytes=10_000, on_room=lambda: None)).run())
        await until(lambda: not reader.session.connected)
        await end(thief)
        await until(lambda: reader.session.connected)
        reader.session.acknowledge(first)  # of the lost connection: must have no effect
        [again], _ = await reader.take(1)
        assert again.payload == b"one"
        assert again.connection != first[0].connection


async def test_drained_session_takes_nothing_more(reader: Reader, publish: Publish) -> None:
    """What still comes stays with the broker."""
    async with reader.connected():
        reader.session.drain()
        await publish(b"late")
        await publish(b"later")
        assert len(reader.inbox) == 0
    async with reader.connected():
        assert payloads((await reader.take(2))[0]) == [b"late", b"later"]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_acknowledgements_before_a_stop_are_read(mosquitto: brokers.Broker, version: str) -> None:
    """A session that ends while the broker still has much to say hears it out: what it acknowledged never comes again.

    The broker is slow to read; with the connection reset meanwhile it would fail to write, and read no more.
    """
    reader = Reader(_url(mosquitto), version)
    bodies = {b"%d " % number + b"x" * 30_000 for number in range(200)}
    async with aiomqtt.Client(brokers.HOST, mosquitto.port) as client:
        async with reader.connected():
            for body in sorted(bodies):
                await client.publish(f"{reader.root}/t", body, qos=1)
            arrivals, receipts = await reader.take(40)
            os.kill(mosquitto.pid, signal.SIGSTOP)
            asyncio.get_running_loop().call_later(0.3, os.kill, mosquitto.pid, signal.SIGCONT)
            reader.session.acknowledge(receipts)
        left = bodies.difference(payloads(arrivals))
        async with reader.connecting():
            assert await reader.empty(len(left)) == left


async def test_retained_flag_marks_what_the_broker_remembered(reader: Reader, publish: Publish) -> None:
    """A live message that its device wants remembered is live all the same."""
    async with reader.connected():
        await publish(b"live", path="r", retain=True)
        [arrival], _ = await reader.take(1)
        assert (arrival.payload, arrival.retained) == (b"live", False)
        await publish(b"", path="r", retain=True)


async def test_version_5_is_taken_where_the_broker_speaks_it(mosquitto_url: str) -> None:
    """And nothing has to be set for it."""
    inbox = Inbox(limit_bytes=1000, on_room=lambda: None)
    sessions = [
        kind(peer_of(mosquitto_url), client_id="fit", subscription=Subscription(), inbox=inbox, **more)
        for kind, more in ((Mqtt5Session, {"window": 10}), (AiomqttSession, {}))
    ]
    fitting = FittingSession(sessions[0], sessions[1])
    run = asyncio.create_task(fitting.run())
    await until(lambda: fitting.connected)
    assert sessions[0].connected
    await end(run)


async def test_broker_of_3_1_1_is_spoken_to_in_its_version(broker_url: str) -> None:
    """The embedded broker refuses version 5, and the other session takes over."""
    inbox = Inbox(limit_bytes=1000, on_room=lambda: None)
    client_id = f"s-{uuid.uuid4().hex[:16]}"
    new = Mqtt5Session(peer_of(broker_url), client_id=client_id, subscription=Subscription(), inbox=inbox, window=10)
    with pytest.raises(OldBrokerError):
        await asyncio.wait_for(new.run(), LIMIT_SECONDS)
    old = AiomqttSession(peer_of(broker_url), client_id=client_id, subscription=Subscription(), inbox=inbox)
    fitting = FittingSession(new, old)
    run = asyncio.create_task(fitting.run())
    await until(lambda: fitting.connected)
    assert old.connected
    await end(run)
