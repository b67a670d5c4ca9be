"""Workers side by side in one process each: groups, streams, and what an earlier configuration left at the broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import mqtt5
import orjson
import psycopg
import pytest

from deploy.embedded.broker import EmbeddedBroker
from ingest.aiomqtt_session import AiomqttSession
from ingest.inbox import Inbox
from ingest.service import Service
from ingest.subscription import EVERYTHING, Subscription
from store import stopping
from store.errors import SettingsError
from store.peer import peer_of
from store.settings import Settings
from tests.conftest import end, free_port

Connection = psycopg.Connection[tuple[object, ...]]
Publish = Callable[[str, object], Awaitable[None]]
LIMIT_SECONDS = 30


@contextlib.asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Service]:
    """The service, subscribed or not; drained at the end."""
    service = Service(settings)
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield service
    finally:
        stop.set()
        await asyncio.wait_for(task, LIMIT_SECONDS)


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """The service, subscribed."""
    async with started(settings) as service:
        await until(lambda: service.readiness()["broker"] is None)
        yield service


async def until(condition: Callable[[], object]) -> None:
    """Return when *condition* holds; fail when it never does."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - of what happens in the database, no event tells
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def publisher(broker_url: str) -> AsyncIterator[Publish]:
    """Publishes a record with QoS 1 below the topic root."""
    peer = peer_of(broker_url)
    async with aiomqtt.Client(peer.host, peer.port) as client:

        async def publish(path: str, body: object) -> None:
            await client.publish(f"tracefleet/v1/{path}", orjson.dumps(body), qos=1)

        yield publish


def reading(seq: int) -> dict[str, object]:
    """A cold-chain message of one record."""
    at = datetime.now(UTC) - timedelta(seconds=1)
    return {"v": 1, "boot": "b", "seq": seq, "records": [{"at": at.isoformat(), "temperature_c": 1.0}]}


def health(seq: int) -> dict[str, object]:
    """A status message of one record."""
    return {"v": 1, "boot": "s", "seq": seq, "records": [{"at": datetime.now(UTC).isoformat(), "uptime_s": seq}]}


async def send(publish: Publish, seqs: Iterable[int], path: str = "D-1/coldchain") -> None:
    """One reading after the other."""
    for seq in seqs:
        await publish(path, reading(seq))


def account(connection: Connection, worker: str) -> tuple[int, int, int]:
    """What *worker* received, stored, and found to be here."""
    row = connection.execute(
        "SELECT coalesce(sum(received), 0)::int, coalesce(sum(stored), 0)::int, coalesce(sum(duplicate), 0)::int"
        " FROM ingest_stats WHERE worker = %s",
        (worker,),
    ).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1])), int(str(row[2]))


def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    """What a query of the test's own finds."""
    return connection.execute(query.encode()).fetchall()


@pytest.fixture
def device(register: Callable[..., None]) -> str:
    """A logger in the ledger."""
    register("D-1")
    return "D-1"


async def test_group_at_a_broker_of_3_1_1_says_what_to_do(make_settings: Callable[..., Settings]) -> None:
    """nats-server would grant the share and deliver nothing, so it is not asked for one."""
    async with started(make_settings(ingest_group="g")) as service:
        await until(lambda: "TRACEFLEET_INGEST_STREAMS" in (service.readiness()["broker"] or ""))
        assert not service._session.connected


def test_group_over_3_1_1_is_refused(make_settings: Callable[..., Settings]) -> None:
    """Whatever the broker: the protocol has no words for one that knows no shares."""
    with pytest.raises(SettingsError, match="needs MQTT 5"):
        Service(make_settings(ingest_group="g", broker_protocol="3.1.1"))


async def test_group_at_a_broker_without_shares_says_what_to_do(
    make_settings: Callable[..., Settings], connection: Connection
) -> None:
    """By the CONNACK; readiness, and the row that others read, name the remedy."""

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(mqtt5.ConnAckPacket(shared_subscription_available=False).write())
        await writer.drain()
        await reader.read(1000)
        writer.close()

    server = await asyncio.start_server(welcome, "127.0.0.1", 0)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with started(make_settings(broker_url=url, ingest_group="g")) as service:
            await until(lambda: "no shared subscriptions" in (service.readiness()["broker"] or ""))
            await until(lambda: "shared" in str(rows(connection, "SELECT stopped_reason FROM workers")))


