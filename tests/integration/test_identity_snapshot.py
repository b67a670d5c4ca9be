"""The identities in memory: loaded whole, renewed when the ledger changes, and what they answer."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from fleet.identity.secret import digest
from fleet.identity.snapshot import CHUNK, Admitted, Denied, Identities
from store.database import connect_service

Connection = psycopg.Connection[tuple[object, ...]]
VISIBLE_SECONDS = 2.0
CREDENTIAL = """
INSERT INTO credentials (device_id, kind, secret_sha256, certificate_sha256)
SELECT device_id, %(kind)s, %(secret)s, %(certificate)s FROM devices WHERE device_no = %(device_no)s
"""


def give(
    connection: Connection, device_no: str, *, secret: str | None = None, certificate: bytes | None = None
) -> None:
    """A credential, straight into the table."""
    given = {
        "device_no": device_no,
        "kind": "password" if secret is not None else "certificate",
        "secret": digest(secret) if secret is not None else None,
        "certificate": certificate,
    }
    connection.execute(CREDENTIAL, given)


async def loaded(database_url: str, identities: Identities | None = None) -> Identities:
    """The identities of now."""
    identities = identities or Identities()
    async with await connect_service(database_url, application_name="test") as connection:
        await identities.load(connection)
    return identities


def outcome(
    identities: Identities,
    username: str | None,
    secret: str | None,
    client_id: str | None,
    certificate: bytes | None = None,
) -> str:
    """What somebody is answered."""
    found = identities.authenticate(username, secret, client_id, certificate, now=datetime.now(UTC))
    return found.reason if isinstance(found, Denied) else f"{found.identity.device_no} by {found.credential_id}"


async def test_every_device_is_loaded_with_all_its_credentials(
    database_url: str, connection: Connection, register: Callable[..., None]
) -> None:
    """Whatever chunks the rows come in."""
    register("D-0")
    connection.execute(
        "INSERT INTO devices (device_no, model_id, site_id)"
        " SELECT 'D-' || n, model_id, site_id FROM devices, generate_series(1, %s) AS n",
        (CHUNK,),
    )
    connection.execute(
        "INSERT INTO credentials (device_id, kind, secret_sha256)"
        " SELECT device_id, 'password', sha256((device_no || n)::bytea) FROM devices, generate_series(1, 3) AS n"
    )
    identities = await loaded(database_url)
    assert len(identities) == CHUNK + 1
    assert {len(identity.credentials) for identity in identities} == {3}
    assert identities.newest_credential_id == 3 * (CHUNK + 1)


async def test_what_did_not_change_is_the_same_object(
    database_url: str, connection: Connection, register: Callable[..., None]
) -> None:
    """So a change is found without comparing everything."""
    for device_no in ("A", "B"):
        register(device_no)
    identities = await loaded(database_url)
    before = {device_no: identities.get(device_no) for device_no in ("A", "B")}
    changes: list[set[str]] = []
    identities.watch(lambda old, new: changes.append({no for no in new if new[no] is not old.get(no)}))
    give(connection, "A", secret="s")
    await loaded(database_url, identities)
    assert changes == [{"A"}]
    assert identities.get("B") is before["B"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO credentials (device_id, kind, secret_sha256) SELECT 1, 'password', sha256('x')",
        "UPDATE devices SET state = 'disposed'",
        "DELETE FROM devices",
    ],
)
async def test_change_is_visible_within_two_seconds(
    database_url: str, connection: Connection, register: Callable[..., None], statement: str
) -> None:
    """Notified, not polled."""
    register("A")
    identities = Identities()
    changed = asyncio.Event()
    following = asyncio.create_task(identities.follow(database_url))
    await identities.loaded.wait()
    before = identities.get("A")
    identities.watch(lambda _, new: changed.set() if new.get("A") is not before else None)
    begun = time.monotonic()
    await asyncio.to_thread(connection.execute, statement.encode())
    await asyncio.wait_for(changed.wait(), 20)
    assert time.monotonic() - begun < VISIBLE_SECONDS
    following.cancel()


async def test_device_is_admitted_by_secret_or_certificate(
    database_url: str, connection: Connection, register: Callable[..., None]
) -> None:
    """A secret that was given must be right; a certificate needs no name; the client id is the number in any case."""
    register("A")
    register("B")
    give(connection, "A", secret="of A")
    give(connection, "A", certificate=b"a" * 32)
    identities = await loaded(database_url)
    assert outcome(identities, "A", "of A", "A") == "A by 1"
    assert outcome(identities, "A", None, "A", certificate=b"a" * 32) == "A by 2"
    assert outcome(identities, None, None, "A", certificate=b"a" * 32) == "A by 2"
    assert outcome(identities, None, None, "B", certificate=b"a" * 32) == "wrong_client_id"
    assert outcome(identities, "A", "wrong", "A", certificate=b"a" * 32) == "wrong_secret"
    assert outcome(identities, "B", None, "B", certificate=b"a" * 32) == "wrong_secret"
    assert outcome(identities, None, None, "A", certificate=b"x" * 32) == "no_credentials"
    assert outcome(identities, None, "of A", "A") == "no_credentials"
    assert outcome(identities, "B", "of A", "B") == "wrong_secret"
    assert outcome(identities, "A", "of A", None) == "wrong_client_id"
    assert outcome(identities, "A", "\ud800", "A") == "wrong_secret"


async def test_credential_ends_at_its_time(
    database_url: str, connection: Connection, register: Callable[..., None]
) -> None:
    """Not a moment later, and who is admitted before is told when."""
    register("A")
    give(connection, "A", secret="s")
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    connection.execute("UPDATE credentials SET expires_at = %s", (ends_at,))
    identities = await loaded(database_url)
    before = identities.authenticate("A", "s", "A", now=ends_at - timedelta(microseconds=1))
    assert isinstance(before, Admitted)
    assert before.expires_at == ends_at
    assert identities.authenticate("A", "s", "A", now=ends_at) == Denied("expired", before.identity.device_id)
