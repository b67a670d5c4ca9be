"""Ingest as a whole: a real broker, a real database, messages of the contract."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import aiomqtt
import orjson
import psycopg
import pytest

from ingest.service import Service
from store.settings import Settings

Connection = psycopg.Connection[tuple[object, ...]]
LIMIT_SECONDS = 20


@pytest.fixture
def device(connection: Connection) -> str:
    """A cold-chain logger in the ledger."""
    return register(connection, "TH-1", "logger")


def register(connection: Connection, device_no: str, kind: str, state: str = "in_service") -> str:
    """Enter a device of *kind*, with what it stands on."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S1', '一号冷库', 'Cold store 1', 'cold_store', '410100') ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO models (model_no, kind, vendor) VALUES (%(k)s, %(k)s, 'v') ON CONFLICT DO NOTHING", {"k": kind}
    )
    connection.execute(
        "INSERT INTO devices (device_no, model_id, site_id, state) SELECT %s, m.model_id, s.site_id, %s"
        " FROM models m, sites s WHERE m.kind = %s AND s.site_no = 'S1'",
        (device_no, state, kind),
    )
    return device_no


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """The service, subscribed; drained at the end."""
    service = Service(settings)
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        await until(lambda: service.readiness()["broker"] is None, task)
        yield service
    finally:
        stop.set()
        await asyncio.wait_for(task, LIMIT_SECONDS)


