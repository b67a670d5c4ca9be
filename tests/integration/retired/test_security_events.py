"""A retired identity that speaks: raised once, counted while it goes on, and dealt with by somebody."""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
import typer
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner, Result

from deploy.commands import security
from fleet.acting import Actor, acting
from fleet.census import take_census
from fleet.errors import RefusedError, UnknownEntryError
from fleet.keys import Keys
from fleet.metrics import Metrics
from fleet.security.attempts import CHANNELS, GRACE
from fleet.security.events import NOTED_EVERY, look, settle, watch
from store.database import connect_service
from store.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]
Register = Callable[..., None]
NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REFUSED = """
INSERT INTO refused_accesses AS r (username, client_id, host, reason, device_id, first_at, last_at, accesses)
SELECT device_no, %(client_id)s, %(host)s, %(reason)s, device_id, %(at)s, %(at)s, %(times)s
FROM devices WHERE device_no = %(device_no)s
ON CONFLICT (username, client_id, host, reason) DO UPDATE SET
    last_at = excluded.last_at, accesses = r.accesses + excluded.accesses
"""
LETTER = """
WITH p AS (
    INSERT INTO dead_letter_payloads (payload_hash, payload)
    VALUES (sha256(convert_to(%(device_no)s || %(at)s::text, 'UTF8')), 'x') RETURNING payload_id)
INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, device_no, stream, received_at)
SELECT 't', payload_id, -1, 2, 'retired_device', 'd', %(device_no)s, 'status', %(at)s FROM p
"""


class Guard:
    """The ledger, what happened at its door, and the fleet's rounds."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self.connection = connection
        self.keys = keys

    @contextmanager
    def acting(self, who: str = "wang") -> Iterator[None]:
        """A change by somebody."""
        with acting(self.connection, Actor(who, "test"), keys=self.keys):
            yield

    def retire(self, device_no: str, at: datetime = NOW) -> None:
        """Decommission it."""
        with self.acting():
            self.connection.execute("UPDATE devices SET decommissioned_at = %s WHERE device_no = %s", (at, device_no))

    def knock(self, device_no: str, at: datetime, *, times: int = 1, reason: str = "retired", host: str = "h") -> None:
        """A login that was refused."""
        given = {"device_no": device_no, "client_id": device_no, "host": host, "reason": reason, "at": at}
        self.connection.execute(REFUSED, given | {"times": times})

    def say(self, device_no: str, at: datetime) -> None:
        """A message that was refused."""
        self.connection.execute(LETTER, {"device_no": device_no, "at": at})

    def round(self, at: datetime) -> int:
        """A round of the fleet."""
        return watch(self.connection, keys=self.keys, now=at)

    def settle(self, number: int, note: str = "found", at: datetime = NOW) -> dict[str, Any]:
        """Dealt with."""
        with self.acting("li"):
            return settle(self.connection, number, note, now=at)

    def seen(self, **chosen: object) -> list[tuple[Any, ...]]:
        """Device, channel, attempts and when, the oldest first."""
        return [
            (row["device_no"], row["channel"], row["attempts"], row["first_at"], row["last_at"])
            for row in reversed(look(self.connection, **chosen))
        ]

    def told(self) -> list[tuple[Any, ...]]:
        """What those who watch heard."""
        return self.connection.execute(
            "SELECT kind, subject, data->>'channel' FROM events ORDER BY event_id"
        ).fetchall()

    def audited(self) -> int:
        """Audited changes of security events."""
        row = self.connection.execute("SELECT count(*)::int FROM audit WHERE entity = 'security_events'").fetchone()
        return int(row[0]) if row else 0


@pytest.fixture
def guard(connection: Connection, register: Register, settings: Settings) -> Guard:
    """Devices D and E."""
    register("D")
    register("E")
    return Guard(connection, Keys.of(settings))


def test_one_event_is_raised_for_each_channel_when_a_retired_device_speaks(guard: Guard) -> None:
    """With who and where; a device that serves is none of its business, whatever it is refused for."""
    guard.retire("D")
    guard.knock("D", NOW + MINUTE, times=3)
    guard.knock("D", NOW + 2 * MINUTE, times=2, host="other")
    guard.knock("E", NOW + MINUTE, reason="revoked")
    guard.say("D", NOW + 3 * MINUTE)
    guard.say("D", NOW + 4 * MINUTE)
    assert guard.round(NOW + 5 * MINUTE) == 2
    assert guard.seen() == [
        ("D", "broker", 5, NOW + MINUTE, NOW + 2 * MINUTE),
        ("D", "ingest", 2, NOW + 3 * MINUTE, NOW + 4 * MINUTE),
    ]
    ingest, broker = look(guard.connection)
    assert broker["evidence"] == {"hosts": ["h", "other"], "client_ids": ["D"], "reasons": ["retired"]}
    assert (ingest["evidence"]["streams"], ingest["evidence"]["records"]) == (["status"], 4)
    assert guard.told() == [("security.retired_speaks", "D", "broker"), ("security.retired_speaks", "D", "ingest")]
    assert guard.round(NOW + 6 * MINUTE) == 0


@pytest.mark.parametrize("state", ["disposed", "lost"])
def test_disposed_device_is_retired_as_well(guard: Guard, state: str) -> None:
    """Since its state is so, and with no case at all."""
    with guard.acting():
        guard.connection.execute("UPDATE devices SET state = %s WHERE device_no = 'D'", (state,))
    row = guard.connection.execute("SELECT retired_at FROM tombstones").fetchone()
    assert row is not None
    guard.knock("D", row[0] - MINUTE, host="before")
    assert guard.round(row[0]) == 0
    guard.knock("D", row[0] + MINUTE)
    assert guard.round(row[0] + MINUTE) == 1


def test_nothing_is_raised_when_it_was_said_before_or_while_the_door_closed(guard: Guard) -> None:
    """What was under way, the broker's word of its last will, and a credential that was revoked earlier."""
    guard.knock("D", NOW - MINUTE, reason="revoked")
    guard.say("D", NOW - MINUTE)
    guard.retire("D")
    guard.say("D", NOW + GRACE)
    assert guard.round(NOW + MINUTE) == 0
    guard.say("D", NOW + GRACE + timedelta(seconds=1))
    assert guard.round(NOW + MINUTE) == 1
    assert [row[2] for row in guard.seen()] == [1]


