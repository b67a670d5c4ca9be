"""Dead letters over HTTP: listed, shown to the byte, replayed and deleted, by the code of the command line."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from api.writers import WAITING_MAX, WRITERS
from tests.integration.api.conftest import writers_of

pytestmark = pytest.mark.anyio

URL = "/api/v1/dead-letters"
TELEMETRY = "/api/v1/telemetry"
NDJSON = {"Content-Type": "application/x-ndjson"}
Connection = psycopg.Connection[tuple[Any, ...]]


def message(seq: int = 0, *more: dict[str, Any], **fields: object) -> dict[str, Any]:
    """A cold-chain message made a few seconds ago."""
    at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    records = [{"at": at, "temperature_c": 2.0} | fields, *({"at": at} | one for one in more)]
    return {"v": 1, "boot": "b", "seq": seq, "records": records}


async def report(client: httpx.AsyncClient, *lines: tuple[str, Any] | bytes) -> None:
    """Send messages of devices; the application keeps what it cannot store."""
    body = b"\n".join(
        one
        if isinstance(one, bytes)
        else json.dumps({"device_no": one[0], "stream": "coldchain", "message": one[1]}).encode()
        for one in lines
    )
    answer = await client.post(TELEMETRY, content=body, headers=NDJSON)
    assert answer.status_code == 200, answer.text


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].partition("#")[2]


def count(connection: Connection, table: str, condition: str = "true") -> int:
    """Rows of a table."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE ").format(sql.Identifier(table)) + sql.SQL(condition)
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


async def until(condition: Callable[[], object]) -> None:
    """Return once *condition* holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what the server does has no event here
            await asyncio.sleep(0.01)


@pytest.fixture
async def api(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that has read its ledger, in which nobody is."""
    async with asyncio.timeout(60):
        await writers_of(client).registry.loaded.wait()
        yield client


@pytest.fixture
def register(city: Any) -> Callable[[str], None]:
    """Puts a logger into the ledger."""
    places: list[tuple[int, int]] = []

    def put(device_no: str) -> None:
        if not places:
            places.append((city.model("L-1", "logger"), city.site("410100001")))
        city.device(device_no, *places[0])

    return put


async def test_letters_are_listed_with_all_but_their_bytes(api: httpx.AsyncClient) -> None:
    """The last first; what each is about, and how long its message was."""
    told = message(0, {"temperature_c": 3.0})
    await report(api, ("D-1", told))
    await report(api, b"rubbish")
    page = (await api.get(URL)).json()
    assert (page["next_cursor"], page["by_reason"]) == (None, None)
    line, stranger = page["items"]
    assert (line["reason"], line["topic"], line["device_no"], line["payload_bytes"]) == (
        "bad_json",
        "http/telemetry",
        None,
        7,
    )
    assert stranger == stranger | {
        "reason": "unknown_device",
        "topic": "tracefleet/v1/D-1/coldchain",
        "device_no": "D-1",
        "stream": "coldchain",
        "record_index": None,
        "records": 2,
        "replayed_at": None,
        "payload_bytes": len(json.dumps(told)),
    }
    assert "payload" not in stranger
    assert stranger["received_at"].endswith("Z")


async def test_list_is_walked_either_way(
    api: httpx.AsyncClient, walk: Callable[..., Any], connection: Connection
) -> None:
    """Every letter once, though others come and go meanwhile."""
    await report(api, *(("D-1", message(seq)) for seq in range(7)))
    ids = [row[0] for row in connection.execute("SELECT dead_letter_id FROM dead_letters ORDER BY 1").fetchall()]
    for order, expected in (("asc", ids), ("desc", ids[::-1])):
        pages = await walk(api, URL, {"order": order, "limit": 3, "device_no": "D-1"})
        assert [one["dead_letter_id"] for page in pages for one in page] == expected
        assert [len(page) for page in pages] == [3, 3, 1]


