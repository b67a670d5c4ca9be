"""Liveness, readiness part by part, metrics."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.readiness import BROKER_SECONDS, check_broker

pytestmark = pytest.mark.anyio
PARTS = ("database", "schema", "broker", "ingest")


def closed_port() -> int:
    """A port that nobody listens on: held by nobody since the socket was closed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _parts(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await client.get("/readyz")
    body = answer.json()
    assert list(body["checks"]) == list(PARTS)
    assert body["ready"] == all(part["ok"] for part in body["checks"].values())
    assert answer.status_code == (200 if body["ready"] else 503)
    assert ("retry-after" in answer.headers) == (not body["ready"])
    parts: dict[str, dict[str, Any]] = body["checks"]
    return parts


def _wrong(parts: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, part in parts.items() if not part["ok"]}


async def test_ready_when_everything_is_in_order(client: httpx.AsyncClient, city: Any) -> None:
    """200, each part with what was found."""
    city.worker(lag_seconds=0.25)
    parts = await _parts(client)
    assert _wrong(parts) == set()
    assert parts["schema"]["reason"].startswith("schema version ")
    assert parts["ingest"]["reason"] == "ingest-1 takes messages, lag 0.2 s, 0 unacknowledged"


async def test_not_ready_when_the_database_is_away(make_client: Callable[..., Any]) -> None:
    """The reason names the place and never the password; what only the database knows is said to be unknown."""
    port = closed_port()
    async with make_client(database_url=f"postgresql://me:hush@127.0.0.1:{port}/trace") as client:
        assert (await client.get("/livez")).json() == {"alive": True}
        parts = await _parts(client)
    assert _wrong(parts) == {"database", "schema", "ingest"}
    assert f"the database at 127.0.0.1:{port}/trace cannot be reached" in parts["database"]["reason"]
    assert "hush" not in str(parts)
    assert parts["ingest"]["reason"] == "not known while the database does not answer"


async def test_not_ready_when_the_schema_is_missing(make_client: Callable[..., Any], empty_database_url: str) -> None:
    """The reason says what to run; the routes say the same."""
    async with make_client(database_url=empty_database_url) as client:
        parts = await _parts(client)
        answer = await client.get("/api/v1/devices")
    assert _wrong(parts) == {"schema", "ingest"}
    assert "Run `tracefleet migrate`" in parts["schema"]["reason"]
    assert (answer.status_code, answer.json()["type"]) == (503, "/api/v1/problems#schema-not-ready")


async def test_not_ready_when_the_schema_is_newer(client: httpx.AsyncClient, city: Any) -> None:
    """A database of a newer release asks for a newer tracefleet."""
    city.worker()
    city.connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum, flavour)"
        " SELECT max(version) + 1, 'of_tomorrow', '', min(flavour) FROM schema_migrations"
    )
    parts = await _parts(client)
    assert _wrong(parts) == {"schema", "ingest"}
    assert "Upgrade tracefleet" in parts["schema"]["reason"]


async def test_not_ready_when_the_broker_is_away(make_client: Callable[..., Any], city: Any) -> None:
    """The reason names the place and the setting, never the password."""
    city.worker()
    port = closed_port()
    async with make_client(broker_url=f"mqtt://me:hush@127.0.0.1:{port}") as client:
        parts = await _parts(client)
    assert _wrong(parts) == {"broker"}
    assert parts["broker"]["reason"] == (
        f"the broker at 127.0.0.1:{port} cannot be reached: Connect call failed ('127.0.0.1', {port}). "
        "Check TRACEFLEET_BROKER_URL and that the broker runs."
    )


async def test_broker_is_given_a_second_when_it_does_not_take_connections() -> None:
    """A full queue of connections is no answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        waiting: list[socket.socket] = []
        while len(waiting) < 8:  # more than the kernel rounds a backlog of 0 up to
            knock = socket.socket()
            knock.setblocking(False)
            knock.connect_ex(silent.getsockname())
            waiting.append(knock)
        found = await check_broker(f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        for knock in waiting:
            knock.close()
    assert not found.ok
    assert f"no answer within {BROKER_SECONDS:g} s" in found.reason


async def test_not_ready_when_ingest_is_not_well(client: httpx.AsyncClient, city: Any) -> None:
    """Never started, silent, stopped, cut off, behind: each has its sentence."""
    found = [(await _parts(client))["ingest"]]
    for state in (
        {"heartbeat_at": datetime.now(UTC) - timedelta(seconds=100)},
        {"stopped_reason": "the disk of the database is full"},
        {"connected": False},
        {"lag_seconds": 90.0},
    ):
        city.connection.execute("DELETE FROM workers")
        city.worker(**state)
        found.append((await _parts(client))["ingest"])
    assert [part["ok"] for part in found] == [False] * 5
    expected = (
        "no ingest process has reported yet. Start one",
        "ingest-1 was last heard 10",
        "ingest-1 has stopped: the disk of the database is full",
        "ingest-1 is not connected to the broker",
        "ingest-1 is behind: a message has waited 90 s",
    )
    assert [part["reason"].startswith(start) for part, start in zip(found, expected, strict=True)] == [True] * 5, found


async def test_ready_when_one_of_two_ingest_processes_is_well(client: httpx.AsyncClient, city: Any) -> None:
    """One is enough; the trouble of the other is told, and one that vanished is named; one that was stopped is not."""
    city.worker("a", connected=False)
    city.worker("b")
    nine_days_ago = datetime.now(UTC) - timedelta(days=9)
    city.worker("c", heartbeat_at=nine_days_ago, stopped_at=nine_days_ago)
    city.worker("d", heartbeat_at=nine_days_ago)
    ingest = (await _parts(client))["ingest"]
    assert ingest["ok"]
    assert "a is not connected to the broker" in ingest["reason"]
    assert "c was" not in ingest["reason"]
    assert "d was last heard 777600 s ago and took no leave: start it again under its name" in ingest["reason"]


async def test_metrics_count_by_area(client: httpx.AsyncClient) -> None:
    """A device number, an unknown address or an odd method makes no series of its own."""
    for address in ("/api/v1/devices/SECRET-1", "/api/v1/devices/SECRET-2", "/SECRET-3", "/api/v1/devices?limit=0"):
        await client.get(address)
    await client.request("SECRET", "/livez")
    await client.head("/livez")
    answer = await client.get("/metrics")
    lines = [line for line in answer.text.splitlines() if line.startswith("tracefleet_api_requests_total{")]
    assert sorted(line for line in lines if not line.endswith(" 0.0")) == [
        'tracefleet_api_requests_total{area="devices",status="4xx"} 3.0',
        'tracefleet_api_requests_total{area="livez",status="2xx"} 1.0',
        'tracefleet_api_requests_total{area="livez",status="4xx"} 1.0',
        'tracefleet_api_requests_total{area="unmatched",status="4xx"} 1.0',
    ]
    assert "SECRET" not in answer.text
    assert 'tracefleet_build_info{version="' in answer.text
    assert 'tracefleet_api_request_seconds_count{access="read"} 5.0' in answer.text
    assert 'tracefleet_api_request_seconds_count{access="write"} 1.0' in answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