def test_numbers_are_brought_up_to_date_now_and_then(guard: Guard) -> None:
    """At most every ten minutes, and only when there is something new; told once."""
    guard.retire("D")
    guard.knock("D", NOW)
    assert guard.round(NOW + MINUTE) == 0
    guard.knock("D", NOW + MINUTE)
    assert guard.round(NOW + MINUTE) == 1
    guard.knock("D", NOW + 2 * MINUTE, times=10)
    assert guard.round(NOW + 3 * MINUTE) == 0
    assert guard.audited() == 1
    assert guard.round(NOW + MINUTE + NOTED_EVERY) == 1
    assert guard.seen() == [("D", "broker", 12, NOW, NOW + 2 * MINUTE)]
    assert guard.round(NOW + 3 * NOTED_EVERY) == 0
    assert (guard.audited(), len(guard.told())) == (2, 1)


def test_another_event_is_raised_when_it_tries_after_it_was_settled(guard: Guard) -> None:
    """What was tried until then is dealt with, also what had not been noted yet."""
    guard.retire("D")
    guard.knock("D", NOW + MINUTE, times=3)
    guard.say("D", NOW + MINUTE)
    guard.round(NOW + MINUTE)
    guard.knock("D", NOW + 2 * MINUTE, times=4)
    guard.say("D", NOW + 2 * MINUTE)
    of_ingest, of_broker = (row["security_event_id"] for row in look(guard.connection))
    settled = guard.settle(of_broker, " unplugged ", NOW + 3 * MINUTE)
    assert (settled["attempts"], settled["settled_by"], settled["note"]) == (7, "li", "unplugged")
    assert guard.settle(of_ingest, at=NOW + 3 * MINUTE)["attempts"] == 2
    assert guard.round(NOW + 4 * MINUTE) == 0
    guard.knock("D", NOW + 5 * MINUTE, times=2)
    guard.say("D", NOW + 5 * MINUTE)
    assert guard.round(NOW + 6 * MINUTE) == 2
    assert guard.seen(open=True) == [
        ("D", "broker", 2, NOW + 3 * MINUTE, NOW + 5 * MINUTE),
        ("D", "ingest", 1, NOW + 5 * MINUTE, NOW + 5 * MINUTE),
    ]
    assert len(guard.seen(open=False)) == 2


def test_event_is_settled_once_and_with_a_note(guard: Guard) -> None:
    """Each refusal is a sentence."""
    guard.retire("D")
    guard.knock("D", NOW + MINUTE)
    guard.round(NOW + MINUTE)
    [row] = look(guard.connection)
    number = row["security_event_id"]
    with pytest.raises(RefusedError, match="Say in the note"):
        guard.settle(number, " ")
    with pytest.raises(UnknownEntryError, match="no security event 999"):
        guard.settle(999)
    guard.settle(number)
    with pytest.raises(RefusedError, match="was settled by li already"):
        guard.settle(number)