async def test_list_is_filtered_and_counted_by_reason(api: httpx.AsyncClient, connection: Connection) -> None:
    """Filters narrow each other, and the counts are of everything that matches."""
    await report(api, ("D-1", message(0, {"temperature_c": 1.0})), ("D-2", message()), b"rubbish", b"other rubbish")
    connection.execute("UPDATE dead_letters SET replayed_at = now() WHERE device_no = 'D-1'")
    connection.execute("UPDATE dead_letters SET received_at = '2026-01-01Z' WHERE device_no = 'D-2'")
    cases: list[tuple[dict[str, str | bool], int]] = [
        ({"reason": "unknown_device"}, 2),
        ({"device_no": "D-1"}, 1),
        ({"stream": "coldchain"}, 2),
        ({"stream": "scan"}, 0),
        ({"replayed": True}, 1),
        ({"replayed": False}, 3),
        ({"replayed": False, "reason": "unknown_device"}, 1),
        ({"until": "2026-01-01T00:00:00Z"}, 0),
        ({"since": "2026-01-01T08:00:00+08:00", "until": "2026-01-01T00:00:01Z"}, 1),
        ({"since": "2026-01-01T00:00:01Z"}, 3),
    ]
    for asked, expected in cases:
        page = (await api.get(URL, params=asked)).json()
        assert len(page["items"]) == expected, asked
    by_reason = (await api.get(URL, params={"count": True, "limit": 1})).json()["by_reason"]
    assert by_reason == [
        {"reason": "bad_json", "letters": 2, "records": 2, "waiting": 2},
        {"reason": "unknown_device", "letters": 2, "records": 3, "waiting": 1},
    ]


async def test_letter_is_shown_with_its_bytes(api: httpx.AsyncClient, connection: Connection) -> None:
    """As base64, and as text where they are text; the file is the very bytes, and no browser opens it."""
    text = "{肉\0".encode()
    for payload in (text, b"\xff\xfe{", b""):
        connection.execute("TRUNCATE dead_letters, dead_letter_payloads")
        number = put(connection, payload)
        shown = (await api.get(f"{URL}/{number}")).json()
        assert base64.b64decode(shown["payload_base64"]) == payload
        assert shown["payload_text"] == (payload.decode() if payload != b"\xff\xfe{" else None)
        assert shown["payload_bytes"] == len(payload)
        kept = await api.get(f"{URL}/{number}/payload")
        assert kept.content == payload
        assert kept.headers["content-type"] == "application/octet-stream"
        assert kept.headers["content-disposition"] == f'attachment; filename="dead-letter-{number}.bin"'
        assert kept.headers["x-content-type-options"] == "nosniff"


async def test_long_payload_is_given_as_a_file_alone(api: httpx.AsyncClient, connection: Connection) -> None:
    """What a broker may let through has no bound of ours."""
    payload = bytes(1_048_577)
    number = put(connection, payload)
    shown = (await api.get(f"{URL}/{number}")).json()
    assert (shown["payload_base64"], shown["payload_text"], shown["payload_bytes"]) == (None, None, len(payload))
    assert (await api.get(f"{URL}/{number}/payload")).content == payload


def put(connection: Connection, payload: bytes) -> int:
    """The number of a letter with such bytes."""
    row = connection.execute(
        "WITH kept AS (INSERT INTO dead_letter_payloads (payload_hash, payload)"
        " VALUES (sha256(%(payload)s), %(payload)s) RETURNING payload_id)"
        " INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, received_at)"
        " SELECT 'elsewhere', payload_id, -1, 1, 'bad_topic', 'none', now() FROM kept RETURNING dead_letter_id",
        {"payload": payload},
    ).fetchone()
    assert row is not None
    return int(row[0])


async def test_letter_that_is_not_there_is_a_problem(api: httpx.AsyncClient) -> None:
    """404 with where to look; a number that none can have is not acceptable."""
    for path in (f"{URL}/999", f"{URL}/999/payload"):
        assert problem_of(await api.get(path)) == (404, "unknown-dead-letter")
    for number in ("0", "-1", "x", str(2**63)):
        assert problem_of(await api.get(f"{URL}/{number}")) == (422, "invalid-request")


