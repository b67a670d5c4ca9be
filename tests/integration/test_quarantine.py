"""Dead letters: chosen, counted, and deleted once they are old enough."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import psycopg

from ingest.quarantine import Choice, choose, count, count_older, cutoff, purge
from store.database import connect_service

Connection = psycopg.Connection[tuple[object, ...]]
Receive = Callable[..., Awaitable[None]]


def reading(**fields: object) -> dict[str, object]:
    """A good record, changed."""
    return {"at": (datetime.now(UTC) - timedelta(seconds=5)).isoformat(), "temperature_c": 2.0} | fields


def put(connection: Connection, letters: int, received_at: str, payload: bytes = b"{") -> None:
    """Letters about lines that name nobody, kept at a time."""
    connection.execute(
        "WITH kept AS (INSERT INTO dead_letter_payloads (payload_hash, payload)"
        " VALUES (sha256(%(payload)s), %(payload)s)"
        " ON CONFLICT (payload_hash) DO UPDATE SET payload = excluded.payload RETURNING payload_id)"
        " INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, received_at)"
        " SELECT %(at)s || '/' || n, payload_id, -1, 1, 'bad_json', 'not JSON', %(at)s::timestamptz"
        " FROM kept, generate_series(1, %(letters)s::int) AS n",
        {"payload": payload, "at": received_at, "letters": letters},
    )


async def test_letters_are_chosen_by_reason_device_and_id(database_url: str, receive: Receive) -> None:
    """Criteria narrow each other."""
    await receive("A", reading())
    await receive("B", reading())
    async with await connect_service(database_url, application_name="test") as connection:
        of_b = await choose(connection, Choice(reason="unknown_device", device_no="B"), limit=10)
        assert [letter.device_no for letter in of_b] == ["B"]
        by_id = await choose(connection, Choice(ids=[of_b[0].dead_letter_id]), limit=10)
        assert by_id == of_b
        assert await choose(connection, Choice(reason="bad_json"), limit=10) == []


async def test_purge_deletes_what_is_older(database_url: str, connection: Connection, receive: Receive) -> None:
    """Younger letters stay."""
    await receive("A", reading())
    await receive("B", reading())
    connection.execute("UPDATE dead_letters SET received_at = now() - interval '100 days' WHERE device_no = 'A'")
    async with await connect_service(database_url, application_name="test") as opened:
        before = await cutoff(opened, timedelta(days=90))
        assert [gone async for gone in purge(opened, before=before, reason="bad_json")] == []
        assert await count_older(opened, before=before, reason=None) == 1
        assert [gone async for gone in purge(opened, before=before, reason=None)] == [1]
    assert connection.execute("SELECT device_no FROM dead_letters").fetchall() == [("B",)]


async def test_purge_counts_and_deletes_to_the_instant(database_url: str, connection: Connection) -> None:
    """What came at that very moment is not older; more than a chunk goes in several."""
    put(connection, 5_001, "2026-01-01 00:00+00")
    put(connection, 2, "2026-01-02 00:00+00")
    before = datetime(2026, 1, 2, tzinfo=UTC)
    async with await connect_service(database_url, application_name="test") as opened:
        assert await count_older(opened, before=before, reason=None) == 5_001
        assert [gone async for gone in purge(opened, before=before, reason=None)] == [5_000, 1]
    assert connection.execute("SELECT DISTINCT received_at, count(*) FROM dead_letters GROUP BY 1").fetchall() == [
        (before, 2)
    ]


async def test_purge_passes_over_letters_under_replay(database_url: str, connection: Connection) -> None:
    """It neither waits for them nor takes them away; the next purge finds them."""
    put(connection, 3, "2026-01-01 00:00+00")
    before = datetime(2026, 1, 2, tzinfo=UTC)
    async with await connect_service(database_url, application_name="test") as opened:
        with connection.transaction():
            connection.execute("SELECT FROM dead_letters ORDER BY dead_letter_id LIMIT 1 FOR UPDATE")
            assert [gone async for gone in purge(opened, before=before, reason=None)] == [2]
        assert [gone async for gone in purge(opened, before=before, reason=None)] == [1]


async def test_list_holds_the_head_of_a_payload(database_url: str, connection: Connection) -> None:
    """Ten thousand letters of a megabyte each are no reason to run out of memory."""
    put(connection, 1, "2026-01-01 00:00+00", payload=b"\xff" * 10_000)
    async with await connect_service(database_url, application_name="test") as opened:
        [letter] = await choose(opened, Choice(), limit=10)
        assert (letter.payload_bytes, letter.payload) == (10_000, b"\xff" * 4096)


async def test_count_tells_the_last_one(database_url: str, connection: Connection) -> None:
    """Of those that are chosen and within the bounds; 0 when there are none."""
    put(connection, 3, "2026-01-01 00:00+00")
    async with await connect_service(database_url, application_name="test") as opened:
        letters, last = await count(opened, Choice(reason="bad_json"))
        assert (letters, last) == (3, max(one.dead_letter_id for one in await choose(opened, Choice(), limit=9)))
        assert await count(opened, Choice(reason="bad_json"), after=last) == (0, 0)
        assert await count(opened, Choice(since=datetime(2026, 1, 1, tzinfo=UTC), until=None)) == (3, last)
        assert await count(opened, Choice(until=datetime(2026, 1, 1, tzinfo=UTC))) == (0, 0)
