"""Housekeeping on a real database: what it deletes, what it leaves, who does it, and how failures show."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from fleet import retention
from fleet.housekeeping import keep_house
from fleet.leading import Lock

Connection = psycopg.Connection[tuple[object, ...]]
pytestmark = pytest.mark.anyio

DEVICE = """
WITH site AS (
    INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)
    VALUES ('S1', '冷库', 'store', 'cold_store', '410100') RETURNING site_id
), model AS (
    INSERT INTO models (model_no, kind, vendor) VALUES ('TH', 'logger', 'V') RETURNING model_id
)
INSERT INTO devices (device_no, model_id, site_id) SELECT 'T1', model_id, site_id FROM model, site RETURNING device_id
"""
STATS = """
INSERT INTO ingest_stats
SELECT now() - %(age)s::interval, 'w', 'scan' || n, 1, 1, 1, 0, 0, 0, 0 FROM generate_series(1, %(rows)s) AS n
"""
PAYLOAD = "INSERT INTO dead_letter_payloads (payload_hash, payload) VALUES (%(hash)s, '') RETURNING payload_id"
DEAD_LETTER = """
INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, received_at)
VALUES ('t', %(payload_id)s, %(index)s, 1, 'bad_json', '', now() - %(age)s::interval)
"""
SLOTS = "INSERT INTO presence_slots (device_id, day, heard) VALUES (%s, %s, repeat('0', 288)::bit(288))"
JOB = "SELECT last_success_at IS NOT NULL, last_error, failures FROM jobs WHERE job = %s"


@pytest.fixture
async def housekeeper(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection such as a sweep gets."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
async def second_housekeeper(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """That of another replica."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as opened:
        yield opened