async def test_replay_stores_what_can_be_stored_now(
    api: httpx.AsyncClient, connection: Connection, register: Callable[[str], None]
) -> None:
    """Counts per outcome after the commit; what cannot says why; asking again finds nothing left."""
    await report(api, ("D-1", message(0, {"temperature_c": "warm"})), ("D-1", message(10)), ("D-2", message()))
    register("D-1")
    answer = await api.post(f"{URL}/replay", json={"reason": "unknown_device"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    [refusal] = body.pop("refusals")
    assert body == {
        "letters": 3,
        "stored": 2,
        "duplicate": 0,
        "conflict": 0,
        "dead_lettered": 1,
        "refused_again": 1,
        "left": 0,
        "next_cursor": None,
    }
    assert (refusal["reason"], "D-2 is not in the ledger" in refusal["detail"]) == ("unknown_device", True)
    assert count(connection, "coldchain") == 2
    again = (await api.post(f"{URL}/replay", json={"device_no": "D-1", "reason": "unknown_device"})).json()
    assert (again["letters"], again["stored"], again["left"]) == (0, 0, 0)
    waiting = (await api.get(URL, params={"replayed": False})).json()["items"]
    assert sorted(one["reason"] for one in waiting) == ["bad_record", "unknown_device"]
    kept = connection.execute("SELECT sum(received), sum(stored) FROM ingest_stats WHERE worker = 'replay'").fetchone()
    assert kept == (4, 2)
    text = (await api.get("/metrics")).text
    assert 'tracefleet_ingest_records_total{outcome="stored",stream="coldchain"} 2.0' in text


async def test_replay_tells_duplicates(
    api: httpx.AsyncClient, connection: Connection, register: Callable[[str], None]
) -> None:
    """A device that sent again before its letter was replayed, and once with another body."""
    told = message()
    await report(api, ("D-1", told), ("D-1", message(temperature_c=9.0)))
    register("D-1")
    await until(lambda: len(writers_of(api).registry) == 1)
    sent = told | {"records": [told["records"][0]], "sent_at": "2026-11-23T08:00:00Z"}
    await report(api, ("D-1", sent))
    assert count(connection, "coldchain") == 1
    body = (await api.post(f"{URL}/replay", json={"everything": True})).json()
    assert (body["letters"], body["stored"], body["duplicate"], body["conflict"]) == (2, 0, 1, 1)


async def test_replay_of_everything_leaves_what_crashed(
    api: httpx.AsyncClient, connection: Connection, register: Callable[[str], None]
) -> None:
    """It may end this process, so it has to be named."""
    await report(api, ("D-1", message(0)), ("D-1", message(1)))
    register("D-1")
    connection.execute("UPDATE dead_letters SET reason = 'crashed' WHERE dead_letter_id = 1")
    body = (await api.post(f"{URL}/replay", json={"everything": True})).json()
    assert (body["letters"], body["stored"], body["left"]) == (1, 1, 0)
    body = (await api.post(f"{URL}/replay", json={"ids": [1]})).json()
    assert (body["letters"], body["stored"], body["left"]) == (1, 1, 0)


async def test_replay_goes_on_where_it_ended(
    api: httpx.AsyncClient, connection: Connection, register: Callable[[str], None]
) -> None:
    """Bounded by its limit; what is left is said, and the cursor ends even while letters are refused and come."""
    await report(api, *(("D-1", message(seq)) for seq in range(4)), *(("D-2", message(seq)) for seq in range(3)))
    register("D-1")
    asked: dict[str, object] = {"reason": "unknown_device", "limit": 3}
    seen = []
    for number in range(10):
        body = (await api.post(f"{URL}/replay", json=asked)).json()
        seen.append([body[name] for name in ("letters", "left", "stored", "refused_again")])
        await report(api, ("D-3", message(number)))
        if body["next_cursor"] is None:
            break
        asked["cursor"] = body["next_cursor"]
    assert [one[:2] for one in seen] == [[3, 4], [3, 1], [1, 0]]
    assert [sum(column) for column in list(zip(*seen, strict=True))[2:]] == [4, 3]
    answer = await api.post(f"{URL}/replay", json={"reason": "bad_json", "cursor": asked["cursor"]})
    assert problem_of(answer) == (422, "bad-cursor")
    assert count(connection, "coldchain") == 4


async def test_replays_at_once_store_each_record_once(
    api: httpx.AsyncClient, connection: Connection, register: Callable[[str], None]
) -> None:
    """While the device sends the same messages itself."""
    told = [message(seq) for seq in range(40)]
    await report(api, *(("D-1", one) for one in told))
    register("D-1")
    await until(lambda: len(writers_of(api).registry) == 1)
    replays = [api.post(f"{URL}/replay", json={"everything": True, "limit": 25}) for _ in range(4)]
    answers = await asyncio.gather(*replays, report(api, *(("D-1", one) for one in told)))
    bodies = [answer.json() for answer in answers if answer is not None]
    assert sum(body["letters"] for body in bodies) == 40
    assert count(connection, "coldchain") == 40
    assert count(connection, "dead_letters", "replayed_at IS NULL") == 0
    sums = connection.execute("SELECT sum(stored)::int, sum(duplicate)::int FROM ingest_stats").fetchone()
    assert sums == (40, 40)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("replay", {}),
        ("replay", {"reason": "unknown_device", "everything": True}),
        ("replay", {"reason": "boredom"}),
        ("replay", {"ids": []}),
        ("replay", {"ids": [0]}),
        ("replay", {"ids": [2**63]}),
        ("replay", {"ids": list(range(1, 1002))}),
        ("replay", {"ids": None}),
        ("replay", {"device_no": "a/b"}),
        ("replay", {"everything": True, "limit": 10_001}),
        ("replay", {"everything": True, "of": "it"}),
        ("replay", []),
        ("purge", {}),
        ("purge", {"older_than_days": -1}),
        ("purge", {"older_than_days": 36_501}),
        ("purge", {"older_than_days": 90, "dry_run": False}),
    ],
)
async def test_order_that_is_not_clear_is_refused(api: httpx.AsyncClient, route: str, body: object) -> None:
    """422 that names what is wrong, and nothing is done."""
    answer = await api.post(f"{URL}/{route}", json=body)
    assert problem_of(answer) == (422, "invalid-request")
    assert {error["in"] for error in answer.json()["errors"]} == {"body"}


