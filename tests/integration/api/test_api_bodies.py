"""Bodies that are slow, endless, oddly packed, too many at once, or left by their sender: the guarantees hold."""

import asyncio
import gzip
import http.client
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from api.body import RECEIVING_MAX, Bodies
from api.rim import BODY_BYTES_MAX
from api.writers import TRIES
from store.settings import Settings

pytestmark = pytest.mark.anyio

URL = "/api/v1/telemetry"
NDJSON = {"Content-Type": "application/x-ndjson"}
LOGGER = "TD-LOGGER"
Connection = psycopg.Connection[tuple[Any, ...]]


def reading(seq: int = 0, **fields: object) -> bytes:
    """A line with one cold-chain record, made a few seconds ago."""
    at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    message = {"v": 1, "boot": "b1", "seq": seq, "records": [{"at": at, "temperature_c": 2.5} | fields]}
    return json.dumps({"device_no": LOGGER, "stream": "coldchain", "message": message}).encode() + b"\n"


def count(connection: Connection, table: str) -> int:
    """Rows of a table."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


def locks_waited_for(connection: Connection) -> int:
    """How many wait for a lock in this database."""
    row = connection.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE NOT granted AND d.datname = current_database()"
    ).fetchone()
    return int(row[0]) if row is not None else 0


async def until(condition: Callable[[], object]) -> None:
    """Return once *condition* holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what the server does has no event here
            await asyncio.sleep(0.01)


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].partition("#")[2]


@pytest.fixture
def logger(city: Any) -> None:
    """A logger in the ledger."""
    city.device(LOGGER, city.model("L-1", "logger"), city.site("410100001"))


@pytest.fixture
async def gateway(logger: None, make_client: Callable[..., Any]) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001 - it is there
    """A client of an application that knows a logger."""
    async with make_client() as client, asyncio.timeout(120):
        await client._transport.app.state.writers.registry.loaded.wait()
        yield client


@pytest.mark.parametrize(
    ("encodings", "is_packed"),
    [
        ([], False),
        ([""], False),
        (["identity"], False),
        (["identity", "identity"], False),
        (["gzip"], True),
        (["GZip"], True),
        (["x-gzip"], True),
        (["identity, gzip"], True),
        (["identity", "gzip"], True),
    ],
)
async def test_encoding_is_what_all_its_headers_say(
    gateway: httpx.AsyncClient, connection: Connection, encodings: list[str], is_packed: bool
) -> None:
    """Nothing is taken for a line that is still packed."""
    body = gzip.compress(reading(0)) + gzip.compress(reading(1)) if is_packed else reading(0) + reading(1)
    headers = [("Content-Type", "application/x-ndjson"), *(("Content-Encoding", one) for one in encodings)]
    answer = await gateway.post(URL, content=body, headers=headers)
    assert answer.json()["total"]["stored"] == 2 == count(connection, "coldchain")


