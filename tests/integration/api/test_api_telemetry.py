"""Telemetry over HTTP: the guarantees of MQTT by the same code, an answer after the commit, bounded in every way."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg import sql

from api import writers
from api.ndjson import LINES_MAX, UNPACKED_BYTES_MAX
from api.problems import NOT_WRITTEN, ProblemError
from api.rim import BODY_BYTES_MAX
from api.telemetry import RECORDS_MAX
from api.writers import WAITING_MAX, WRITERS
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.metrics import Metrics
from ingest.quarantine import Choice
from ingest.registry import Registry
from ingest.replay import replay
from ingest.writer import write
from store.database import connect_service
from store.settings import Settings
from tests.integration.api.conftest import writers_of

pytestmark = pytest.mark.anyio

URL = "/api/v1/telemetry"
NDJSON = {"Content-Type": "application/x-ndjson"}
SCALE, LOGGER = "TD-SCALE", "TD-LOGGER"
FIELDS: dict[str, dict[str, Any]] = {
    "weighing": {
        "trade_no": "T1",
        "kind": "sale",
        "net_g": 500,
        "unit_price_fen_per_kg": 3000,
        "amount_fen": 1500,
        "stable": True,
    },
    "scan": {"code": "41010000100010000001", "purpose": "sale", "result": "ok"},
    "coldchain": {"temperature_c": 2.5},
    "status": {"uptime_s": 60},
}
Connection = psycopg.Connection[tuple[Any, ...]]


def message(*records: dict[str, Any], seq: int = 0, **more: object) -> dict[str, Any]:
    """A message of *records*, made a few seconds ago."""
    at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    return {"v": 1, "boot": "b1", "seq": seq, "records": [{"at": at} | record for record in records]} | more


def line(device_no: str, stream: str, told: object) -> bytes:
    """One line."""
    return json.dumps({"device_no": device_no, "stream": stream, "message": told}).encode()


def reading(seq: int = 0, **fields: object) -> bytes:
    """A line with one cold-chain record."""
    return line(LOGGER, "coldchain", message(FIELDS["coldchain"] | fields, seq=seq))


def body_of(lines: Iterable[bytes]) -> bytes:
    """Lines as a body."""
    return b"\n".join(lines) + b"\n"


async def post(client: httpx.AsyncClient, *lines: bytes, **headers: str) -> httpx.Response:
    """The answer to *lines*."""
    return await client.post(URL, content=body_of(lines), headers=NDJSON | headers)


def counts(account: dict[str, int]) -> tuple[int, int, int, int, int]:
    """Received, and the outcomes."""
    names = ("received", "stored", "duplicate", "conflict", "dead_lettered")
    received, stored, duplicate, conflict, dead_lettered = (account[name] for name in names)
    return received, stored, duplicate, conflict, dead_lettered


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].partition("#")[2]


def count(connection: Connection, table: str) -> int:
    """Rows of a table."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


async def until(condition: Callable[[], object]) -> None:
    """Return once *condition* holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what the server does has no event here
            await asyncio.sleep(0.01)


def waits_for_a_lock(connection: Connection) -> bool:
    """Whether somebody waits for a lock."""
    # Not pg_stat_activity: a transaction sees it as it was at the first look.
    row = connection.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE NOT granted AND d.datname = current_database()"
    ).fetchone()
    return row is not None and row[0] > 0


@pytest.fixture
async def gateway(city: Any, make_client: Callable[..., Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that knows a scale and a logger."""
    site = city.site("410100001")
    city.device(SCALE, city.model("S-1", "trace_scale"), site)
    city.device(LOGGER, city.model("L-1", "logger"), site)
    async with make_client() as client, asyncio.timeout(60):
        await writers_of(client).registry.loaded.wait()
        yield client