def _count(connection: Connection, relation: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {relation}".encode()).fetchone()  # noqa: S608 - the test's own word
    assert row is not None
    return int(str(row[0]))


def _scalar(connection: Connection, query: str, **values: object) -> Any:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


async def test_rows_go_when_older_than_the_retention_and_no_others(
    connection: Connection, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """The default keeps 750 days; an hour this side of it stays."""
    connection.execute(STATS, {"age": "750 days 1 hour", "rows": 7})
    connection.execute(STATS, {"age": "749 days 23 hours", "rows": 5})
    connection.execute("UPDATE retention SET keep = '750 days'")
    await keep_house(housekeeper)
    assert _count(connection, "ingest_stats") == 5


async def test_rows_go_completely_when_there_are_more_than_a_batch(
    connection: Connection, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """As many batches as it takes."""
    connection.execute(STATS, {"age": "800 days", "rows": 2 * retention.BATCH + 1})
    await keep_house(housekeeper)
    assert _count(connection, "ingest_stats") == 0


async def test_presence_slots_go_by_whole_days_of_shanghai(
    connection: Connection, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """The day in which the limit falls is not over yet, so it stays."""
    device_id = _scalar(connection, DEVICE)
    limit_day = _scalar(connection, "SELECT ((now() - interval '750 days') AT TIME ZONE 'Asia/Shanghai')::date")
    before = _scalar(connection, "SELECT %(day)s::date - 1", day=limit_day)
    for day in (limit_day, before):
        connection.execute(SLOTS, (device_id, day))
    await keep_house(housekeeper)
    assert connection.execute("SELECT day FROM presence_slots").fetchall() == [(limit_day,)]


async def test_raw_bytes_go_when_the_last_dead_letter_that_refers_to_them_goes(
    connection: Connection, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """Those with a younger dead letter beside the old one stay."""
    gone, kept = (_scalar(connection, PAYLOAD, hash=each) for each in (b"1", b"2"))
    for payload_id, index, age in ((gone, 0, "800 days"), (kept, 0, "800 days"), (kept, 1, "1 day")):
        connection.execute(DEAD_LETTER, {"payload_id": payload_id, "index": index, "age": age})
    await keep_house(housekeeper)
    assert connection.execute("SELECT payload_id FROM dead_letter_payloads").fetchall() == [(kept,)]
    assert _count(connection, "dead_letters") == 1


async def test_raw_bytes_stay_when_ingest_is_about_to_refer_to_them(
    connection: Connection, database_url: str, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """A payload that a transaction has found and locked is left to it."""
    payload_id = _scalar(connection, PAYLOAD, hash=b"1")
    with psycopg.connect(database_url) as ingest:
        ingest.execute(
            "INSERT INTO dead_letter_payloads (payload_hash, payload) VALUES ('1', '')"
            " ON CONFLICT (payload_hash) DO UPDATE SET payload_hash = excluded.payload_hash"
        )
        await keep_house(housekeeper)
        ingest.execute(DEAD_LETTER, {"payload_id": payload_id, "index": 0, "age": "0"})
    assert _count(connection, "dead_letter_payloads") == 1


async def test_telemetry_goes_as_well_when_no_policy_drops_it(
    connection: Connection, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """On plain PostgreSQL it is ours; on TimescaleDB a policy drops whole chunks, and we keep away."""
    connection.execute(
        "INSERT INTO scan (device_id, at, boot_id, seq, received_at, clock_ahead, code, purpose, result)"
        " SELECT 1, now() - age, 1, 1, now(), false, 'c', 'sale', 'ok'"
        " FROM unnest('{800 days,1 day}'::interval[]) AS age"
    )
    ours = _scalar(connection, "SELECT dropped_by = 'housekeeping' FROM retention WHERE relation = 'scan'")
    done = await keep_house(housekeeper)
    assert ("retention scan" in (done or ())) is ours
    assert _count(connection, "scan") == (1 if ours else 2)


async def test_only_one_keeps_house_when_two_try_at_once(
    housekeeper: psycopg.AsyncConnection[Any], second_housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """Each job is done by one of them, whoever gets the lock, and not again within the hour."""
    first, second = await asyncio.gather(keep_house(housekeeper), keep_house(second_housekeeper))
    assert first or second
    assert not (first and second)
    assert await keep_house(second_housekeeper) == []


async def test_nobody_else_keeps_house_while_one_is_at_it(
    connection: Connection, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """The lock goes with the connection of the one that vanished."""
    connection.execute("SELECT pg_advisory_lock(%s)", (Lock.HOUSEKEEPING,))
    assert await keep_house(housekeeper) is None
    connection.execute("SELECT pg_advisory_unlock(%s)", (Lock.HOUSEKEEPING,))
    assert await keep_house(housekeeper)


async def test_job_is_due_again_after_an_hour_and_sooner_when_it_failed(
    connection: Connection, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """What was interrupted counts as failed."""
    everything = await keep_house(housekeeper)
    connection.execute(
        "UPDATE housekeeping_runs SET last_started_at = last_started_at - interval '59 min',"
        " last_success_at = last_success_at - interval '59 min'"
    )
    assert await keep_house(housekeeper) == []
    connection.execute("UPDATE housekeeping_runs SET last_success_at = NULL WHERE job = 'retention conflicts'")
    assert await keep_house(housekeeper) == ["retention conflicts"]
    connection.execute(
        "UPDATE housekeeping_runs SET last_started_at = now() - interval '61 min', last_success_at = now() - interval '61 min'"  # noqa: E501
    )
    assert await keep_house(housekeeper) == everything


async def test_failing_job_is_visible_and_does_not_stop_the_others(
    connection: Connection, housekeeper: psycopg.AsyncConnection[Any]
) -> None:
    """The error stays until the job works again; the failures stay counted."""
    connection.execute(
        "INSERT INTO retention (relation, time_column, dropped_by) VALUES ('gone', 'at', 'housekeeping')"
    )
    done = await keep_house(housekeeper) or []
    succeeded, error, failures = connection.execute(JOB, ("retention gone",)).fetchone() or (None, "", None)
    assert (succeeded, failures) == (False, 1)
    assert 'relation "gone" does not exist' in str(error)
    assert connection.execute(JOB, (done[-1],)).fetchone() == (True, None, 0)
    connection.execute("CREATE TABLE gone (at timestamptz)")
    connection.execute("UPDATE housekeeping_runs SET last_started_at = last_started_at - interval '6 min'")
    assert await keep_house(housekeeper) == ["retention gone"]
    assert connection.execute(JOB, ("retention gone",)).fetchone() == (True, None, 1)