@pytest.mark.usefixtures("device")
async def test_group_shares_the_messages(
    make_settings: Callable[..., Settings], mosquitto_url: str, connection: Connection
) -> None:
    """Each message goes to one of them."""
    pair = [make_settings(broker_url=mosquitto_url, ingest_group="g") for _ in range(2)]
    async with running(pair[0]), running(pair[1]), publisher(mosquitto_url) as publish:
        await send(publish, range(40))
        await until(lambda: rows(connection, "SELECT count(*)::int FROM coldchain") == [(40,)])
        state = "SELECT DISTINCT ingest_group, cardinality(reads) FROM workers WHERE connected"
        await until(lambda: rows(connection, state) == [("g", 6)])
    received = [account(connection, settings.ingest_worker)[0] for settings in pair]
    assert sum(received) == 40
    assert min(received) > 0


@pytest.mark.usefixtures("device")
async def test_a_worker_that_changes_its_group_keeps_what_waits_and_takes_the_rest_back(
    make_settings: Callable[..., Settings], mosquitto_url: str, connection: Connection
) -> None:
    """Alone, in a group, in another one, alone: nothing is lost, and afterwards nothing comes twice."""
    worker, sent = "changes", 0

    async def turn(publish: Publish, group: str | None) -> None:
        """What was published while it was away, and then some more."""
        nonlocal sent
        async with running(
            make_settings(broker_url=mosquitto_url, ingest_worker=worker, ingest_group=group)
        ) as service:
            await until(lambda: not service._subscription.stale)
            await send(publish, range(sent, sent + 10))
            sent += 10
            await until(lambda: account(connection, worker)[0] >= sent)
            # What the next turn has to take back.
            held = service._subscription.held
            await until(lambda: rows(connection, "SELECT filters FROM workers") == [(held,)])
            assert len(held) == 1

    async with publisher(mosquitto_url) as publish:
        for group in (None, "one", "two", None):
            await turn(publish, group)
            await send(publish, range(sent, sent + 30))
            sent += 30
        await turn(publish, None)
    assert account(connection, worker) == (sent, sent, 0)


@pytest.fixture
def narrow_url(tmp_path: Path) -> Iterator[str]:
    """An embedded broker that sends few messages ahead, so that many wait there."""
    broker = EmbeddedBroker(tmp_path / "store", free_port(), sync="2m", window=64)
    process = broker.start()
    try:
        broker.wait_ready(process)
        yield broker.url
    finally:
        end(process)


# Longer than the embedded broker's ack_wait, after which it delivers again; Mosquitto does so at once.
@pytest.mark.parametrize(("broker", "settle_seconds"), [("narrow_url", 12.0), ("mosquitto_url", 0.2)])
async def test_stale_subscription_of_3_1_1_is_taken_back_once_its_messages_are_here(
    broker: str, settle_seconds: float, request: pytest.FixtureRequest
) -> None:
    """What a run that died held, and what waits; nats-server drops with a subscription what it has not delivered."""
    url = str(request.getfixturevalue(broker))
    inbox = Inbox(limit_bytes=10_000_000, on_room=lambda: None)
    seen: set[tuple[str, int]] = set()

    async def follow(session: AiomqttSession) -> None:
        while True:
            arrivals, receipts = inbox.take(10_000)
            seen.update((one.topic.rpartition("/")[2], orjson.loads(one.payload)["seq"]) for one in arrivals)
            session.acknowledge(receipts)
            await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def session(subscription: Subscription) -> AsyncIterator[AiomqttSession]:
        made = AiomqttSession(
            peer_of(url),
            client_id=f"narrows-{broker[:4]}",
            subscription=subscription,
            inbox=inbox,
            settle_seconds=settle_seconds,
        )
        running = asyncio.create_task(made.run())
        await until(lambda: made.connected)
        yield made
        await stopping.end(running)

    async with publisher(url) as publish:
        async with session(Subscription()):
            await send(publish, range(10), "D-1/scan")
            await until(lambda: len(inbox) == 10)
        inbox.take(1_000_000)  # it died with them
        await send(publish, range(10, 500), "D-1/scan")
        subscription = Subscription(("tracefleet/v1/+/weighing",), {EVERYTHING})
        async with session(subscription) as narrowed:
            following = asyncio.create_task(follow(narrowed))
            await until(lambda: not subscription.stale)
            assert seen == {("scan", seq) for seq in range(500)}
            seen.clear()
            await send(publish, range(500, 503), "D-1/scan")
            await send(publish, range(3), "D-1/weighing")
            await until(lambda: len(seen) == 3)
            following.cancel()
            await asyncio.wait({following})
    assert seen == {("weighing", seq) for seq in range(3)}