async def test_every_stream_is_stored_before_the_answer(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """Rows, latest values, signs of life and the account are there when the answer is; devices share a body."""
    lines = [
        line(SCALE, "weighing", message(FIELDS["weighing"], FIELDS["weighing"] | {"trade_no": "T2"})),
        line(SCALE, "scan", message(FIELDS["scan"], seq=10)),
        line(LOGGER, "coldchain", message(FIELDS["coldchain"])),
        line(LOGGER, "status", message(FIELDS["status"], seq=10)),
        line(LOGGER, "presence", {"v": 1, "boot": "b1", "state": "online"}),
    ]
    answer = await post(gateway, *lines)
    assert answer.status_code == 200, answer.text
    assert {table: count(connection, table) for table in (*FIELDS, "presence", "latest", "device_presence")} == {
        "weighing": 2,
        "scan": 1,
        "coldchain": 1,
        "status": 1,
        "presence": 1,
        "latest": 4,
        "device_presence": 2,
    }
    body = answer.json()
    assert counts(body["total"]) == (6, 6, 0, 0, 0)
    assert [(one["stream"], one["messages"], one["stored"]) for one in body["streams"]] == [
        ("coldchain", 1, 1),
        ("presence", 1, 1),
        ("scan", 1, 1),
        ("status", 1, 1),
        ("weighing", 1, 2),
    ]
    assert (body["refusals"], body["refusals_left_out"]) == ([], 0)
    kept = connection.execute("SELECT DISTINCT worker, sum(messages)::int FROM ingest_stats GROUP BY 1").fetchall()
    assert kept == [("http", 5)]


async def test_answer_waits_for_the_commit(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """While the database cannot finish, there is no answer; when there is one, so are the rows."""
    with connection.transaction():
        connection.execute("LOCK TABLE ingest_stats IN ACCESS EXCLUSIVE MODE")
        request = asyncio.create_task(post(gateway, reading()))
        await until(lambda: waits_for_a_lock(connection))
        assert not request.done()
        assert count(connection, "coldchain") == 0
    assert counts((await request).json()["total"]) == (1, 1, 0, 0, 0)
    assert count(connection, "coldchain") == 1


async def test_same_body_again_gives_the_same_rows(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """All duplicates, refusals included; the same line twice in a body, too."""
    lines = [reading(0), reading(1, temperature_c="warm"), b"rubbish", reading(2)]
    lines.append(lines[0])
    first, again = await post(gateway, *lines), await post(gateway, *lines)
    assert counts(first.json()["total"]) == (5, 2, 1, 0, 2)
    assert counts(again.json()["total"]) == (5, 0, 5, 0, 0)
    refusals = [(one["line"], one["outcome"]) for one in again.json()["refusals"]]
    assert refusals == [(2, "duplicate"), (3, "duplicate")]
    assert (count(connection, "coldchain"), count(connection, "dead_letters")) == (2, 2)


async def test_same_records_at_once_are_stored_once(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """Each answer has a true account, and together they stored every record once."""
    lines = [reading(seq) for seq in range(50)]
    answers = await asyncio.gather(*(post(gateway, *order) for order in (lines, lines[::-1]) * 3))
    assert [answer.status_code for answer in answers] == [200] * 6
    totals = [answer.json()["total"] for answer in answers]
    assert sum(total["stored"] for total in totals) == 50 == count(connection, "coldchain")
    assert sum(total["duplicate"] for total in totals) == 250


async def test_http_and_mqtt_tell_the_same_record_once(
    gateway: httpx.AsyncClient, connection: Connection, database_url: str
) -> None:
    """A device behind a gateway may be heard both ways."""
    told = message(FIELDS["coldchain"])
    async with await connect_service(database_url, application_name="test") as worker:
        registry, batch = Registry(), Batch()
        await registry.load(worker)
        arrival = Arrival(f"tracefleet/v1/{LOGGER}/coldchain", json.dumps(told).encode(), datetime.now(UTC))
        take_in([arrival], registry, batch)
        await write(worker, batch, worker="mqtt")
    other = told | {"records": [told["records"][0] | {"temperature_c": 9.0}]}
    answer = await post(gateway, line(LOGGER, "coldchain", told), line(LOGGER, "coldchain", other))
    assert counts(answer.json()["total"]) == (2, 0, 1, 1, 0)
    assert (count(connection, "coldchain"), count(connection, "conflicts")) == (1, 1)


async def test_bad_lines_cost_their_neighbours_nothing(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """Each is kept with its reason and its exact bytes, and told by its line; the good ones are stored."""
    nan = message(FIELDS["coldchain"], FIELDS["coldchain"] | {"humidity_pct": float("nan")}, seq=10)
    spaced = b'{"v" :1, "boot":"b1",\t"seq":99 , "records":[{"temperature_c":"\xff"}]}'
    huge = message(FIELDS["coldchain"], seq=20, padding="x" * 300_000)
    lines = [
        reading(0),
        b"rubbish \xe8\x82\x89",
        b'{"stream":"coldchain","message":{}}',
        b"",
        line(LOGGER, "coldchain", nan),
        b'{"device_no":"TD-LOGGER","stream":"coldchain","message": ' + spaced + b" }",
        line(LOGGER, "weighing", message(FIELDS["weighing"], seq=30)),
        line(LOGGER, "coldchain", huge),
        line("D/1", "coldchain", message(FIELDS["coldchain"])),
        line(LOGGER, "command", {}),
        reading(1),
    ]
    body = (await post(gateway, *lines)).json()
    assert counts(body["total"]) == (11, 3, 0, 0, 8)
    assert [(one["line"], one["record_index"], one["reason"]) for one in body["refusals"]] == [
        (2, None, "bad_json"),
        (3, None, "bad_topic"),
        (5, 1, "non_finite"),
        (6, 0, "bad_utf8"),
        (7, None, "wrong_stream"),
        (8, None, "too_large"),
        (9, None, "bad_topic"),
        (10, None, "bad_topic"),
    ]
    kept: list[Any] = connection.execute(
        "SELECT topic, payload FROM dead_letters JOIN dead_letter_payloads USING (payload_id)"
    ).fetchall()
    topic = f"tracefleet/v1/{LOGGER}/coldchain"
    assert {
        ("http/telemetry", lines[1]),
        ("http/telemetry", lines[2]),
        (topic, json.dumps(nan).encode()),
        (topic, spaced),
        (topic, json.dumps(huge).encode()),
        ("http/telemetry", lines[9]),
    } <= {(where, bytes(payload)) for where, payload in kept}
    assert count(connection, "coldchain") == 3


async def test_record_that_the_table_rejects_is_found(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """It alone becomes a dead letter, with its line."""
    connection.execute("ALTER TABLE coldchain ADD CONSTRAINT no_sixes CHECK (temperature_c <> 66.6)")
    body = (await post(gateway, *(reading(seq, temperature_c=66.6 if seq == 5 else 2.0) for seq in range(9)))).json()
    assert counts(body["total"]) == (9, 8, 0, 0, 1)
    assert [(one["line"], one["record_index"], one["reason"]) for one in body["refusals"]] == [
        (6, 0, "database_rejected")
    ]


async def test_refusals_are_told_up_to_a_number(gateway: httpx.AsyncClient) -> None:
    """The first fifty lines, and how many more there are."""
    body = (await post(gateway, *(b"rubbish %d" % number for number in range(60)))).json()
    assert [one["line"] for one in body["refusals"]] == list(range(1, 51))
    assert (body["refusals_left_out"], body["total"]["dead_lettered"]) == (10, 60)
    assert [one["stream"] for one in body["streams"]] == ["unknown"]


async def test_stranger_is_quarantined_and_replayed_once_registered(
    gateway: httpx.AsyncClient, city: Any, database_url: str
) -> None:
    """And from then on its lines are taken, without a restart."""
    told = message(FIELDS["coldchain"], FIELDS["coldchain"])
    [refusal] = (await post(gateway, line("TD-NEW", "coldchain", told))).json()["refusals"]
    assert (refusal["reason"], refusal["records"], refusal["outcome"]) == ("unknown_device", 2, "dead_lettered")
    model, site = city.connection.execute(
        "SELECT model_id, site_id FROM devices WHERE device_no = %s", (LOGGER,)
    ).fetchone()
    city.device("TD-NEW", model, site)
    async with await connect_service(database_url, application_name="test") as opened:
        done = await replay(opened, Choice(reason="unknown_device"))
    assert (done.letters, done.stored, done.refused_again) == (1, 2, 0)
    registry = writers_of(gateway).registry
    await until(lambda: len(registry) == 3)
    answer = await post(gateway, line("TD-NEW", "coldchain", message(FIELDS["coldchain"], seq=2)))
    assert counts(answer.json()["total"]) == (1, 1, 0, 0, 0)


async def test_gzip_is_read(gateway: httpx.AsyncClient) -> None:
    """Well beyond what is taken unpacked as sent, and with a name for the character set."""
    lines = [line(LOGGER, "coldchain", message(FIELDS["coldchain"], seq=seq, pad="x" * 9000)) for seq in range(300)]
    body = body_of(lines)
    assert len(body) > 2 * BODY_BYTES_MAX
    headers = {"Content-Type": "Application/X-NDJSON; charset=UTF-8", "Content-Encoding": "gzip"}
    answer = await gateway.post(URL, content=gzip.compress(body), headers=headers)
    assert counts(answer.json()["total"]) == (300, 300, 0, 0, 0)


async def test_body_is_refused_whole_when_it_cannot_be_read(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """Each in its way, with nothing stored: what comes after the refusal is not known."""
    packed = NDJSON | {"Content-Encoding": "gzip"}
    good = body_of([reading()])
    many = body_of(
        [good, *(line(LOGGER, "scan", message(*[{}] * 500, seq=500 * n)) for n in range(RECORDS_MAX // 500))]
    )
    cases: list[tuple[Any, dict[str, str], tuple[int, str]]] = [
        (b"", NDJSON, (422, "unreadable-body")),
        (b"\r\n\n", NDJSON, (422, "unreadable-body")),
        (gzip.compress(good)[:-9], packed, (422, "unreadable-body")),
        (good, packed, (422, "unreadable-body")),
        (gzip.compress(good + b" " * UNPACKED_BYTES_MAX), packed, (413, "too-large")),
        (good + b" " * BODY_BYTES_MAX, NDJSON, (413, "too-large")),
        (_in_chunks(good + b" " * BODY_BYTES_MAX), NDJSON, (413, "too-large")),
        (good + b"x\n" * LINES_MAX, NDJSON, (413, "too-large")),
        (gzip.compress(good + b"{}\n" * 100_000), packed, (413, "too-large")),
        (gzip.compress(good), NDJSON, (422, "unreadable-body")),
        (_in_chunks(gzip.compress(good)[:-1]), packed, (422, "unreadable-body")),
        (gzip.compress(many), packed, (413, "too-large")),
        (good, {"Content-Type": "application/json"}, (415, "unsupported-media-type")),
        (good, {"Content-Type": "text/plain"}, (415, "unsupported-media-type")),
        (good, {}, (415, "unsupported-media-type")),
        (good, {"Content-Type": "application/x-ndjson; charset=GBK"}, (415, "unsupported-media-type")),
        (good, NDJSON | {"Content-Encoding": "br"}, (415, "unsupported-media-type")),
        (good, NDJSON | {"Content-Encoding": "gzip, gzip"}, (415, "unsupported-media-type")),
        (good, NDJSON | {"Content-Encoding": "deflate"}, (415, "unsupported-media-type")),
    ]
    for content, headers, expected in cases:
        answer = await gateway.post(URL, content=content, headers=headers)
        assert problem_of(answer) == expected, headers
    assert [count(connection, table) for table in ("coldchain", "dead_letters", "ingest_stats")] == [0, 0, 0]


async def _in_chunks(body: bytes) -> AsyncIterator[bytes]:
    """A body of no announced length."""
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


async def test_requests_are_turned_away_when_too_many_wait(gateway: httpx.AsyncClient, connection: Connection) -> None:
    """429 at once, with when to come back; those that wait are served."""
    held = writers_of(gateway)._requests
    with connection.transaction():
        connection.execute("LOCK TABLE coldchain IN ACCESS EXCLUSIVE MODE")
        waiting = [asyncio.create_task(post(gateway, reading(seq))) for seq in range(WRITERS + WAITING_MAX)]
        await until(lambda: len(held) == len(waiting))
        turned_away = await post(gateway, reading(99))
    assert (*problem_of(turned_away), turned_away.headers["retry-after"]) == (429, "busy", "5")
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * len(waiting)
    assert count(connection, "coldchain") == len(waiting)
    assert (await post(gateway, reading(99))).status_code == 200


async def test_request_is_given_up_when_it_takes_too_long(
    settings: Settings, connection: Connection, one_device: int
) -> None:
    """The caller is told to send again, the statement is ended, and its turn is free for the next."""
    assert one_device
    topic = "tracefleet/v1/D-1/coldchain"
    arrival = Arrival(topic, json.dumps(message(FIELDS["coldchain"])).encode(), datetime.now(UTC))

    async def fill(registry: Registry, batch: Batch) -> None:
        take_in([arrival], registry, batch)

    url = settings.require_database_url()
    async with writers.connect(url, Metrics(CollectorRegistry()), within_seconds=0.5) as writing:
        await writing.registry.loaded.wait()
        with connection.transaction():
            connection.execute("LOCK TABLE coldchain IN ACCESS EXCLUSIVE MODE")
            late = await asyncio.gather(*(writing.store(fill) for _ in range(WRITERS + 1)), return_exceptions=True)
            assert [error.kind for error in late if isinstance(error, ProblemError)] == [NOT_WRITTEN] * len(late)
            await until(lambda: not writing._requests)
        assert count(connection, "coldchain") == 0
    async with writers.connect(url, Metrics(CollectorRegistry())) as writing:
        await writing.registry.loaded.wait()
        assert (await writing.store(fill)).of("coldchain").stored == 1


async def test_request_goes_on_when_the_server_dropped_its_connections(
    gateway: httpx.AsyncClient, connection: Connection
) -> None:
    """What a restart does to idle connections costs no request an error."""
    await post(gateway, reading(0))
    assert _drop(connection) >= 1
    assert counts((await post(gateway, reading(1))).json()["total"]) == (1, 1, 0, 0, 0)


async def test_nothing_is_stored_when_the_database_is_away(
    gateway: httpx.AsyncClient, connection: Connection, server_url: str
) -> None:
    """503 that says when and how to try again; the same body is taken once it is back."""
    await post(gateway, reading(0))
    name = sql.Identifier(connection.info.dbname)
    with psycopg.connect(server_url, autocommit=True) as operator:
        operator.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        _drop(connection)
        body = [reading(0), reading(1)]
        away = await post(gateway, *body)
        operator.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
    assert (*problem_of(away), away.headers["retry-after"]) == (503, "not-written", "5")
    assert "Send the same body again" in away.json()["detail"]
    assert count(connection, "coldchain") == 1
    assert counts((await post(gateway, reading(1))).json()["total"]) == (1, 1, 0, 0, 0)


def _drop(connection: Connection) -> int:
    """End the writers' connections; how many there were."""
    row = connection.execute(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE application_name = 'tracefleet api writer' AND datname = current_database()"
    ).fetchone()
    return int(row[0]) if row is not None else 0


async def test_ledger_is_unknown_while_the_database_was_never_there(make_client: Callable[..., Any]) -> None:
    """503, because every device would be taken for a stranger; a body that cannot be read anyway is not read."""
    async with make_client(database_url="postgresql://me:hush@127.0.0.1:1/trace") as client:
        answer = await post(client, reading())
        assert (*problem_of(answer), answer.headers["retry-after"]) == (503, "ledger-unknown", "5")
        assert problem_of(await client.post(URL, content=b"{}"))[0] == 415


async def test_schema_that_does_not_fit_makes_no_dead_letters(
    gateway: httpx.AsyncClient, connection: Connection
) -> None:
    """No record is to blame: 503, and nothing is stored."""
    connection.execute("ALTER TABLE conflicts RENAME TO elsewhere")
    connection.execute("ALTER TABLE latest RENAME COLUMN seq TO other")
    answer = await post(gateway, reading(0), reading(1))
    assert problem_of(answer) == (503, "schema-not-ready")
    assert [count(connection, table) for table in ("coldchain", "dead_letters", "ingest_stats")] == [0, 0, 0]


async def test_records_are_counted_in_the_metrics(gateway: httpx.AsyncClient) -> None:
    """Under the names of ingest; a session with a broker is not among them."""
    await post(gateway, reading(0), reading(1), b"rubbish")
    text = (await gateway.get("/metrics")).text
    assert 'tracefleet_ingest_records_total{outcome="stored",stream="coldchain"} 2.0' in text
    assert 'tracefleet_ingest_dead_letters_total{reason="bad_json"} 1.0' in text
    assert "tracefleet_ingest_connected" not in text
    assert text.count("# TYPE tracefleet_build_info") == 1


async def test_openapi_shows_the_body_the_answer_and_the_limits(client: httpx.AsyncClient) -> None:
    """The examples are true: the body's is read, and the answer's has the answer's members."""
    document = (await client.get("/api/v1/openapi.json")).json()
    operation = document["paths"][URL]["post"]
    content = operation["requestBody"]["content"]["application/x-ndjson"]
    assert [json.loads(one)["stream"] for one in content["example"].splitlines()] == ["scan", "presence"]
    for limit in (BODY_BYTES_MAX, UNPACKED_BYTES_MAX, LINES_MAX, RECORDS_MAX):
        assert str(limit) in operation["requestBody"]["description"]
    assert set(operation["responses"]) == {"200", "401", "403", "408", "413", "415", "422", "429", "500", "503"}
    for status, slug in (("408", "slow-body"), ("413", "too-large"), ("422", "unreadable-body"), ("429", "busy")):
        refusal = operation["responses"][status]
        assert f"`{slug}`" in refusal["description"]
        problem = {"$ref": "#/components/schemas/Problem"}
        assert refusal["content"] == {"application/problem+json": {"schema": problem}}
    receipt = document["components"]["schemas"]["Receipt"]
    assert set(receipt["example"]) == set(receipt["properties"])