async def test_order_that_is_no_json_is_refused(api: httpx.AsyncClient) -> None:
    """By its media type, which no page of another origin can send unasked; by its size; by its grammar."""
    body = b'{"everything": true}'
    json_type = {"Content-Type": "application/json"}

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536

    for route in ("replay", "purge"):
        url = f"{URL}/{route}"
        for headers in ({}, {"Content-Type": "text/plain"}, json_type | {"Content-Encoding": "gzip"}):
            answer = await api.post(url, content=body, headers=headers)
            assert problem_of(answer) == (415, "unsupported-media-type")
        assert problem_of(await api.post(url, content=endless(), headers=json_type)) == (413, "too-large")
        for broken in (b"", b"{", b"\xff", b"[" * 100_000):
            answer = await api.post(url, content=broken, headers=json_type)
            assert problem_of(answer) == (422, "invalid-request"), broken[:9]


async def test_purge_is_a_dry_run_unless_told(api: httpx.AsyncClient, connection: Connection) -> None:
    """What is young, and what another reason refused, stays; asking again finds nothing left."""
    await report(api, ("D-1", message(0)), ("D-2", message(0)), b"rubbish")
    connection.execute(
        "UPDATE dead_letters SET received_at = now() - interval '91 days' WHERE device_no IS DISTINCT FROM 'D-2'"
    )
    asked = {"older_than_days": 90}
    dry = (await api.post(f"{URL}/purge", json=asked)).json()
    assert (dry["applied"], dry["deleted"], dry["left"]) == (False, 0, 2)
    some = (await api.post(f"{URL}/purge", json=asked | {"apply": True, "reason": "bad_json"})).json()
    assert (some["applied"], some["deleted"], some["left"]) == (True, 1, 0)
    rest = (await api.post(f"{URL}/purge", json=asked | {"apply": True})).json()
    assert (rest["deleted"], rest["left"]) == (1, 0)
    again = (await api.post(f"{URL}/purge", json=asked | {"apply": True})).json()
    assert (again["deleted"], again["left"]) == (0, 0)
    assert connection.execute("SELECT device_no FROM dead_letters").fetchall() == [("D-2",)]
    assert datetime.fromisoformat(again["received_before"]) < datetime.now(UTC) - timedelta(days=89)


