"""When the database is slow, silent, restarted or away: a problem in time, and normal service once it is back."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from api import database
from api.problems import TOO_SLOW, UNAVAILABLE, ProblemError
from store.settings import Settings

pytestmark = pytest.mark.anyio
ROUTES = (
    "/api/v1/dead-letters?count=true",
    "/api/v1/dead-letters/1",
    "/api/v1/dead-letters/1/payload",
    "/api/v1/devices?count=true",
    "/api/v1/devices/D-1",
    "/api/v1/devices/D-1/latest",
    "/api/v1/devices/D-1/records/status",
    "/api/v1/ingest/stats",
    "/api/v1/sites",
)


async def test_every_route_is_unavailable_when_the_database_is_away(make_client: Callable[..., Any]) -> None:
    """503 with Retry-After from each, at the same time and in time; the page is shown all the same; told once."""
    with capture_logs() as logs:
        async with make_client(database_url="postgresql://me:hush@127.0.0.1:1/trace") as client, asyncio.timeout(30):
            answers = await asyncio.gather(*map(client.get, ROUTES))
            page = await client.get("/")
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (503, "/api/v1/problems#database-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert "hush" not in answer.text
    assert (page.status_code, "<b>–</b>台账设备" in page.text) == (200, True)
    assert [line["event"] for line in logs if line["event"].startswith("database")] == ["database does not answer"]
    assert "hush" not in str(logs)


async def test_requests_go_on_when_the_server_drops_every_connection(client: httpx.AsyncClient, city: Any) -> None:
    """What a restart does to a pool costs no request an error."""
    assert (await client.get("/api/v1/devices")).status_code == 200
    dropped = city.connection.execute(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE application_name = 'tracefleet api' AND datname = current_database()"
    ).fetchone()
    assert dropped[0] >= 1
    assert (await client.get("/api/v1/devices")).status_code == 200


async def test_requests_go_on_when_the_database_is_back(client: httpx.AsyncClient, city: Any, server_url: str) -> None:
    """Away long enough for the pool to lose heart, and answering again within seconds of its return."""
    name = sql.Identifier(city.connection.info.dbname)
    with psycopg.connect(server_url, autocommit=True) as operator, capture_logs() as logs:
        operator.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        city.connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'tracefleet api' AND datname = current_database()"
        )
        statuses = [(await client.get("/api/v1/devices")).status_code for _ in range(4)]
        operator.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
        async with asyncio.timeout(10):
            while (await client.get("/api/v1/devices")).status_code != 200:
                pass
    assert statuses == [503] * 4
    events = [line["event"] for line in logs if line["event"].startswith("database")]
    assert events == ["database does not answer", "database answers again"]


async def test_request_is_too_slow_when_a_statement_does_not_end(client: httpx.AsyncClient, city: Any) -> None:
    """A table that somebody holds: the server ends the statement, and the answer says so."""
    with city.connection.transaction():
        city.connection.execute("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE")
        answer = await client.get("/api/v1/devices")
    assert (answer.status_code, answer.json()["type"]) == (504, "/api/v1/problems#too-slow")
    assert (await client.get("/api/v1/devices")).status_code == 200


async def test_read_ends_when_the_server_falls_silent(settings: Settings, city: Any) -> None:
    """No answer within the time given is unavailable, and the pool is good for the next read."""
    async with database.connect(settings) as connected:
        with city.connection.transaction():
            city.connection.execute("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(ProblemError) as silent:
                await connected.fetch("SELECT count(*) AS n FROM devices", within_seconds=0.3)
        assert silent.value.kind is UNAVAILABLE
        assert await connected.fetch("SELECT count(*) AS n FROM devices") == [{"n": 0}]


async def test_reads_wait_in_vain_when_every_connection_is_taken(settings: Settings) -> None:
    """More slow reads than connections: the ones that find none are unavailable, nothing hangs."""
    async with database.connect(settings) as connected, asyncio.timeout(30):
        reads = [connected.fetch("SELECT pg_sleep(4)") for _ in range(database.POOL_SIZE + 2)]
        results = await asyncio.gather(*reads, return_exceptions=True)
    refused = [result.kind for result in results if isinstance(result, ProblemError)]
    assert refused == [UNAVAILABLE, UNAVAILABLE]


async def test_connections_are_guarded(make_settings: Callable[..., Settings], database_url: str) -> None:
    """Reads only, in UTC, with a limit; what the operator's URL asks for stays, as far as it is not ours."""
    mark = "&" if "?" in database_url else "?"
    url = f"{database_url}{mark}options=-c%20work_mem%3D7MB%20-c%20timezone%3DAsia/Shanghai"
    async with database.connect(make_settings(database_url=url)) as connected:
        [row] = await connected.fetch(
            "SELECT current_setting('statement_timeout') AS t, current_setting('timezone') AS z,"
            " current_setting('work_mem') AS m, current_setting('application_name') AS n"
        )
        assert row == {"t": "5s", "z": "UTC", "m": "7MB", "n": "tracefleet api"}
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await connected.fetch("DELETE FROM devices RETURNING 1")
        with pytest.raises(ProblemError) as slow:
            await connected.fetch("SELECT pg_sleep(60)")
    assert slow.value.kind is TOO_SLOW
