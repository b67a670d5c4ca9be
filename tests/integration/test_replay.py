"""Dead letters replayed the way of every message: any number of times, at once with others, in bounded steps."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest
from psycopg import sql

from ingest.arrival import Arrival
from ingest.batch import Batch, DeadLetter
from ingest.intake import condemn, take_in
from ingest.quarantine import Choice
from ingest.refusal import Refusal
from ingest.registry import Registry
from ingest.replay import replay, replay_some
from ingest.replay import waiting as those_that_wait
from ingest.writer import write
from store.database import connect_service

Connection = psycopg.Connection[tuple[object, ...]]
Register = Callable[..., None]
Receive = Callable[..., Awaitable[None]]


def reading(**fields: object) -> dict[str, object]:
    """A good record, changed."""
    return {"at": (datetime.now(UTC) - timedelta(seconds=5)).isoformat(), "temperature_c": 2.0} | fields


async def replayed(database_url: str, **choice: Any) -> tuple[int, int, int, int]:
    """Letters, stored, duplicates and refused again."""
    async with await connect_service(database_url, application_name="test") as connection:
        done = await replay(connection, Choice(**choice))
    return done.letters, done.stored, done.duplicate, done.refused_again


def waiting(connection: Connection) -> list[tuple[object, ...]]:
    """Index and reason of the letters that wait, in the order of their ids."""
    return connection.execute(
        "SELECT record_index, reason FROM dead_letters WHERE replayed_at IS NULL ORDER BY dead_letter_id"
    ).fetchall()


def count(connection: Connection, table: str) -> int:
    """Rows of a table."""
    row = connection.execute(sql.SQL("SELECT count(*)::int FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(str(row[0]))


async def test_quarantine_of_a_stranger_is_replayed_once_registered(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """First refused again and untouched, then stored with the time it came; a second replay finds nothing to do."""
    await receive("D", reading(), reading())
    assert await replayed(database_url, replayed=False) == (1, 0, 0, 1)
    register("D")
    assert await replayed(database_url, replayed=False) == (1, 2, 0, 0)
    assert await replayed(database_url, replayed=False) == (0, 0, 0, 0)
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (2,)
    same = connection.execute("SELECT count(*) FROM coldchain c JOIN dead_letters d USING (received_at)").fetchone()
    assert same == (2,)


async def test_replay_again_counts_duplicates(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """Even a letter that was replayed may be, and gives the same rows."""
    await receive("D", reading())
    register("D")
    await replayed(database_url)
    assert await replayed(database_url) == (1, 0, 1, 0)
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (1,)


async def test_bad_record_beside_good_ones_stays_refused(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """Its neighbours were stored at the time and are not told again."""
    register("D")
    await receive("D", reading(), reading(temperature_c="warm"), reading())
    assert await replayed(database_url, reason="bad_record") == (1, 0, 0, 1)
    sums = connection.execute("SELECT sum(stored)::int, sum(dead_lettered)::int FROM ingest_stats").fetchone()
    assert sums == (2, 1)


async def test_what_ended_a_process_is_replayed_only_when_named(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """By its id or its reason: it may end the process that replays it, which may be the one that serves everybody."""
    await receive("D", reading())
    body = {"v": 1, "boot": "b", "seq": 7, "records": [reading()]}
    batch = Batch()
    condemn(Arrival("tracefleet/v1/D/coldchain", orjson.dumps(body), datetime.now(UTC)), batch)
    register("D")
    async with await connect_service(database_url, application_name="test") as opened:
        await write(opened, batch, worker="w")
        for choice in (those_that_wait(), those_that_wait(device_no="D"), those_that_wait(stream="coldchain")):
            await replay(opened, choice)
        assert waiting(connection) == [(-1, "crashed")]
        assert (await replay(opened, those_that_wait(reason="crashed", device_no="D"))).stored == 1
    assert count(connection, "coldchain") == 2


async def test_rejected_record_is_stored_once_the_table_takes_it(
    database_url: str, connection: Connection, register: Register
) -> None:
    """The one record of the message that the letter is about, and no other."""
    register("D")
    connection.execute("ALTER TABLE coldchain ADD CONSTRAINT no_sixes CHECK (temperature_c <> 66.6)")
    async with await connect_service(database_url, application_name="test") as opened:
        registry = Registry()
        await registry.load(opened)
        batch = Batch()
        body = {"v": 1, "boot": "b", "seq": 0, "records": [reading(), reading(temperature_c=66.6)]}
        take_in([Arrival("tracefleet/v1/D/coldchain", orjson.dumps(body), datetime.now(UTC))], registry, batch)
        await write(opened, batch, worker="w", isolate=True)
    connection.execute("ALTER TABLE coldchain DROP CONSTRAINT no_sixes")
    assert await replayed(database_url, reason="database_rejected") == (1, 1, 0, 0)
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (2,)


async def test_replay_that_fails_changes_nothing(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """A chunk is one transaction: its rows and its marks come together or not at all."""
    await receive("D", reading())
    register("D")
    connection.execute("DROP TABLE latest CASCADE")
    async with await connect_service(database_url, application_name="test") as opened:
        with pytest.raises(psycopg.errors.UndefinedTable):
            await replay(opened, Choice())
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (0,)
    assert connection.execute("SELECT count(replayed_at) FROM dead_letters").fetchone() == (0,)


@pytest.mark.parametrize("state", ["disposed", "lost"])
async def test_letter_of_one_record_does_not_grow_when_its_device_is_retired(
    database_url: str, connection: Connection, receive: Receive, register: Register, state: str
) -> None:
    """Its neighbours were stored: no letter for all of them is made, and the one that waits says why now."""
    register("D")
    await receive("D", reading(), reading(temperature_c="warm"), reading())
    connection.execute("UPDATE devices SET state = %s", (state,))
    assert await replayed(database_url, replayed=False) == (1, 0, 0, 1)
    assert waiting(connection) == [(1, "retired_device")]
    connection.execute("UPDATE devices SET state = 'in_service'")
    assert await replayed(database_url, replayed=False) == (1, 0, 0, 1)
    assert waiting(connection) == [(1, "bad_record")]
    assert count(connection, "dead_letters") == 1


async def test_letter_of_one_record_waits_as_long_as_its_whole_message_is_refused(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """Both stay, and once the device is back the record alone goes on waiting."""
    register("D")
    records = [reading(), reading(temperature_c="warm")]
    await receive("D", *records)
    connection.execute("UPDATE devices SET state = 'disposed'")
    await receive("D", *records)
    assert await replayed(database_url, replayed=False) == (2, 0, 0, 2)
    assert waiting(connection) == [(1, "retired_device"), (-1, "retired_device")]
    connection.execute("UPDATE devices SET state = 'in_service'")
    assert await replayed(database_url, replayed=False) == (2, 0, 1, 1)
    assert waiting(connection) == [(1, "bad_record")]


async def test_line_that_names_nobody_keeps_its_reason(database_url: str, connection: Connection) -> None:
    """A replay could only say that its topic is none."""
    async with await connect_service(database_url, application_name="test") as opened:
        batch = Batch()
        refusal = Refusal("bad_json", "not JSON")
        batch.dead_letters.append(DeadLetter(Arrival("http/telemetry", b"{", datetime.now(UTC)), refusal, None, None))
        await write(opened, batch, worker="http")
    assert await replayed(database_url, replayed=False) == (1, 0, 0, 1)
    assert waiting(connection) == [(-1, "bad_json")]


async def test_replay_does_not_chase_the_letters_that_it_makes(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """A message of a stranger with one bad record: that record has a letter of its own afterwards."""
    await receive("D", reading(), reading(temperature_c="warm"))
    register("D")
    async with await connect_service(database_url, application_name="test") as opened:
        done = await replay(opened, Choice(replayed=False))
    assert (done.letters, done.stored, done.dead_lettered, done.refused_again) == (1, 1, 1, 0)
    assert waiting(connection) == [(1, "bad_record")]


async def test_replays_at_once_take_each_letter_once(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """The second waits for the first and finds it done."""
    for seq in range(30):
        await receive("D", reading(), seq=seq)
    register("D")
    results = await asyncio.gather(*(replayed(database_url, replayed=False) for _ in range(4)))
    assert [sum(column) for column in zip(*results, strict=True)] == [30, 30, 0, 0]
    assert count(connection, "coldchain") == 30


async def test_replay_beside_a_device_that_sends_the_same(
    database_url: str, connection: Connection, receive: Receive, register: Register
) -> None:
    """Each record is one row, whoever was first, and the account of both holds."""
    messages = [(reading(), reading()) for _ in range(30)]
    for seq, records in enumerate(messages):
        await receive("D", *records, seq=2 * seq)
    register("D")

    async def send_again() -> None:
        for seq, records in reversed(list(enumerate(messages))):
            await receive("D", *records, seq=2 * seq)

    done, _ = await asyncio.gather(replayed(database_url, replayed=False), send_again())
    assert (done[0], done[1] + done[2], done[3]) == (30, 60, 0)
    assert count(connection, "coldchain") == 60
    sums = connection.execute(
        "SELECT sum(received)::int, sum(stored)::int, sum(duplicate)::int, sum(dead_lettered)::int FROM ingest_stats"
    ).fetchone()
    assert sums == (180, 60, 60, 60)


async def test_step_holds_what_a_transaction_should(database_url: str, connection: Connection) -> None:
    """By records and by bytes; one letter at least, and a payload that many share is held once."""
    put(connection, letters=45, records=500, payload_bytes=10)
    put(connection, letters=20, records=1, payload_bytes=1_000_000)
    put(connection, letters=1, records=30_000, payload_bytes=20_000_000)
    connection.execute(
        "INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, received_at)"
        " SELECT topic, payload_id, n, 1, reason, detail, received_at FROM dead_letters, generate_series(1, 30) AS n"
        " WHERE dead_letter_id = 66"
    )
    steps = []
    async with await connect_service(database_url, application_name="test") as opened:
        after = 0
        while (step := await replay_some(opened, Choice(), after=after)) is not None:
            steps.append(step.done.letters)
            after = step.through
    # The last five of the first kind leave room for sixteen of the second.
    assert steps == [40, 21, 4, 1, 30]
    assert sum(steps) == count(connection, "dead_letters")


def put(connection: Connection, *, letters: int, records: int, payload_bytes: int) -> None:
    """Letters that stand for so many records, each with a payload of its own."""
    connection.execute(
        "WITH kept AS (INSERT INTO dead_letter_payloads (payload_hash, payload)"
        " SELECT sha256(payload), payload FROM (SELECT decode(rpad(to_hex(n + 16), 2 * %(bytes)s::int, 'f'), 'hex')"
        " AS payload FROM generate_series(1, %(letters)s::int) AS n) AS made RETURNING payload_id)"
        " INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, received_at)"
        " SELECT 'elsewhere', payload_id, -1, %(records)s, 'bad_topic', 'none', now() FROM kept ORDER BY 2",
        {"bytes": payload_bytes, "letters": letters, "records": records},
    )