async def test_purge_says_what_a_replay_holds(api: httpx.AsyncClient, connection: Connection) -> None:
    """It is left, and said to be."""
    await report(api, b"rubbish", b"other rubbish")
    with connection.transaction():
        connection.execute("SELECT FROM dead_letters ORDER BY dead_letter_id LIMIT 1 FOR UPDATE")
        body = (await api.post(f"{URL}/purge", json={"older_than_days": 0, "apply": True})).json()
    assert (body["deleted"], body["left"]) == (1, 1)


async def test_orders_are_turned_away_when_too_many_wait(api: httpx.AsyncClient, connection: Connection) -> None:
    """429 like telemetry, with when to come back; a dry run and the lists need no turn."""
    await report(api, ("D-1", message()))
    held = writers_of(api)._requests
    with connection.transaction():
        connection.execute("LOCK TABLE ingest_stats IN ACCESS EXCLUSIVE MODE")
        waiting = [asyncio.create_task(report(api, ("D-2", message(seq)))) for seq in range(WRITERS + WAITING_MAX)]
        await until(lambda: len(held) == len(waiting))
        for route, body in (
            ("replay", {"everything": True}),
            ("purge", {"older_than_days": 0, "apply": True}),
        ):
            answer = await api.post(f"{URL}/{route}", json=body)
            assert (*problem_of(answer), answer.headers["retry-after"]) == (429, "busy", "5")
        assert (await api.post(f"{URL}/purge", json={"older_than_days": 0})).json()["left"] == 1
    await asyncio.gather(*waiting)


async def test_orders_are_unavailable_when_the_database_is_away(make_client: Callable[..., Any]) -> None:
    """503 with when to come back."""
    async with make_client(database_url="postgresql://me:hush@127.0.0.1:1/trace") as client:
        for route, body in (("replay", {"everything": True}), ("purge", {"older_than_days": 0, "apply": True})):
            answer = await client.post(f"{URL}/{route}", json=body)
            assert (*problem_of(answer), answer.headers["retry-after"]) == (503, "database-unavailable", "5")


async def test_replay_goes_on_after_its_connections_were_dropped(
    api: httpx.AsyncClient, connection: Connection, register: Callable[[str], None]
) -> None:
    """In the middle of a step: it is undone, done again, and counted once."""
    await report(api, ("D-1", message()))
    register("D-1")
    with connection.transaction():
        connection.execute("LOCK TABLE ingest_stats IN ACCESS EXCLUSIVE MODE")
        replay = asyncio.create_task(api.post(f"{URL}/replay", json={"everything": True}))
        await until(lambda: count(connection, "pg_locks", "NOT granted") > 0)
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'tracefleet api writer' AND datname = current_database()"
        )
    body = (await replay).json()
    assert (body["letters"], body["stored"], body["duplicate"]) == (1, 1, 0)
    assert count(connection, "coldchain") == 1


async def test_orders_are_described_in_openapi(api: httpx.AsyncClient) -> None:
    """Bodies with their limits, and the examples are true: each is taken."""
    document = (await api.get("/api/v1/openapi.json")).json()
    for route in ("replay", "purge"):
        operation = document["paths"][f"{URL}/{route}"]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert "$defs" not in schema
        assert (await api.post(f"{URL}/{route}", json=schema["example"])).status_code == 200
        assert {"408", "413", "415", "422", "429", "503"} <= set(operation["responses"])
