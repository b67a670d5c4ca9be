"""One batch at a time, written as a worker writes: what a session over MQTT would take long to bring about."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import orjson
import psycopg
import pytest
from psycopg import AsyncConnection

from ingest import isolation
from ingest.account import Account
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.claim import claimed
from ingest.intake import take_in
from ingest.registry import Registry
from ingest.writer import write
from store.database import connect_service
from store.errors import TracefleetError

Connection = psycopg.Connection[tuple[object, ...]]
NOW = datetime.now(UTC)


class Spoken:
    """Counts the statements that a connection sends to the server: each ends in one answer of it."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._trace = tempfile.TemporaryFile()  # noqa: SIM115 - closed on the way out
        self.statements = 0

    def __enter__(self) -> Self:
        self._connection.pgconn.trace(self._trace.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.pgconn.untrace()
        with self._trace:
            self._trace.seek(0)
            told = self._trace.read()
        # One CommandComplete a statement, and one ErrorResponse for a statement that failed.
        self.statements = len(re.findall(rb"\tB\t\d+\t(?:CommandComplete|ErrorResponse)\t", told))


class Worker:
    """Takes messages in and writes them."""

    def __init__(self, connection: AsyncConnection[Any], registry: Registry) -> None:
        self.connection = connection
        self._registry = registry
        self.batch = Batch()

    def take(self, path: str, body: object, *, at: datetime = NOW, retained: bool = False) -> None:
        """A message below the topic root that came *at*."""
        payload = body if isinstance(body, bytes) else orjson.dumps(body)
        take_in([Arrival(f"tracefleet/v1/{path}", payload, at, retained)], self._registry, self.batch)

    async def write(self, *, isolate: bool = False) -> Account:
        """Everything taken since the last write."""
        batch, self.batch = self.batch, Batch()
        return await write(self.connection, batch, worker="w", isolate=isolate)


@pytest.fixture
async def worker(database_url: str, connection: Connection) -> AsyncIterator[Worker]:
    """A worker that knows the loggers D1 and D2 and a scale, S1."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S', '冷库', 'Store', 'cold_store', '410100')"
    )
    connection.execute(
        "INSERT INTO models (model_no, kind, vendor) VALUES ('l', 'logger', 'v'), ('s', 'trace_scale', 'v')"
    )
    connection.execute(
        "INSERT INTO devices (device_no, model_id, site_id) SELECT d.no, m.model_id, s.site_id"
        " FROM (VALUES ('D1', 'l'), ('D2', 'l'), ('S1', 's')) AS d (no, model)"
        " JOIN models m ON m.model_no = d.model, sites s"
    )
    async with await connect_service(database_url, application_name="test") as opened:
        registry = Registry()
        await registry.load(opened)
        yield Worker(opened, registry)


def reading(temperature_c: float = 1.0, *, at: datetime = NOW, **more: object) -> dict[str, object]:
    """A cold-chain record."""
    return {"at": at.isoformat(), "temperature_c": temperature_c} | more


def message(*records: dict[str, object], seq: int = 0, boot: str = "b") -> dict[str, object]:
    """An envelope."""
    return {"v": 1, "boot": boot, "seq": seq, "records": list(records)}


def presence(state: str, boot: str = "b") -> dict[str, object]:
    """A birth or a death."""
    return {"v": 1, "boot": boot, "state": state}


def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    """What a query of the test's own finds."""
    return connection.execute(query.encode()).fetchall()


async def test_topic_longer_than_an_index_row(worker: Worker, connection: Connection) -> None:
    """It is kept whole, once, beside its neighbours."""
    for _ in range(2):
        worker.take("x" * 6000, b"?")
        worker.take("D1/coldchain", message(reading()))
        await worker.write()
    assert rows(connection, "SELECT reason, length(topic) FROM dead_letters") == [("bad_topic", 6014)]
    assert rows(connection, "SELECT count(*) FROM coldchain") == [(1,)]


async def test_dead_letter_that_cannot_be_kept_whole_is_shortened(worker: Worker, connection: Connection) -> None:
    """Nothing that comes may stop ingest for good, not even what is refused."""
    connection.execute("ALTER TABLE dead_letter_payloads ADD CHECK (length(payload) < 100000)")
    worker.take("D1/coldchain", b"x" * 200_000)
    worker.take("D1/coldchain", message(reading()))
    await worker.write(isolate=True)
    assert rows(connection, "SELECT reason, detail LIKE 'kept shortened, was 200000 bytes%' FROM dead_letters") == [
        ("bad_json", True)
    ]
    assert rows(connection, "SELECT length(payload) FROM dead_letter_payloads") == [(65536,)]
    assert rows(connection, "SELECT count(*) FROM coldchain") == [(1,)]


async def test_backlog_without_a_clock_lies_in_the_past(worker: Worker, connection: Connection) -> None:
    """The last record of a boot's first message was made just now, those before it earlier."""
    uptimes = [0, 1_800_000, 93_600_000]
    told: list[dict[str, object]] = [{"uptime_ms": up, "temperature_c": 1.0} for up in uptimes]
    worker.take("D1/coldchain", message(*told))
    await worker.write()
    ages = [NOW - timedelta(milliseconds=93_600_000 - up) for up in uptimes]
    assert rows(connection, "SELECT at FROM coldchain ORDER BY seq") == [(at,) for at in ages]
    assert rows(connection, "SELECT count(*) FROM dead_letters") == [(0,)]


async def test_backlog_of_an_older_boot_does_not_displace_the_live_one(worker: Worker, connection: Connection) -> None:
    """Only a birth or a record in time makes a boot current, so the live boot's death counts."""
    later = NOW + timedelta(seconds=2)
    worker.take("D1/presence", presence("online", "new"))
    worker.take("D1/coldchain", message(reading(), boot="new"), at=NOW + timedelta(seconds=1))
    await worker.write()
    worker.take("D1/coldchain", message(reading(at=NOW - timedelta(hours=2)), boot="old"), at=later)
    await worker.write()
    worker.take("D1/presence", presence("offline", "new"), at=later + timedelta(seconds=1))
    await worker.write()
    current = "SELECT b.boot, p.state FROM device_presence p JOIN boots b USING (boot_id)"
    assert rows(connection, current) == [("new", "offline")]


async def test_death_before_life_in_one_batch(worker: Worker, connection: Connection) -> None:
    """The order of receipt decides, however the messages were batched."""
    worker.take("D1/presence", presence("online"))
    worker.take("D1/presence", presence("offline"), at=NOW + timedelta(seconds=1))
    worker.take("D1/coldchain", message(reading()), at=NOW + timedelta(seconds=2))
    await worker.write()
    assert rows(connection, "SELECT state FROM device_presence") == [("online",)]


async def test_older_word_about_a_line_moves_nothing(worker: Worker, connection: Connection) -> None:
    """A second worker that writes late tells old news."""
    worker.take("D1/presence", presence("online"), at=NOW + timedelta(seconds=9))
    await worker.write()
    worker.take("D1/presence", presence("offline"), at=NOW + timedelta(seconds=1))
    await worker.write()
    assert rows(connection, "SELECT state FROM device_presence") == [("online",)]


async def test_every_slot_of_a_batch_is_marked(worker: Worker, connection: Connection) -> None:
    """A batch that waited for the database for 20 minutes brings all the slots in which the device was heard."""
    for place in range(4):
        at = NOW - timedelta(minutes=5 * place)
        worker.take("D1/coldchain", message(reading(at=at), seq=place), at=at)
    await worker.write()
    assert rows(connection, "SELECT sum(bit_count(heard))::int FROM presence_slots") == [(4,)]


async def test_retained_message_proves_no_life(worker: Worker, connection: Connection) -> None:
    """What it holds is stored; the line and the slots stay as they are."""
    worker.take("D1/coldchain", message(reading()), retained=True)
    worker.take("D1/presence", presence("online"), retained=True)
    await worker.write()
    assert rows(connection, "SELECT count(*) FROM coldchain") == [(1,)]
    assert rows(connection, "SELECT count(*) FROM device_presence") == [(0,)]
    assert rows(connection, "SELECT count(*) FROM presence_slots") == [(0,)]


@pytest.mark.parametrize("state", ["disposed", "lost"])
async def test_device_retired_while_its_message_waited(worker: Worker, connection: Connection, state: str) -> None:
    """The ledger's word at the time of writing counts."""
    worker.take("D1/coldchain", message(reading(), reading()))
    worker.take("D1/presence", presence("online"))
    worker.take("D2/coldchain", message(reading()))
    connection.execute("UPDATE devices SET state = %s WHERE device_no = 'D1'", (state,))
    await worker.write()
    assert rows(connection, "SELECT count(*) FROM coldchain") == [(1,)]
    assert rows(connection, "SELECT reason, records FROM dead_letters ORDER BY records") == [
        ("retired_device", 1),
        ("retired_device", 2),
    ]
    assert rows(connection, "SELECT sum(received)::int, sum(stored)::int FROM ingest_stats") == [(4, 1)]


async def test_one_number_told_in_many_ways(worker: Worker, connection: Connection) -> None:
    """The first stays, each other body is evidence once, in one batch or in several."""
    for _ in range(2):
        for value in range(30):
            worker.take("D1/coldchain", message(reading(float(value))))
        await worker.write()
    assert rows(connection, "SELECT temperature_c FROM coldchain") == [(0.0,)]
    assert rows(connection, "SELECT count(*) FROM conflicts") == [(29,)]
    assert rows(connection, "SELECT sum(conflict)::int, sum(duplicate)::int FROM ingest_stats") == [(29, 30)]


async def test_one_number_whose_first_tellings_are_refused(worker: Worker, connection: Connection) -> None:
    """What is refused once its boot is known leaves its number free: for one of the other tellings, not for all."""
    anchor = NOW - timedelta(seconds=9)
    worker.take("D1/coldchain", message({"uptime_ms": 0, "temperature_c": 0.0}), at=anchor)
    await worker.write()
    for days in (2, 3):
        worker.take("D1/coldchain", message({"uptime_ms": days * 86_400_000, "temperature_c": 1.0}, seq=5))
    worker.take("D1/coldchain", message(reading(), seq=5))
    worker.take("D1/coldchain", message(reading(at=NOW - timedelta(seconds=1)), seq=5))
    worker.take("D1/coldchain", message(reading(unknown=True), seq=5))
    account = await worker.write()
    assert rows(connection, "SELECT seq, at FROM coldchain ORDER BY seq") == [(0, anchor), (5, NOW)]
    counts = account.of("coldchain")
    assert (counts.stored, counts.duplicate, counts.conflict, counts.dead_lettered) == (1, 1, 1, 2)


async def test_same_number_on_another_stream_is_a_conflict(worker: Worker, connection: Connection) -> None:
    """A boot has one counter for all its streams."""
    status = {"at": NOW.isoformat(), "uptime_s": 5}
    worker.take("D1/coldchain", message(reading()))
    await worker.write()
    worker.take("D1/status", message(status))
    await worker.write()
    assert rows(connection, "SELECT count(*) FROM status") == [(0,)]
    assert rows(connection, "SELECT first_body->>'stream', second_body->>'stream' FROM conflicts") == [
        ("coldchain", "status")
    ]


async def test_numbers_scattered_over_many_ranges(worker: Worker, connection: Connection) -> None:
    """Closing small gaps in what was seen costs look-ups, never a record."""
    for start in range(0, 3000, 500):
        for seq in range(start, start + 500):
            worker.take("D1/coldchain", message(reading(), seq=seq * 2))
        await worker.write()
    for seq in range(0, 6000, 500):
        worker.take("D1/coldchain", message(reading(), seq=seq + 1))
        worker.take("D1/coldchain", message(reading(), seq=seq))
    await worker.write()
    assert rows(connection, "SELECT count(*) FROM coldchain") == [(3012,)]
    assert rows(connection, "SELECT sum(duplicate)::int FROM ingest_stats") == [(12,)]


async def test_two_workers_with_births_and_records_crosswise(worker: Worker, database_url: str) -> None:
    """Each locks all its boots in one order, so neither waits for the other in a circle."""
    async with await connect_service(database_url, application_name="other") as connection:
        registry = Registry()
        await registry.load(connection)
        other = Worker(connection, registry)
        for turn in range(20):
            worker.take("D1/coldchain", message(reading(), seq=turn))
            worker.take("D2/presence", presence("online", f"b{turn}"))
            other.take("D2/coldchain", message(reading(), seq=turn, boot=f"b{turn}"))
            other.take("D1/presence", presence("online"))
            accounts = await asyncio.gather(worker.write(), other.write())
            assert [one.of("coldchain").stored for one in accounts] == [1, 1]


async def test_worker_name_belongs_to_one_process(database_url: str) -> None:
    """A second one is told how to get its own."""
    async with claimed(database_url, worker="w"):
        with pytest.raises(TracefleetError, match="TRACEFLEET_INGEST_WORKER"):
            async with claimed(database_url, worker="w"):
                pass
        async with claimed(database_url, worker="other"):
            pass
    async with claimed(database_url, worker="w"):
        pass


async def test_uptime_beside_a_time_anchors_the_boot(worker: Worker, connection: Connection) -> None:
    """A device that learns the time in the middle of a message has a record of either kind; both are stored."""
    told: list[dict[str, object]] = [{"uptime_ms": 5000, "temperature_c": 1.0}, reading()]
    worker.take("D1/coldchain", message(*told))
    await worker.write()
    assert rows(connection, "SELECT seq FROM coldchain ORDER BY seq") == [(0,), (1,)]
    assert rows(connection, "SELECT booted_at FROM boots") == [(NOW - timedelta(seconds=5),)]


async def test_one_bad_row_in_ten_thousand_costs_few_statements(worker: Worker, connection: Connection) -> None:
    """At most 2·⌈log2 n⌉ + 2 more than the same batch without it: 30 for ten thousand."""
    connection.execute("ALTER TABLE coldchain ADD CHECK (temperature_c <> 66.6)")

    async def statements(bad: int | None, boot: str) -> int:
        for first in range(0, 10_000, 100):
            told = [reading(66.6 if seq == bad else 1.0) for seq in range(first, first + 100)]
            worker.take("D1/coldchain", message(*told, seq=first, boot=boot))
        with Spoken(worker.connection) as spoken:
            if bad is not None:
                kept = worker.batch
                with pytest.raises(psycopg.errors.CheckViolation):
                    await worker.write()
                worker.batch = kept
            await worker.write(isolate=bad is not None)
        return spoken.statements

    await statements(None, "warm")
    clean = await statements(None, "clean")
    for place in (0, 4711, 9_999):
        assert await statements(place, f"bad{place}") - clean <= 30
    assert rows(connection, "SELECT count(*) FROM coldchain WHERE temperature_c = 1.0") == [(49_997,)]
    assert rows(connection, "SELECT reason, record_index, records FROM dead_letters ORDER BY record_index") == [
        ("database_rejected", 0, 1),
        ("database_rejected", 11, 1),
        ("database_rejected", 99, 1),
    ]


async def test_bad_rows_are_found_without_the_servers_word(
    worker: Worker, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server does not say at which row it was, halving finds it all the same."""
    monkeypatch.setattr(isolation, "_LINE", re.compile("never"))
    connection.execute("ALTER TABLE coldchain ADD CHECK (temperature_c <> 66.6)")
    worker.take("D1/coldchain", message(*[reading(66.6 if seq in (0, 41, 42, 99) else 1.0) for seq in range(100)]))
    await worker.write(isolate=True)
    assert rows(connection, "SELECT count(*) FROM coldchain") == [(96,)]
    assert rows(connection, "SELECT record_index FROM dead_letters ORDER BY 1") == [(0,), (41,), (42,), (99,)]
    assert rows(connection, "SELECT received, stored, dead_lettered FROM ingest_stats") == [(100, 96, 4)]


async def test_message_that_brought_nothing_is_not_heard(worker: Worker, connection: Connection) -> None:
    """Whether a slot counts as heard must not depend on what else was in the batch."""
    before = NOW - timedelta(minutes=10)
    worker.take("D1/coldchain", message(reading("?", at=before)), at=before)  # type: ignore[arg-type]  # as it is
    worker.take("D1/coldchain", message(reading(), seq=1))
    await worker.write()
    assert rows(connection, "SELECT reason FROM dead_letters") == [("bad_record",)]
    assert rows(connection, "SELECT sum(bit_count(heard))::int FROM presence_slots") == [(1,)]


async def test_retired_device_that_contradicts_itself_has_one_letter_a_message(
    worker: Worker, connection: Connection
) -> None:
    """However many of its records are set aside for later rounds; none is counted as a duplicate."""
    for temperature_c in (1.0, 2.0, 3.0):
        worker.take("D1/coldchain", message(*[reading(temperature_c)] * 7))
    connection.execute("UPDATE devices SET state = 'disposed' WHERE device_no = 'D1'")
    account = await worker.write()
    assert [letter.refusal.records for letter in account.buried] == [7, 7, 7]
    counts = account.of("coldchain")
    assert (counts.received, counts.dead_lettered, counts.duplicate) == (21, 21, 0)


async def test_first_telling_of_a_number_is_stored_whatever_stands_beside_it(
    worker: Worker, connection: Connection
) -> None:
    """A message of which one number is taken already is not set aside whole: its other one came first."""
    worker.take("D1/coldchain", message(reading(1.0), seq=5))
    worker.take("D1/coldchain", message(reading(2.0), reading(3.0), seq=5))
    worker.take("D1/coldchain", message(reading(4.0), seq=6))
    await worker.write()
    assert rows(connection, "SELECT seq, temperature_c FROM coldchain ORDER BY seq") == [(5, 1.0), (6, 3.0)]
    assert rows(connection, "SELECT seq, second_body->'record'->>'temperature_c' FROM conflicts ORDER BY seq") == [
        (5, "2.0"),
        (6, "4.0"),
    ]


async def test_anchor_is_the_messages_last_record_though_its_number_was_told(
    worker: Worker, connection: Connection
) -> None:
    """A boot's birth does not hang on which of the records are stored."""
    worker.take("D1/coldchain", message(reading(), seq=2))
    told: list[dict[str, object]] = [
        {"uptime_ms": uptime_ms, "temperature_c": 1.0} for uptime_ms in (0, "x", 86_000_000)
    ]
    worker.take("D1/coldchain", message(*told))
    await worker.write()
    assert rows(connection, "SELECT booted_at FROM boots") == [(NOW - timedelta(milliseconds=86_000_000),)]


async def test_number_of_a_record_that_no_transaction_takes_has_come_all_the_same(
    worker: Worker, connection: Connection
) -> None:
    """It is a dead letter, and nobody misses it in its boot."""
    connection.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.seq = 2 THEN RAISE division_by_zero; END IF; RETURN NEW; END $$;"
        " CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON latest FOR EACH ROW EXECUTE FUNCTION spoil()"
    )
    for seq in range(3):
        worker.take("D1/coldchain", message(reading(float(seq), at=NOW - timedelta(minutes=3 - seq)), seq=seq))
    account = await worker.write(isolate=True)
    assert [(letter.refusal.reason, letter.refusal.record_index) for letter in account.buried] == [
        ("database_rejected", 0)
    ]
    assert rows(connection, "SELECT seq FROM coldchain ORDER BY seq") == [(0,), (1,)]
    assert rows(connection, "SELECT seen::text FROM boots") == [("{[0,3)}",)]
