"""Credentials of devices in the ledger: given, rotated, ended, and never told again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.errors import RefusedError, UnknownEntryError
from fleet.identity.credentials import (
    Credential,
    add_certificate,
    credentials_of,
    issue,
    issue_many,
    revoke,
    rotate,
)
from fleet.identity.secret import digest
from fleet.keys import Keys

Connection = psycopg.Connection[tuple[Any, ...]]
Register = Callable[[str], None]
Change = Callable[..., AbstractContextManager[object]]
NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def change(connection: Connection, tmp_path: Path) -> Change:
    """A change of the ledger by somebody."""
    keys = Keys(tmp_path / "key")
    return lambda: acting(connection, Actor("wang", "test"), keys=keys, reason="a test")


def _states(credentials: list[Credential]) -> list[str]:
    return [one.state for one in credentials]


def _retire(connection: Connection, device_no: str, state: str = "disposed") -> None:
    connection.execute("UPDATE devices SET state = %s WHERE device_no = %s", (state, device_no))


def test_secret_is_returned_once_and_only_its_digest_is_kept(
    connection: Connection, register: Register, change: Change
) -> None:
    """Neither the table nor the audit has it; the object that holds it does not show it."""
    register("D-1")
    with change():
        issued = issue(connection, "D-1", now=NOW, note="bench", expires_in=DAY)
    assert issued.secret not in repr(issued)
    assert connection.execute("SELECT secret_sha256 FROM credentials").fetchall() == [(digest(issued.secret),)]
    audited = connection.execute("SELECT actor, label, after::text FROM audit WHERE entity = 'credentials'").fetchall()
    assert [(actor, issued.secret in after) for actor, _, after in audited] == [("wang", False)]
    [listed] = credentials_of(connection, "D-1", now=NOW)
    assert (listed.created_by, listed.note, listed.expires_at, listed.state) == ("wang", "bench", NOW + DAY, "good")
    assert issued.secret not in repr(listed)


def test_list_tells_the_last_use_and_the_state_at_a_time(
    connection: Connection, register: Register, change: Change
) -> None:
    """Good until the instant at which it expires; used last from where it was."""
    register("D-1")
    with change():
        issued = issue(connection, "D-1", now=NOW, expires_in=DAY)
    connection.execute("INSERT INTO credential_uses VALUES (%s, %s, '10.0.0.7')", (issued.credential_id, NOW))
    [before] = credentials_of(connection, "D-1", now=NOW + DAY - timedelta(microseconds=1))
    [after] = credentials_of(connection, "D-1", now=NOW + DAY)
    assert (before.state, after.state) == ("good", "expired")
    assert (after.last_used_at, after.last_host) == (NOW, "10.0.0.7")


def test_rotation_leaves_the_old_ones_until_the_overlap_ends(
    connection: Connection, register: Register, change: Change
) -> None:
    """Both are good meanwhile; an end that comes earlier stays, and so does a certificate."""
    register("D-1")
    with change():
        short = issue(connection, "D-1", now=NOW, expires_in=timedelta(hours=1))
        issue(connection, "D-1", now=NOW)
        add_certificate(connection, "D-1", bytes(32), now=NOW)
        new = rotate(connection, "D-1", overlap=DAY, now=NOW)
    ends = {one.credential_id: one.expires_at for one in credentials_of(connection, "D-1", now=NOW)}
    assert list(ends.values()) == [None, None, NOW + DAY, NOW + timedelta(hours=1)]
    assert (ends[new.credential_id], ends[short.credential_id]) == (None, NOW + timedelta(hours=1))
    assert _states(credentials_of(connection, "D-1", now=NOW + DAY)) == ["good", "good", "expired", "expired"]


def test_rotation_without_overlap_revokes_the_old_ones(
    connection: Connection, register: Register, change: Change
) -> None:
    """At once, and it says why."""
    register("D-1")
    with change():
        issue(connection, "D-1", now=NOW)
    with change():
        rotate(connection, "D-1", overlap=timedelta(), now=NOW)
    new, old = credentials_of(connection, "D-1", now=NOW)
    assert (new.state, old.state, old.revoked_reason) == ("good", "revoked", "replaced by a new one")


def test_revoking_ends_one_or_all_and_tells_which(connection: Connection, register: Register, change: Change) -> None:
    """Asking again changes nothing, the first reason stays."""
    register("D-1")
    with change():
        first, second, third = (issue(connection, "D-1", now=NOW).credential_id for _ in range(3))
        assert revoke(connection, "D-1", second, reason="stolen", now=NOW) == [second]
        assert revoke(connection, "D-1", reason="all", now=NOW) == [first, third]
        assert revoke(connection, "D-1", second, reason="again", now=NOW) == []
    assert [one.revoked_reason for one in credentials_of(connection, "D-1", now=NOW)] == ["all", "stolen", "all"]


def test_revoking_is_refused_when_it_is_not_the_devices(
    connection: Connection, register: Register, change: Change
) -> None:
    """A number typed wrong ends nobody else's credential."""
    register("D-1")
    register("D-2")
    with change():
        other = issue(connection, "D-2", now=NOW).credential_id
    with pytest.raises(UnknownEntryError, match=f"Device D-1 has no credential {other}"), change():
        revoke(connection, "D-1", other, reason="wrong", now=NOW)
    with pytest.raises(UnknownEntryError, match="no device D-9"), change():
        revoke(connection, "D-9", reason="wrong", now=NOW)
    assert _states(credentials_of(connection, "D-2", now=NOW)) == ["good"]


