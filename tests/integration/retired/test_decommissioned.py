"""From the moment a device is decommissioned its identity is retired, wherever the thing itself still is."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.errors import RefusedError
from fleet.identity.credentials import add_certificate, credentials_of, issue, rotate
from fleet.identity.enrolments import invite, redeem
from fleet.identity.holders import Choice as Holders
from fleet.identity.holders import choose
from fleet.identity.outsiders import look
from fleet.identity.snapshot import Denied, Identities
from fleet.keys import Keys
from fleet.labels.label import read_labels
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.quarantine import Choice
from ingest.registry import Registry
from ingest.replay import replay
from ingest.writer import write
from store.database import connect_service

Connection = psycopg.Connection[tuple[Any, ...]]
Register = Callable[..., None]
Receive = Callable[..., Awaitable[None]]
Change = Callable[[], AbstractContextManager[object]]
DAY = timedelta(days=1)


@pytest.fixture
def change(connection: Connection, tmp_path: Path) -> Change:
    """A change of the ledger by somebody."""
    keys = Keys(tmp_path / "key")
    return lambda: acting(connection, Actor("wang", "test"), keys=keys, reason="a test")


def decommission(connection: Connection, device_no: str = "D") -> None:
    """However it comes about: here with psql."""
    connection.execute("UPDATE devices SET decommissioned_at = now() WHERE device_no = %s", (device_no,))


def reading() -> dict[str, object]:
    """A good record."""
    return {"at": datetime.now(UTC).isoformat(), "temperature_c": 2.0}


def letters(connection: Connection) -> list[tuple[Any, ...]]:
    """What was refused, by reason."""
    return connection.execute("SELECT reason, sum(records)::int FROM dead_letters GROUP BY 1 ORDER BY 1").fetchall()


def stored(connection: Connection) -> int:
    """Readings that were stored."""
    row = connection.execute("SELECT count(*)::int FROM coldchain").fetchone()
    return int(row[0]) if row else 0


def test_line_is_over_though_the_will_is_refused(connection: Connection, register: Register) -> None:
    """Of that device alone: it is not shown as online for ever."""
    register("D")
    register("E")
    connection.execute(
        "INSERT INTO device_presence (device_id, boot_id, boot_at, state, state_at, told_at, last_heard_at)"
        " SELECT device_id, 1, now(), 'online', now(), now(), now() FROM devices"
    )
    decommission(connection)
    lines = connection.execute(
        "SELECT device_no, p.state, p.state_at >= decommissioned_at"
        " FROM device_presence AS p JOIN devices USING (device_id) ORDER BY device_no"
    ).fetchall()
    assert lines == [("D", "offline", True), ("E", "online", None)]


def test_credential_is_revoked_and_enrolment_void_whoever_decommissions(
    connection: Connection, register: Register, change: Change
) -> None:
    """Of that device alone, and it is given nothing any more."""
    now = datetime.now(UTC)
    register("D")
    register("E")
    with change():
        for device_no in "DE":
            issue(connection, device_no, now=now)
        invitations = invite(connection, ["D", "E"], valid_for=DAY, now=now)
    decommission(connection)
    states = {no: [(one.state, one.revoked_reason) for one in credentials_of(connection, no, now=now)] for no in "DE"}
    assert states == {"D": [("revoked", "the device is decommissioned")], "E": [("good", None)]}
    with change():
        assert redeem(connection, "D", invitations[0].code, now=now) is None
        assert redeem(connection, "E", invitations[1].code, now=now) is not None
    for give in (
        lambda: issue(connection, "D", now=now),
        lambda: rotate(connection, "D", overlap=DAY, now=now),
        lambda: add_certificate(connection, "D", bytes(32), now=now),
        lambda: invite(connection, ["D"], valid_for=DAY, now=now),
    ):
        with pytest.raises(RefusedError, match=r"D \(decommissioned\)"), change():
            give()
    assert choose(connection, Holders(has_none=False), now=now) == ["E"]


async def test_login_is_refused_as_retired_and_no_gateway_speaks_for_it(
    connection: Connection, register: Register, change: Change, database_url: str
) -> None:
    """Whatever it shows."""
    now = datetime.now(UTC)
    register("D")
    register("G", "gateway")
    connection.execute(
        "UPDATE devices SET gateway_id = (SELECT device_id FROM devices WHERE device_no = 'G') WHERE device_no = 'D'"
    )
    with change():
        secret = issue(connection, "D", now=now).secret
    decommission(connection)
    identities = Identities()
    async with await connect_service(database_url, application_name="test") as opened:
        await identities.load(opened)
    gateway = identities.get("G")
    assert gateway is not None
    assert gateway.behind == ()
    for shown in (secret, "wrong"):
        denied = identities.authenticate("D", shown, "D", now=now)
        assert isinstance(denied, Denied)
        assert denied.reason == "retired"


async def test_message_is_refused_also_when_it_waited_for_its_writing(
    connection: Connection, register: Register, receive: Receive, database_url: str
) -> None:
    """The ledger's word at the time of writing counts; neither is stored by a replay."""
    register("D")
    await receive("D", reading())
    async with await connect_service(database_url, application_name="test") as opened:
        registry = Registry()
        await registry.load(opened)
        batch = Batch()
        payload = b'{"v":1,"boot":"b","seq":7,"records":[{"at":"%s","temperature_c":2}]}' % (
            datetime.now(UTC).isoformat().encode()
        )
        take_in([Arrival("tracefleet/v1/D/coldchain", payload, datetime.now(UTC))], registry, batch)
        birth = b'{"v":1,"boot":"b","state":"online"}'
        take_in([Arrival("tracefleet/v1/D/presence", birth, datetime.now(UTC))], registry, batch)
        decommission(connection)
        await write(opened, batch, worker="w", isolate=True)
    await receive("D", reading(), seq=8)
    assert (stored(connection), letters(connection)) == (1, [("retired_device", 3)])
    async with await connect_service(database_url, application_name="test") as opened:
        done = await replay(opened, Choice())
    assert (done.letters, done.stored, done.refused_again) == (3, 0, 3)
    assert stored(connection) == 1