async def until(condition: Callable[[], object], task: "asyncio.Task[None] | None" = None) -> None:
    """Return when *condition* holds; fail when it never does."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():
            if task is not None and task.done():
                task.result()
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def publisher(settings: Settings) -> AsyncIterator[Callable[[str, object], Awaitable[None]]]:
    """Publishes JSON or bytes with QoS 1 below the topic root."""
    host, _, port = settings.broker_url.get_secret_value().removeprefix("mqtt://").partition(":")
    async with aiomqtt.Client(host, int(port)) as client:

        async def publish(path: str, body: object) -> None:
            payload = body if isinstance(body, bytes) else orjson.dumps(body)
            await client.publish(f"tracefleet/v1/{path}", payload, qos=1)

        yield publish


def envelope(*records: dict[str, object], seq: int = 0, boot: str = "b1") -> dict[str, object]:
    """A message of the contract."""
    return {"v": 1, "boot": boot, "seq": seq, "records": list(records)}


def reading(temperature_c: float | None = 2.0, *, age_seconds: float = 1, **more: object) -> dict[str, object]:
    """A cold-chain record made a moment ago."""
    at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    return {"at": at.isoformat(), "temperature_c": temperature_c} | more


def count(connection: Connection, table: str) -> int:
    """The number of rows."""
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a test's own word
    assert row is not None
    return int(str(row[0]))


def account(connection: Connection) -> dict[str, int]:
    """The account over all streams."""
    names = ("received", "stored", "duplicate", "conflict", "dead_lettered")
    sums = ", ".join(f"coalesce(sum({name}), 0)::int" for name in names)
    row = connection.execute(f"SELECT {sums} FROM ingest_stats").fetchone()  # noqa: S608 - our own columns
    assert row is not None
    return dict(zip(names, map(int, map(str, row)), strict=True))


async def test_message_becomes_rows_latest_and_presence(
    settings: Settings, connection: Connection, device: str
) -> None:
    """A reading over MQTT is a row, a latest value, a slot and a line in the account."""
    async with running(settings), publisher(settings) as publish:
        await publish(f"{device}/presence", {"v": 1, "boot": "b1", "state": "online"})
        await publish(f"{device}/coldchain", envelope(reading(2.5), reading(2.75)))
        await until(lambda: count(connection, "coldchain") == 2)
    assert account(connection) == {"received": 3, "stored": 3, "duplicate": 0, "conflict": 0, "dead_lettered": 0}
    latest = connection.execute("SELECT record->>'temperature_c' FROM latest").fetchall()
    assert latest == [("2.75",)]
    assert connection.execute("SELECT state FROM device_presence").fetchall() == [("online",)]
    assert connection.execute("SELECT bit_count(heard) FROM presence_slots").fetchall() == [(1,)]


async def test_redelivery_and_conflict(settings: Settings, connection: Connection, device: str) -> None:
    """The same again is a duplicate; another body, or another time, under its identity is a conflict, kept once."""
    first = envelope(reading(2.0), reading(3.0))
    other_body = {**first, "records": [{**first["records"][0], "temperature_c": 9.0}]}  # type: ignore[index]
    other_time = envelope(reading(2.0, age_seconds=60))
    async with running(settings), publisher(settings) as publish:
        for body in (first, first, other_body, other_time, other_body, first):
            await publish(f"{device}/coldchain", body)
        await until(lambda: account(connection)["received"] == 9)
    assert account(connection) == {"received": 9, "stored": 2, "duplicate": 5, "conflict": 2, "dead_lettered": 0}
    stored = connection.execute("SELECT temperature_c FROM coldchain ORDER BY seq").fetchall()
    assert stored == [(2.0,), (3.0,)]
    evidence = connection.execute(
        "SELECT (first_body->'record'->>'temperature_c')::float, (second_body->'record'->>'temperature_c')::float"
        " FROM conflicts ORDER BY 2"
    ).fetchall()
    assert evidence == [(2.0, 2.0), (2.0, 9.0)]


async def test_one_bad_record_costs_no_neighbour(settings: Settings, connection: Connection, device: str) -> None:
    """A record that cannot be stored becomes a dead letter with the bytes of its message; the rest is stored."""
    async with running(settings), publisher(settings) as publish:
        await publish(f"{device}/coldchain", envelope(reading(1.0), {"temperature_c": "warm"}, reading(3.0)))
        await until(lambda: account(connection)["received"] == 3)
    assert account(connection)["stored"] == 2
    letters = connection.execute("SELECT reason, record_index, device_no, stream FROM dead_letters").fetchall()
    assert letters == [("bad_record", 1, device, "coldchain")]
    payload = connection.execute("SELECT payload FROM dead_letter_payloads").fetchone()
    assert payload is not None
    assert b"warm" in bytes(payload[0])  # type: ignore[call-overload]


async def test_record_the_database_rejects(settings: Settings, connection: Connection, device: str) -> None:
    """What passes the decoder and not the table is found among its neighbours."""
    connection.execute("ALTER TABLE coldchain ADD CHECK (temperature_c <> 66.6)")
    async with running(settings), publisher(settings) as publish:
        records = [reading(66.6 if index in (7, 30) else 1.0) for index in range(40)]
        await publish(f"{device}/coldchain", envelope(*records))
        await until(lambda: account(connection)["received"] == 40)
    assert account(connection) == {"received": 40, "stored": 38, "duplicate": 0, "conflict": 0, "dead_lettered": 2}
    letters = connection.execute("SELECT reason, record_index FROM dead_letters ORDER BY 2").fetchall()
    assert letters == [("database_rejected", 7), ("database_rejected", 30)]


async def test_strangers_and_the_retired_are_quarantined(settings: Settings, connection: Connection) -> None:
    """Nothing of an unknown or retired device, or on a stream that is not its own, is stored as telemetry."""
    register(connection, "OLD", "logger", "disposed")
    register(connection, "LOST", "logger", "lost")
    register(connection, "SCALE", "trace_scale")
    async with running(settings), publisher(settings) as publish:
        await publish("STRANGER/coldchain", envelope(reading(), reading()))
        await publish("OLD/coldchain", envelope(reading()))
        await publish("LOST/coldchain", envelope(reading()))
        await publish("SCALE/coldchain", envelope(reading()))
        await publish("SCALE/gossip", envelope(reading()))
        await until(lambda: account(connection)["received"] == 6)
    assert count(connection, "coldchain") == 0
    reasons = connection.execute("SELECT reason, sum(records)::int FROM dead_letters GROUP BY 1 ORDER BY 1").fetchall()
    assert reasons == [("bad_topic", 1), ("retired_device", 2), ("unknown_device", 2), ("wrong_stream", 1)]


async def test_new_device_is_accepted_once_registered(settings: Settings, connection: Connection) -> None:
    """The ledger's notification reaches ingest; no restart, no poll."""
    async with running(settings), publisher(settings) as publish:
        register(connection, "NEW", "logger")
        sent = 0

        def heard() -> bool:
            return count(connection, "coldchain") > 0

        async with asyncio.timeout(LIMIT_SECONDS):
            while not heard():
                await publish("NEW/coldchain", envelope(reading(), seq=sent))
                sent += 1
    assert heard()


