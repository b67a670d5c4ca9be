"""Events as they come: over a real server, by clients that come, resume, hang and leave."""

import http.client
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from api import events, feed
from api.events import gap_of
from fleet.events import Event, record
from store.settings import Settings

Connection = psycopg.Connection[Any]


class Stream:
    """A client of the events, which reads them one by one."""

    def __init__(self, settings: Settings, query: str = "", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", settings.api_port, timeout=10)
        self._connection.request("GET", f"/api/v1/events{query}", headers=headers)
        self.answer = self._connection.getresponse()

    def block(self) -> dict[str, str]:
        """The next event or comment, by the names of its fields; empty at the end."""
        fields: dict[str, str] = {}
        while line := self.answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        return fields

    def event(self) -> tuple[str, str, Any]:
        """The next event: its id, kind and data. Comments are passed over."""
        while "data" not in (fields := self.block()):
            assert fields, "the stream ended"
        return fields.get("id", ""), fields["event"], json.loads(fields["data"])

    def close(self) -> None:
        """Leave."""
        self.answer.close()
        self._connection.close()


@contextmanager
def _watching(settings: Settings, query: str = "", **headers: str) -> Iterator[Stream]:
    """A client that is being told: what is recorded from now on comes to it."""
    stream = Stream(settings, query, **headers)
    try:
        assert stream.block()["retry"] == "3000"
        if "after" not in query:
            assert int(stream.block()["id"]) >= 0
        yield stream
    finally:
        stream.close()


def _tell(connection: Connection, *subjects: str, kind: str = "case.approved") -> None:
    record(connection, [Event(kind, subject, {"n": 1}) for subject in subjects])


def _listeners(connection: Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tracefleet api events'"
        " AND datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_events_come_in_order_filtered_and_are_resumed(
    settings: Settings, running: Callable[..., Any], connection: Connection
) -> None:
    """One listener for all clients, and none when they have left; the server ends at once with clients connected."""
    with running(settings) as process:
        _tell(connection, "old-1", "old-2", kind="finding.opened")
        with (
            _watching(settings, "?after=0") as everything,
            _watching(settings, "?after=0&kind=case.&kind=device.lost") as cases,
        ):
            assert everything.answer.headers["content-type"].startswith("text/event-stream")
            assert [everything.event()[2]["subject"] for _ in range(2)] == ["old-1", "old-2"]
            _tell(connection, "C-1")
            _tell(connection, "D-1", kind="device.idle")
            _tell(connection, "D-2", kind="device.lost")
            told = [everything.event() for _ in range(3)]
            assert [(kind, data["subject"]) for _, kind, data in told] == [
                ("case.approved", "C-1"),
                ("device.idle", "D-1"),
                ("device.lost", "D-2"),
            ]
            assert sorted(told[0][2]) == ["at", "data", "kind", "subject"]
            assert [cases.event()[2]["subject"] for _ in range(2)] == ["C-1", "D-2"]
            assert _listeners(connection) == 1
            # What the browser sends counts more than the address, which is the same at each try.
            with _watching(settings, "?after=0", **{"Last-Event-ID": told[0][0]}) as resumed:
                assert [resumed.event()[2]["subject"] for _ in range(2)] == ["D-1", "D-2"]
            process.send_signal(signal.SIGTERM)
            assert "stops" in everything.block()[""]
            assert everything.block() == {}
            output, _ = process.communicate(timeout=10)
            assert process.returncode == 0, output


def test_listener_ends_with_its_last_client(
    settings: Settings, running: Callable[..., Any], connection: Connection
) -> None:
    """And another begins with the next."""
    with running(settings):
        for subject in ("C-1", "C-2"):
            with _watching(settings, "?after=0") as stream:
                _tell(connection, subject)
                while stream.event()[2]["subject"] != subject:
                    pass
                assert _listeners(connection) == 1
            _until(lambda: _listeners(connection) == 0)


def test_event_of_a_transaction_that_ends_later_is_not_lost(
    settings: Settings, running: Callable[..., Any], connection: Connection, database_url: str
) -> None:
    """Its number is smaller, so those after it wait; a number that was rolled back delays nobody."""
    with running(settings), psycopg.connect(database_url) as slow, psycopg.connect(database_url) as sorry:
        with _watching(settings) as stream:
            _tell(connection, "first")
            first, _, _ = stream.event()
            _tell(sorry, "never")
            _tell(slow, "slow")
            _tell(connection, "quick")
            sorry.rollback()
            # A client that comes now is told neither, and both when the transaction has ended.
            with _watching(settings, f"?after={first}") as other:
                slow.commit()
                assert [stream.event()[2]["subject"] for _ in range(2)] == ["slow", "quick"]
                assert [other.event()[2]["subject"] for _ in range(2)] == ["slow", "quick"]
        with _watching(settings, f"?after={first}") as resumed:
            assert [resumed.event()[2]["subject"] for _ in range(2)] == ["slow", "quick"]


def test_client_that_begins_while_a_transaction_is_open_gets_its_event(
    settings: Settings, running: Callable[..., Any], connection: Connection, database_url: str
) -> None:
    """Also when larger numbers were there before the first client came."""
    with running(settings), psycopg.connect(database_url) as slow:
        _tell(slow, "slow")
        _tell(connection, "quick")
        with _watching(settings, "?after=0") as stream:
            _until(lambda: _listeners(connection) == 1)
            slow.commit()
            assert [stream.event()[2]["subject"] for _ in range(2)] == ["slow", "quick"]


def test_resume_point_that_is_gone_is_said(
    settings: Settings, running: Callable[..., Any], connection: Connection
) -> None:
    """Then what is kept is told."""
    with running(settings):
        _tell(connection, *(f"C-{number}" for number in range(5)))
        connection.execute("DELETE FROM events WHERE subject < 'C-3'")
        with _watching(settings, "?after=1") as stream:
            told = [stream.event() for _ in range(3)]
        assert told[0][1:] == ("gap", {"after": 1, "oldest": 4})
        assert [data["subject"] for _, _, data in told[1:]] == ["C-3", "C-4"]


@pytest.mark.parametrize(
    ("after", "oldest", "taken", "is_gap"),
    [
        (None, 4, 9, False),
        (0, 4, 9, False),
        (3, 4, 9, False),
        (2, 4, 9, True),
        (9, 4, 9, False),
        (10, 4, 9, True),
        (9, None, 9, False),
        (5, None, 9, True),
    ],
)
def test_gap_when(after: int | None, oldest: int | None, taken: int, is_gap: bool) -> None:
    """Between the last that was seen and the oldest that is kept something may be missing; or it never was."""
    newest = taken if oldest else 0
    assert (gap_of(after, oldest=oldest, newest=newest, taken=taken) is not None) == is_gap


def test_client_that_does_not_read_is_dropped_and_told(
    settings: Settings, running: Callable[..., Any], connection: Connection
) -> None:
    """Nothing grows for it, others are not held up, and it goes on where it was."""
    large = "x" * 8000
    with running(settings), socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect(("127.0.0.1", settings.api_port))
        idle.sendall(b"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with _watching(settings, "?after=0&kind=case.last") as other:
            _until(lambda: _listeners(connection) == 1)
            for _ in range(60):
                record(connection, [Event("case.large", "C", {"text": large}) for _ in range(20)])
            _tell(connection, "end", kind="case.last")
            assert other.event()[2]["subject"] == "end"
        idle.settimeout(10)
        received = bytearray()
        while chunk := idle.recv(1 << 16):
            received += chunk
            if b"0\r\n\r\n" in chunk[-16:]:
                break
    assert b"event: dropped" in received
    # Some megabytes fit into the buffers of both ends; what was told is short of all there was.
    assert received.count(b"event: case.large") < 1200


@pytest.mark.anyio
async def test_head_ends_and_limits_are_problems(client: httpx.AsyncClient) -> None:
    """A HEAD is not answered for ever; what is no number or no kind is refused; and so is one client too many."""
    assert (await client.head("/api/v1/events")).headers["content-type"].startswith("text/event-stream")
    for query in ("after=-1", "after=x", "kind=A", "kinds=case.", f"after={2**63}"):
        assert (await client.get(f"/api/v1/events?{query}")).status_code == 422, query
    app = client._transport.app  # type: ignore[attr-defined]
    watching = [app.state.feed.watching([]) for _ in range(feed.WATCHERS_MAX)]
    for one in watching:
        one.__enter__()
    answer = await client.get("/api/v1/events")
    for one in watching:
        one.__exit__(None, None, None)
    assert (answer.status_code, answer.json()["type"]) == (503, "/api/v1/problems#too-many-watchers")
    assert answer.headers["retry-after"]


@pytest.mark.anyio
async def test_quiet_stream_has_a_heartbeat() -> None:
    """A comment whenever nothing came for a while: here, a watcher that waits a moment and gets nothing."""
    watcher = feed.Watcher([], 0)
    assert await watcher.take(within_seconds=0.01) == b""
    assert events.HEARTBEAT_SECONDS == 15


@pytest.mark.anyio
async def test_stream_is_measured_to_its_head(client: httpx.AsyncClient) -> None:
    """What comes after says how long the client stayed, and nothing of the server."""
    await client.head("/api/v1/events")
    text = (await client.get("/metrics")).text
    [line] = [one for one in text.splitlines() if one.startswith('tracefleet_api_request_seconds_count{access="read"}')]
    assert line.endswith(" 1.0")


def test_stream_ends_with_the_session_it_was_begun_with(
    settings: Settings, running: Callable[..., Any], connection: Connection
) -> None:
    """Whoever is logged out hears no more, though his connection is open; whoever is not, does."""
    connection.execute("INSERT INTO users (name, roles, must_change) VALUES ('li', '{viewer}', false)")
    for token in ("stays", "goes"):
        connection.execute(
            "INSERT INTO sessions (token_sha256, user_id, address, expires_at)"
            " SELECT sha256(%s::bytea), user_id, 'x', now() + INTERVAL '1 hour' FROM users",
            (token.encode(),),
        )
    with (
        running(settings),
        _watching(settings, Cookie="tracefleet_session=stays") as stays,
        _watching(settings, Cookie="tracefleet_session=goes") as goes,
    ):
        connection.execute("UPDATE sessions SET revoked_at = now() WHERE token_sha256 = sha256('goes')")
        told: list[str] = []

        def is_over() -> bool:
            _tell(connection, "C-1")
            told.append(stays.event()[2]["subject"])
            said = goes.block()
            return "not open this any more" in said.get("", "")

        _until(is_over)
        assert goes.block() == {}
        assert set(told) == {"C-1"}
