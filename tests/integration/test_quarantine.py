"""Dead letters: replayed the way of every message, any number of times."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.quarantine import Choice, choose, count_older, purge, replay
from ingest.registry import Registry
from ingest.writer import write
from store.database import connect_service

Connection = psycopg.Connection[tuple[object, ...]]


def register(connection: Connection, device_no: str, kind: str = "logger") -> None:
    """A device of *kind* in the ledger."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S', '冷库', 'Store', 'cold_store', '410100') ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO models (model_no, kind, vendor) VALUES (%(kind)s, %(kind)s, 'v') ON CONFLICT DO NOTHING",
        {"kind": kind},
    )
    connection.execute(
        "INSERT INTO devices (device_no, model_id, site_id)"
        " SELECT %s, m.model_id, s.site_id FROM models m, sites s WHERE m.kind = %s",
        (device_no, kind),
    )


async def receive(database_url: str, device_no: str, *records: object, seq: int = 0) -> None:
    """Write one message as a worker would."""
    async with await connect_service(database_url, application_name="test") as connection:
        registry = Registry()
        await registry.load(connection)
        batch = Batch()
        payload = orjson.dumps({"v": 1, "boot": "b", "seq": seq, "records": list(records)})
        take_in(Arrival(f"tracefleet/v1/{device_no}/coldchain", payload, datetime.now(UTC)), registry, batch)
        await write(connection, batch, worker="w")


def reading(**fields: object) -> dict[str, object]:
    """A good record, changed."""
    return {"at": (datetime.now(UTC) - timedelta(seconds=5)).isoformat(), "temperature_c": 2.0} | fields


async def replayed(database_url: str, **choice: Any) -> tuple[int, int, int, int]:
    """Letters, stored, duplicates and refused again."""
    async with await connect_service(database_url, application_name="test") as connection:
        done = await replay(connection, Choice(**choice))
    return done.letters, done.stored, done.duplicate, done.refused_again


async def test_quarantine_of_a_stranger_is_replayed_once_registered(database_url: str, connection: Connection) -> None:
    """First refused again and untouched, then stored with the time it came; a second replay finds nothing to do."""
    await receive(database_url, "D", reading(), reading())
    assert await replayed(database_url, replayed=False) == (1, 0, 0, 1)
    register(connection, "D")
    assert await replayed(database_url, replayed=False) == (1, 2, 0, 0)
    assert await replayed(database_url, replayed=False) == (0, 0, 0, 0)
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (2,)
    same = connection.execute("SELECT count(*) FROM coldchain c JOIN dead_letters d USING (received_at)").fetchone()
    assert same == (2,)


async def test_replay_again_counts_duplicates(database_url: str, connection: Connection) -> None:
    """Even a letter that was replayed may be, and gives the same rows."""
    await receive(database_url, "D", reading())
    register(connection, "D")
    await replayed(database_url)
    assert await replayed(database_url) == (1, 0, 1, 0)
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (1,)


async def test_bad_record_beside_good_ones_stays_refused(database_url: str, connection: Connection) -> None:
    """Its neighbours were stored at the time and are not told again."""
    register(connection, "D")
    await receive(database_url, "D", reading(), reading(temperature_c="warm"), reading())
    assert await replayed(database_url, reason="bad_record") == (1, 0, 0, 1)
    sums = connection.execute("SELECT sum(stored)::int, sum(dead_lettered)::int FROM ingest_stats").fetchone()
    assert sums == (2, 1)


async def test_rejected_record_is_stored_once_the_table_takes_it(database_url: str, connection: Connection) -> None:
    """The one record of the message that the letter is about, and no other."""
    register(connection, "D")
    connection.execute("ALTER TABLE coldchain ADD CONSTRAINT no_sixes CHECK (temperature_c <> 66.6)")
    async with await connect_service(database_url, application_name="test") as opened:
        registry = Registry()
        await registry.load(opened)
        batch = Batch()
        body = {"v": 1, "boot": "b", "seq": 0, "records": [reading(), reading(temperature_c=66.6)]}
        take_in(Arrival("tracefleet/v1/D/coldchain", orjson.dumps(body), datetime.now(UTC)), registry, batch)
        await write(opened, batch, worker="w", isolate=True)
    connection.execute("ALTER TABLE coldchain DROP CONSTRAINT no_sixes")
    assert await replayed(database_url, reason="database_rejected") == (1, 1, 0, 0)
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (2,)


async def test_letters_are_chosen_by_reason_device_and_id(database_url: str) -> None:
    """Criteria narrow each other."""
    await receive(database_url, "A", reading())
    await receive(database_url, "B", reading())
    async with await connect_service(database_url, application_name="test") as connection:
        of_b = await choose(connection, Choice(reason="unknown_device", device_no="B"), limit=10)
        assert [letter.device_no for letter in of_b] == ["B"]
        by_id = await choose(connection, Choice(ids=[of_b[0].dead_letter_id]), limit=10)
        assert by_id == of_b
        assert await choose(connection, Choice(reason="bad_json"), limit=10) == []


async def test_purge_deletes_what_is_older(database_url: str, connection: Connection) -> None:
    """Younger letters stay."""
    await receive(database_url, "A", reading())
    await receive(database_url, "B", reading())
    connection.execute("UPDATE dead_letters SET received_at = now() - interval '100 days' WHERE device_no = 'A'")
    async with await connect_service(database_url, application_name="test") as opened:
        assert await purge(opened, older_than=timedelta(days=90), reason="bad_json") == 0
        assert await count_older(opened, older_than=timedelta(days=90), reason=None) == 1
        assert await purge(opened, older_than=timedelta(days=90), reason=None) == 1
    assert connection.execute("SELECT device_no FROM dead_letters").fetchall() == [("B",)]


async def test_replay_that_fails_changes_nothing(database_url: str, connection: Connection) -> None:
    """A chunk is one transaction: its rows and its marks come together or not at all."""
    await receive(database_url, "D", reading())
    register(connection, "D")
    connection.execute("DROP TABLE latest CASCADE")
    async with await connect_service(database_url, application_name="test") as opened:
        with pytest.raises(psycopg.errors.UndefinedTable):
            await replay(opened, Choice())
    assert connection.execute("SELECT count(*) FROM coldchain").fetchone() == (0,)
    assert connection.execute("SELECT count(replayed_at) FROM dead_letters").fetchone() == (0,)