@pytest.mark.usefixtures("device")
async def test_other_leaves_to_others_what_they_read_and_takes_it_when_they_are_gone(
    make_settings: Callable[..., Settings], mosquitto_url: str, connection: Connection
) -> None:
    """Passed over only while another reads it; a misspelt topic is always its own."""
    cold = make_settings(broker_url=mosquitto_url, ingest_worker="cold", ingest_streams="coldchain")
    rest = make_settings(broker_url=mosquitto_url, ingest_worker="rest", ingest_streams="status,other")
    async with running(rest) as service, publisher(mosquitto_url) as publish:
        await send(publish, range(10))
        await until(lambda: account(connection, "rest") == (10, 10, 0))
        async with running(cold):
            await until(lambda: service._passing is not None and service._passing._streams == {"coldchain"})
            await send(publish, range(10, 30))
            await publish("D-1/status", health(0))
            await publish("D-1/wieghing", reading(0))
            await until(lambda: account(connection, "cold")[0] == 20)
            await until(lambda: account(connection, "rest")[0] == 12)
        # It stopped in order: its session keeps what comes, and the other does not wait for it.
        sent = 30
        async with asyncio.timeout(LIMIT_SECONDS):
            while account(connection, "rest")[0] == 12:
                await send(publish, [sent])
                sent += 1
    async with running(cold):
        await until(lambda: account(connection, "cold")[0] == sent - 10)
    assert rows(connection, "SELECT count(*)::int, count(DISTINCT seq)::int FROM coldchain") == [(sent - 10 + 10,) * 2]
    assert rows(connection, "SELECT reason, count(*)::int FROM dead_letters GROUP BY 1") == [("bad_topic", 1)]


@pytest.mark.usefixtures("device")
async def test_what_waited_for_other_is_stored_whoever_reads_it_by_now(
    make_settings: Callable[..., Settings], mosquitto_url: str, connection: Connection
) -> None:
    """Published before the new worker subscribed, it waits with the old one alone."""
    whole = make_settings(broker_url=mosquitto_url, ingest_worker="whole")
    part = make_settings(broker_url=mosquitto_url, ingest_worker="whole", ingest_streams="status,other")
    cold = make_settings(broker_url=mosquitto_url, ingest_streams="weighing,scan,coldchain,presence")
    async with running(whole):
        pass
    async with publisher(mosquitto_url) as publish:
        await send(publish, range(200))
        async with running(cold), running(part) as service:
            await until(lambda: service._passing is not None and "coldchain" in service._passing._streams)
            await until(lambda: account(connection, "whole") == (200, 200, 0))
            assert account(connection, cold.ingest_worker) == (0, 0, 0)


@pytest.mark.usefixtures("device")
async def test_reading_less_gives_those_who_rely_on_it_time_to_notice(
    make_settings: Callable[..., Settings], mosquitto_url: str, connection: Connection
) -> None:
    """What it gives up is off its row before it unsubscribes, so no message falls between two workers."""
    two = make_settings(broker_url=mosquitto_url, ingest_worker="two", ingest_streams="coldchain,scan")
    one = make_settings(broker_url=mosquitto_url, ingest_worker="two", ingest_streams="scan")
    rest = make_settings(broker_url=mosquitto_url, ingest_worker="relies", ingest_streams="status,other")
    sent, is_enough = 0, asyncio.Event()

    async def keep_sending(publish: Publish) -> None:
        nonlocal sent
        while not is_enough.is_set():
            await send(publish, [sent])
            sent += 1
            await asyncio.sleep(0.005)

    async with running(rest) as service, publisher(mosquitto_url) as publish:
        async with running(two):
            await until(lambda: service._passing is not None and "coldchain" in service._passing._streams)
            sending = asyncio.create_task(keep_sending(publish))
            await until(lambda: sent > 50)
        async with running(one):
            assert service._passing is not None
            assert "coldchain" not in service._passing._streams
            mark = sent
            await until(lambda: sent > mark + 50)
            # Not cancelled: until Python 3.12 a cancellation may be lost that meets the end of what is waited for.
            is_enough.set()
            await sending
            await until(lambda: int(str(rows(connection, "SELECT count(*) FROM coldchain")[0][0])) >= sent)
    assert rows(connection, "SELECT max(seq) - count(*) + 1 FROM coldchain") == [(0,)]