async def test_letter_from_before_is_not_replayed_once_decommissioned(
    connection: Connection, register: Register, receive: Receive, database_url: str
) -> None:
    """It says why now."""
    await receive("D", reading())
    register("D")
    decommission(connection)
    async with await connect_service(database_url, application_name="test") as opened:
        done = await replay(opened, Choice())
    assert (done.stored, done.refused_again) == (0, 1)
    assert letters(connection) == [("retired_device", 1)]


async def test_empty_message_to_a_retired_device_is_in_no_account(
    connection: Connection, register: Register, database_url: str
) -> None:
    """It is ours, and takes away what the broker retained; from a device that serves it is a bad message as ever."""
    register("D")
    registry, batch = Registry(), Batch()
    async with await connect_service(database_url, application_name="test") as opened:
        await registry.load(opened)
        take_in([Arrival("tracefleet/v1/D/presence", b"", datetime.now(UTC))], registry, batch)
        assert [letter.refusal.reason for letter in batch.dead_letters] == ["bad_json"]
        decommission(connection)
        await registry.load(opened)
    batch = Batch()
    take_in([Arrival("tracefleet/v1/D/presence", b"", datetime.now(UTC))], registry, batch)
    assert (batch.dead_letters, batch.records, len(batch.arrivals)) == ([], 0, 1)


async def test_lists_leave_it_out_and_name_it_when_it_speaks(
    connection: Connection, register: Register, receive: Receive
) -> None:
    """No ghost, no label; a retired identity that still tries."""
    register("D")
    assert look(connection, "ghosts").total == 1
    decommission(connection)
    assert look(connection, "ghosts").total == 0
    assert read_labels(connection, None, limit=10) == []
    assert look(connection, "retired").total == 0
    await receive("D", reading())
    seen = look(connection, "retired")
    assert seen.total == 1
    [row] = seen.rows
    assert (row["device_no"], row["is_retired"], row["state"], row["letters"]) == ("D", True, "in_service", 1)
    assert row["retired_at"] is not None