def test_many_retired_devices_are_one_statement_each_way(guard: Guard) -> None:
    """A thousand that all knock after a campaign: a round is seconds at most, and each has its event."""
    with guard.acting():
        guard.connection.execute(
            "INSERT INTO devices (device_no, model_id, site_id, decommissioned_at)"
            " SELECT 'M' || n, model_id, site_id, %s FROM devices, generate_series(1, 1000) AS n WHERE device_no = 'D'",
            (NOW,),
        )
        guard.connection.execute(
            "INSERT INTO refused_accesses SELECT device_no, device_no, 'h', 'retired', device_id, %s, %s, 1"
            " FROM devices WHERE device_no LIKE 'M%%'",
            (NOW + MINUTE, NOW + MINUTE),
        )
    assert guard.round(NOW + MINUTE) == 1000
    assert guard.round(NOW + 2 * MINUTE) == 0


@pytest.fixture
async def raised(guard: Guard) -> int:
    """The number of an open event of D."""
    guard.retire("D")
    guard.knock("D", NOW + MINUTE)
    guard.round(NOW + MINUTE)
    return int(look(guard.connection)[0]["security_event_id"])


Headers = Callable[..., dict[str, str]]
Walk = Callable[..., Awaitable[list[list[dict[str, Any]]]]]


async def test_api_lists_events_by_filter_and_page(
    client: httpx.AsyncClient, guard: Guard, raised: int, walk: Walk
) -> None:
    """The newest first; an unknown filter is refused."""
    guard.say("D", NOW + 2 * MINUTE)
    guard.round(NOW + 2 * MINUTE)
    pages = await walk(client, "/api/v1/security-events", {"limit": 1})
    assert [[item["channel"] for item in page] for page in pages] == [["ingest"], ["broker"]]
    for query, expected in (
        ({"open": "true"}, 2),
        ({"open": "false"}, 0),
        ({"channel": "broker"}, 1),
        ({"device_no": "D"}, 2),
        ({"device_no": "E"}, 0),
    ):
        told = (await client.get("/api/v1/security-events", params=query)).json()
        assert len(told["items"]) == expected
        assert set(told["remedy"]) == {"zh", "en"}
    [first] = (await client.get("/api/v1/security-events", params={"channel": "broker"})).json()["items"]
    assert (first["security_event_id"], first["device_no"], first["attempts"]) == (raised, "D", 1)
    assert (first["device_state"], first["case_no"]) == ("in_service", None)
    assert (await client.get("/api/v1/security-events", params={"channel": "pigeon"})).status_code == 422
    assert (await client.get("/api/v1/security-events", params={"opened": "true"})).status_code == 422


async def test_api_settles_for_a_fleet_admin_alone(client: httpx.AsyncClient, raised: int, as_role: Headers) -> None:
    """Once, with a note, under the key's name."""
    path = f"/api/v1/security-events/{raised}/settle"
    for headers in ({}, as_role("approver"), as_role("operator")):
        assert (await client.post(path, json={"note": "x"}, headers=headers)).status_code == 403
    admin = as_role("fleet_admin")
    assert (await client.post(path, json={}, headers=admin)).status_code == 422
    done = await client.post(path, json={"note": "已断电"}, headers=admin)
    assert (done.status_code, done.json()["settled_by"], done.json()["note"]) == (200, "fleet_admin", "已断电")
    assert (await client.post(path, json={"note": "again"}, headers=admin)).status_code == 409
    assert (await client.post(path.replace(str(raised), "999"), json={"note": "x"}, headers=admin)).status_code == 404


async def test_census_shows_open_events_by_channel(guard: Guard, raised: int, settings: Settings) -> None:
    """Zero where there is none, and again once it is settled."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    async def counted() -> list[float | None]:
        async with await connect_service(settings.require_database_url(), application_name="test") as opened:
            await take_census(opened, metrics)
        name = "tracefleet_fleet_security_events"
        return [registry.get_sample_value(name, {"channel": channel}) for channel in CHANNELS]

    assert await counted() == [1, 0]
    guard.settle(raised)
    assert await counted() == [0, 0]


def test_commands_show_and_settle(guard: Guard, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 1 while something is open; the table and the JSON say the same."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", settings.require_database_url())
    monkeypatch.setenv("TRACEFLEET_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("COLUMNS", "250")
    app = typer.Typer()
    security.add_to(app)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    assert (run("security").exit_code, "没有已注销设备" in run("security").stdout) == (0, True)
    guard.retire("D")
    guard.knock("D", NOW + MINUTE)
    guard.round(NOW + MINUTE)
    listed = run("security", "--json")
    [item] = json.loads(listed.stdout)["items"]
    assert (listed.exit_code, item["device_no"], item["channel"]) == (1, "D", "broker")
    number = str(item["security_event_id"])
    table = run("security")
    assert (table.exit_code, "broker" in table.stdout, "查明后" in table.stdout) == (1, True, True)
    assert (
        run("security-settle", number, "--note", "已断电").stdout == f"The security event {number} of D is settled.\n"
    )
    assert run("security").exit_code == 0
    assert json.loads(run("security", "--all", "--channel", "broker", "--json").stdout)["items"][0]["note"] == "已断电"
    assert isinstance(run("security-settle", number, "--note", "x").exception, RefusedError)