async def test_encodings_on_top_of_each_other_are_refused(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """Whichever header is the first."""
    for encodings in (["gzip", "br"], ["br", "gzip"], ["gzip", "gzip"], ["identity", "br"]):
        headers = [("Content-Type", "application/x-ndjson"), *(("Content-Encoding", one) for one in encodings)]
        answer = await gateway.post(URL, content=gzip.compress(reading()), headers=headers)
        assert problem_of(answer) == (415, "unsupported-media-type"), encodings
    assert count(connection, "dead_letters") == 0


async def test_line_ends_and_marks_of_other_systems_are_read(
    gateway: httpx.AsyncClient, connection: Connection
) -> None:
    """CRLF, empty lines and no last end are fine; a byte-order mark costs its own line, as it does over MQTT."""
    body = b"\xef\xbb\xbf" + b"\r\n".join([reading(0).strip(), b"", reading(1).strip(), b" ", reading(2).strip()])
    answer = (await gateway.post(URL, content=body, headers=NDJSON)).json()
    assert (answer["total"]["stored"], answer["total"]["dead_lettered"]) == (2, 1)
    assert [(one["line"], one["reason"]) for one in answer["refusals"]] == [(1, "bad_json")]
    assert count(connection, "coldchain") == 2


async def test_letter_that_is_kept_shortened_is_told_by_its_line(
    gateway: httpx.AsyncClient, connection: Connection
) -> None:
    """A refusal that the database takes only in part is still an answer, not a mistake of the server."""
    connection.execute("ALTER TABLE dead_letter_payloads ADD CHECK (octet_length(payload) <= 65536)")
    body = reading(0) + b"rubbish" * 20_000 + b"\n" + reading(1)
    for outcome in ("dead_lettered", "duplicate"):
        answer = await gateway.post(URL, content=body, headers=NDJSON)
        assert answer.status_code == 200, answer.text
        [refusal] = answer.json()["refusals"]
        assert (refusal["line"], refusal["outcome"]) == (2, outcome)
    assert (count(connection, "coldchain"), count(connection, "dead_letters")) == (2, 1)


async def test_slow_body_is_given_up(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """408 when it does not end in time, with nothing stored; the next one is taken."""
    gateway._transport.app.state.bodies = Bodies(within_seconds=0.2)  # type: ignore[attr-defined]
    never = asyncio.Event()
    assert problem_of(await gateway.post(URL, content=_stalled(never), headers=NDJSON)) == (408, "slow-body")
    assert count(connection, "coldchain") == 0
    assert (await gateway.post(URL, content=reading(), headers=NDJSON)).status_code == 200


async def test_bodies_on_their_way_are_bounded(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """429 for the one too many; those that were on their way end as ever, and their places are free again."""
    go_on = asyncio.Event()
    bodies: Bodies = gateway._transport.app.state.bodies  # type: ignore[attr-defined]
    slow = [
        asyncio.create_task(gateway.post(URL, content=_stalled(go_on), headers=NDJSON)) for _ in range(RECEIVING_MAX)
    ]
    await until(lambda: bodies._receiving == RECEIVING_MAX)
    turned_away = await gateway.post(URL, content=reading(), headers=NDJSON)
    assert (*problem_of(turned_away), turned_away.headers["retry-after"]) == (429, "busy", "5")
    go_on.set()
    answers = await asyncio.gather(*slow)
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert 200 in {answer.status_code for answer in answers}
    assert (bodies._receiving, count(connection, "coldchain")) == (0, 1)


async def _stalled(go_on: asyncio.Event) -> AsyncIterator[bytes]:
    """A body that stops within its only line until it may go on."""
    line = reading()
    yield line[:20]
    await go_on.wait()
    yield line[20:]


async def test_many_at_once_are_stored_or_turned_away(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """Each of fifty is stored and told so, or told to come back; those who do are served, and no row comes twice."""
    lines = [reading(seq) for seq in range(50)]
    left = list(range(50))
    stored = 0
    while left:
        answers = await asyncio.gather(*(gateway.post(URL, content=lines[seq], headers=NDJSON) for seq in left))
        for answer in answers:
            if answer.status_code != 200:
                assert problem_of(answer) == (429, "busy")
        stored += sum(answer.json()["total"]["stored"] for answer in answers if answer.status_code == 200)
        left = [seq for seq, answer in zip(left, answers, strict=True) if answer.status_code != 200]
        assert count(connection, "coldchain") == stored == 50 - len(left)


async def test_database_away_in_the_middle_stores_all_or_nothing(
    gateway: httpx.AsyncClient, connection: Connection, database_url: str
) -> None:
    """Its connection dies at every try: 503 that says to send again; sent again, each record is there once."""
    body = reading(0) + reading(1)
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE ingest_stats IN ACCESS EXCLUSIVE MODE")
        request = asyncio.create_task(gateway.post(URL, content=body, headers=NDJSON))
        for _ in range(TRIES):
            await until(lambda: locks_waited_for(connection))
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'tracefleet api writer' AND datname = current_database()"
            )
        away = await request
        other.rollback()
    assert (*problem_of(away), away.headers["retry-after"]) == (503, "not-written", "5")
    assert count(connection, "coldchain") == 0
    again = await gateway.post(URL, content=body, headers=NDJSON)
    assert again.json()["total"]["stored"] == 2 == count(connection, "coldchain")


@pytest.fixture
def served(settings: Settings, logger: None, running: Callable[..., Any]) -> Iterator[Settings]:  # noqa: ARG001 - it is there
    """The settings of an API that runs as a process and knows a logger."""
    with running(settings):
        deadline = time.monotonic() + 30
        while _send(settings, [b""])[0] == 503:  # it has not read the ledger yet
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield settings


def _send(settings: Settings, chunks: Iterable[bytes], **headers: str) -> tuple[int, str, dict[str, Any]]:
    """The answer to a body without a length: status, media type and JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.api_port, timeout=30)
    try:
        connection.request("POST", URL, body=iter(chunks), headers=NDJSON | headers, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), json.loads(answer.read())
    finally:
        connection.close()


def test_body_without_a_length_is_read(served: Settings, connection: Connection) -> None:
    """In chunks of any size, packed or not."""
    line = reading(0)
    assert _send(served, (line[n : n + 1] for n in range(len(line))))[2]["total"]["stored"] == 1
    packed = gzip.compress(reading(1))
    body = _send(served, [packed[:5], packed[5:]], **{"Content-Encoding": "gzip"})[2]
    assert body["total"]["stored"] == 1
    assert count(connection, "coldchain") == 2


def test_body_without_a_length_is_refused_when_it_grows_too_large(served: Settings, connection: Connection) -> None:
    """413 as soon as it has, though it would never end."""
    with socket.create_connection(("127.0.0.1", served.api_port), timeout=30) as client:
        client.sendall(
            f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        for _ in range(BODY_BYTES_MAX // 65_536 + 1):
            client.sendall(chunk)
        head = client.recv(4096)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in head
    assert count(connection, "dead_letters") == 0


def test_telemetry_is_stored_though_its_sender_is_gone(
    served: Settings, connection: Connection, database_url: str
) -> None:
    """Whoever did not hear the answer sends again, and is told that it was here."""
    line = reading()
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE ingest_stats IN ACCESS EXCLUSIVE MODE")
        with socket.create_connection(("127.0.0.1", served.api_port), timeout=30) as client:
            client.sendall(
                f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                f"Content-Length: {len(line)}\r\n\r\n".encode()
                + line
            )
            _wait(lambda: locks_waited_for(connection) > 0)
        other.rollback()
    _wait(lambda: count(connection, "coldchain") == 1)
    body = _send(served, [line])[2]
    assert (body["total"]["stored"], body["total"]["duplicate"]) == (0, 1)
    assert count(connection, "coldchain") == 1


def test_body_that_is_cut_off_stores_nothing(served: Settings, connection: Connection) -> None:
    """A line that happens to be whole is not taken for all that was meant; the server goes on."""
    with socket.create_connection(("127.0.0.1", served.api_port), timeout=30) as client:
        client.sendall(
            f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
            "Content-Length: 100000\r\n\r\n".encode()
            + reading(0)
        )
    assert _send(served, [reading(1)])[2]["total"]["stored"] == 1
    row = connection.execute("SELECT seq FROM coldchain").fetchall()
    assert row == [(1,)]


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