async def test_device_without_a_clock_is_anchored_once(
    make_settings: Callable[..., Settings], connection: Connection, device: str
) -> None:
    """uptime_ms counts from the boot's first message; a redelivery, even to a new process, gets the same times."""
    body = envelope({"uptime_ms": 5_000, "temperature_c": 1.0}, {"uptime_ms": 6_000, "temperature_c": 2.0})
    settings = make_settings()
    async with running(settings), publisher(settings) as publish:
        await publish(f"{device}/coldchain", body)
        await until(lambda: count(connection, "coldchain") == 2)
    async with running(settings), publisher(settings) as publish:
        await publish(f"{device}/coldchain", body)
        await until(lambda: account(connection)["received"] == 4)
    assert account(connection)["duplicate"] == 2
    spread = connection.execute("SELECT extract(epoch FROM max(at) - min(at))::float FROM coldchain").fetchone()
    assert spread == (1.0,)


async def test_messages_wait_for_a_stopped_ingest(settings: Settings, connection: Connection, device: str) -> None:
    """The broker keeps for the persistent session what is published while no worker runs."""
    async with running(settings):
        pass
    async with publisher(settings) as publish:
        await publish(f"{device}/coldchain", envelope(reading()))
    async with running(settings):
        await until(lambda: count(connection, "coldchain") == 1)
    assert account(connection)["stored"] == 1


async def test_a_death_of_an_older_boot_is_ignored(settings: Settings, connection: Connection, device: str) -> None:
    """The will of a session can arrive after the rebirth; the device stays online."""
    async with running(settings), publisher(settings) as publish:
        for boot, state in (("one", "online"), ("two", "online"), ("one", "offline")):
            await publish(f"{device}/presence", {"v": 1, "boot": boot, "state": state})
        await until(lambda: count(connection, "presence") == 3)
    assert connection.execute("SELECT state FROM device_presence").fetchall() == [("online",)]


async def test_latest_never_goes_back_and_backlog_proves_no_life(
    settings: Settings, connection: Connection, device: str
) -> None:
    """A backlog is stored and counted as late; the latest value and the slots stay."""
    async with running(settings), publisher(settings) as publish:
        await publish(f"{device}/coldchain", envelope(reading(5.0), seq=10))
        await until(lambda: count(connection, "coldchain") == 1)
        await publish(f"{device}/coldchain", envelope(reading(1.0, age_seconds=7200), seq=2))
        await until(lambda: count(connection, "coldchain") == 2)
    assert connection.execute("SELECT (record->>'temperature_c')::float FROM latest").fetchall() == [(5.0,)]
    assert connection.execute("SELECT sum(late)::int FROM ingest_stats").fetchall() == [(1,)]
    assert connection.execute("SELECT sum(bit_count(heard))::int FROM presence_slots").fetchall() == [(1,)]


async def test_idle_worker_notices_that_its_database_is_gone(settings: Settings, server_url: str) -> None:
    """Nothing has to be written for readiness to say so, and to take it back."""
    name = settings.require_database_url().partition("?")[0].rpartition("/")[2]
    async with running(settings) as service:
        assert service.readiness()["database"] is None
        with psycopg.connect(server_url, autocommit=True) as other:
            other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            await until(lambda: service.readiness()["database"] is not None)
            other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
        await until(lambda: service.readiness()["database"] is None)