@pytest.mark.parametrize("state", ["disposed", "lost"])
def test_retired_device_has_no_good_credential_and_gets_none(
    connection: Connection, register: Register, change: Change, state: str
) -> None:
    """Whoever retires it, by whatever way: what it had is revoked."""
    register("D-1")
    with change():
        issue(connection, "D-1", now=NOW)
    _retire(connection, "D-1", state)
    [old] = credentials_of(connection, "D-1", now=NOW)
    assert (old.state, old.revoked_reason) == ("revoked", f"the device is {state}")
    for give in (
        lambda: issue(connection, "D-1", now=NOW),
        lambda: rotate(connection, "D-1", overlap=DAY, now=NOW),
        lambda: add_certificate(connection, "D-1", bytes(32), now=NOW),
    ):
        with pytest.raises(RefusedError, match=rf"D-1 \({state}\)"), change():
            give()


def test_device_retired_meanwhile_keeps_no_credential(
    connection: Connection, register: Register, change: Change, database_url: str
) -> None:
    """Giving and retiring wait for each other, so the trigger sees what was given."""
    register("D-1")
    with psycopg.connect(database_url, autocommit=True) as other:
        with change():
            issue(connection, "D-1", now=NOW)
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                _retire(other, "D-1")
        _retire(other, "D-1")
    assert _states(credentials_of(connection, "D-1", now=NOW)) == ["revoked"]


@pytest.mark.parametrize("span", [timedelta(), timedelta(seconds=-1), timedelta(days=40_000)])
def test_span_is_refused_when_it_is_none(
    connection: Connection, register: Register, change: Change, span: timedelta
) -> None:
    """A credential that never was good helps nobody."""
    register("D-1")
    with pytest.raises(RefusedError, match="more than nothing"), change():
        issue(connection, "D-1", now=NOW, expires_in=span)


def test_many_are_issued_at_once_or_none(connection: Connection, register: Register, change: Change) -> None:
    """One query for all; the sentence names the first few that are wrong."""
    numbers = [f"D-{n}" for n in range(20)]
    for number in numbers:
        register(number)
    with change():
        secrets = issue_many(connection, [*numbers, "D-3"], now=NOW, note="fleet")
    assert list(secrets) == numbers
    kept = connection.execute("SELECT device_no, secret_sha256 FROM credentials JOIN devices USING (device_id)")
    assert dict(kept.fetchall()) == {number: digest(secret) for number, secret in secrets.items()}
    with pytest.raises(UnknownEntryError, match=r"no device X-0, X-1, X-2, X-3, X-4 and 2 more\."), change():
        issue_many(connection, ["D-1", *(f"X-{n}" for n in range(7))], now=NOW)
    _retire(connection, "D-5")
    with pytest.raises(RefusedError, match=r"D-5 \(disposed\)"), change():
        issue_many(connection, numbers, now=NOW)
    assert connection.execute("SELECT count(*) FROM credentials").fetchone() == (20,)


def test_certificate_belongs_to_one_device(connection: Connection, register: Register, change: Change) -> None:
    """Another that brings the same one is told whose it is; one that was revoked never comes back."""
    register("D-1")
    register("D-2")
    with change():
        added = add_certificate(connection, "D-1", bytes(32), now=NOW, note="2026")
    [listed] = credentials_of(connection, "D-1", now=NOW)
    assert (listed.kind, listed.certificate_sha256, listed.credential_id) == ("certificate", "00" * 32, added)
    with pytest.raises(RefusedError, match="that of device D-1 already"), change():
        add_certificate(connection, "D-2", bytes(32), now=NOW)
    with change():
        revoke(connection, "D-1", reason="stolen", now=NOW)
    with pytest.raises(RefusedError, match="was revoked"), change():
        add_certificate(connection, "D-1", bytes(32), now=NOW)
