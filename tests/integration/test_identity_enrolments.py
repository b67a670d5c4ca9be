"""One-time codes: used once, by one, in time, and not to be guessed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.errors import RefusedError, UnknownEntryError
from fleet.identity.credentials import credentials_of, issue
from fleet.identity.enrolments import OVERLAP, TRIES, invite, redeem
from fleet.identity.secret import code_digest
from fleet.keys import Keys

Connection = psycopg.Connection[tuple[Any, ...]]
Register = Callable[[str], None]
Change = Callable[..., AbstractContextManager[object]]
NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
DAY = timedelta(days=1)
WRONG = "00000-00000"


@pytest.fixture
def change(tmp_path: Path) -> Change:
    """A change of the ledger by somebody, over a connection."""
    keys = Keys(tmp_path / "key")
    return lambda connection: acting(connection, Actor("wang", "test"), keys=keys)


def _invite(connection: Connection, change: Change, device_no: str = "D-1", valid_for: timedelta = DAY) -> str:
    with change(connection):
        [made] = invite(connection, [device_no], valid_for=valid_for, now=NOW)
    return made.code


def _redeem(
    connection: Connection, change: Change, code: str, device_no: str = "D-1", now: datetime = NOW
) -> str | None:
    with change(connection):
        issued = redeem(connection, device_no, code, now=now)
    return issued.secret if issued else None


def test_code_gives_the_password_once(connection: Connection, register: Register, change: Change) -> None:
    """Typed in whatever case; what was there before goes on for the overlap."""
    register("D-1")
    with change(connection):
        issue(connection, "D-1", now=NOW)
    code = _invite(connection, change)
    assert _redeem(connection, change, code.lower().replace("-", " ")) is not None
    assert _redeem(connection, change, code) is None
    new, old = credentials_of(connection, "D-1", now=NOW)
    assert (new.note, new.expires_at, old.expires_at) == ("enrolled", None, NOW + OVERLAP)


def test_code_is_kept_as_a_digest(connection: Connection, register: Register, change: Change) -> None:
    """Neither the audit nor what holds it shows it."""
    register("D-1")
    with change(connection):
        [made] = invite(connection, ["D-1"], valid_for=DAY, now=NOW)
    assert made.code not in repr(made)
    assert connection.execute("SELECT code_sha256, expires_at FROM enrolments").fetchall() == [
        (code_digest(made.code), NOW + DAY)
    ]
    audited = connection.execute("SELECT string_agg(a::text, '') FROM audit AS a").fetchone()
    assert audited is not None
    assert made.code not in audited[0]
    assert made.code.replace("-", "") not in audited[0]


def test_code_is_good_until_it_expires(connection: Connection, register: Register, change: Change) -> None:
    """Not at the instant of its end."""
    register("D-1")
    code = _invite(connection, change)
    assert _redeem(connection, change, code, now=NOW + DAY) is None
    assert _redeem(connection, change, code, now=NOW + DAY - timedelta(microseconds=1)) is not None


def test_code_is_void_when_another_is_made(connection: Connection, register: Register, change: Change) -> None:
    """One at a time: a code that got lost ends with the next."""
    register("D-1")
    first, second = _invite(connection, change), _invite(connection, change)
    assert _redeem(connection, change, first) is None
    assert _redeem(connection, change, second) is not None


def test_code_is_of_one_device(connection: Connection, register: Register, change: Change) -> None:
    """It opens nothing else; a device that does not exist is answered alike."""
    register("D-1")
    register("D-2")
    code = _invite(connection, change)
    assert _redeem(connection, change, code, "D-2") is None
    assert _redeem(connection, change, code, "D-9") is None
    assert _redeem(connection, change, code) is not None


def test_wrong_tries_void_the_code(connection: Connection, register: Register, change: Change) -> None:
    """The right one does not help any more; that it was voided is in the audit, each wrong try is not."""
    register("D-1")
    code = _invite(connection, change)
    for _ in range(TRIES):
        assert _redeem(connection, change, WRONG) is None
    assert _redeem(connection, change, code) is None
    audited = connection.execute("SELECT action FROM audit WHERE entity = 'enrolments' ORDER BY audit_id").fetchall()
    assert audited == [("insert",), ("update",)]
    assert connection.execute("SELECT failures FROM enrolment_failures").fetchall() == [(TRIES,)]


def test_few_wrong_tries_leave_the_code(connection: Connection, register: Register, change: Change) -> None:
    """A slip of the finger is no attack."""
    register("D-1")
    code = _invite(connection, change)
    for _ in range(TRIES - 1):
        _redeem(connection, change, WRONG)
    assert _redeem(connection, change, code) is not None


def test_retired_device_is_not_enrolled(connection: Connection, register: Register, change: Change) -> None:
    """Its open code is void, and it gets no other."""
    register("D-1")
    code = _invite(connection, change)
    connection.execute("UPDATE devices SET state = 'lost'")
    assert _redeem(connection, change, code) is None
    with pytest.raises(RefusedError, match=r"D-1 \(lost\)"):
        _invite(connection, change)
    with pytest.raises(UnknownEntryError, match="no device D-9"):
        _invite(connection, change, "D-9")


@pytest.mark.parametrize("span", [timedelta(), timedelta(days=31)])
def test_code_is_refused_when_its_time_is_none(
    connection: Connection, register: Register, change: Change, span: timedelta
) -> None:
    """A one-time code that is good for a year is a password that nobody sees used."""
    register("D-1")
    with pytest.raises(RefusedError):
        _invite(connection, change, valid_for=span)


def test_one_of_many_wins_when_they_use_a_code_at_once(
    connection: Connection, register: Register, change: Change, database_url: str
) -> None:
    """Exactly one password is given."""
    register("D-1")
    code = _invite(connection, change)
    together = Barrier(8)

    def one(_: int) -> str | None:
        with psycopg.connect(database_url, autocommit=True) as own:
            together.wait(10)
            return _redeem(own, change, code)

    with ThreadPoolExecutor(8) as threads:
        secrets = [secret for secret in threads.map(one, range(8)) if secret is not None]
    assert len(secrets) == 1
    assert len(credentials_of(connection, "D-1", now=NOW)) == 1
