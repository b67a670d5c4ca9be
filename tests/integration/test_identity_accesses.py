"""What is remembered of logins: counted, bounded, and kept while the database is away."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from fleet.identity.accesses import (
    MOST_OF_A_DEVICE,
    MOST_REFUSED,
    MOST_STRANGERS,
    TRIM,
    TRIM_DEVICES,
    Accesses,
)
from fleet.identity.snapshot import Admitted, Credential, Denied, Identity
from store.database import connect_service

Connection = psycopg.Connection[tuple[object, ...]]
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
UNKNOWN = Denied("unknown_device")


def admitted(device_id: int = 1, credential_id: int = 1) -> Admitted:
    """A device that was let in."""
    credential = Credential(credential_id, bytes(32), None, None, None)
    return Admitted(Identity(device_id, "A", False, False, (), (credential,)), credential_id, None)


@pytest.fixture
def device(connection: Connection, register: Callable[..., None]) -> int:
    """A device with a credential, both number 1."""
    register("A")
    connection.execute("INSERT INTO credentials (device_id, kind, secret_sha256) VALUES (1, 'password', sha256('x'))")
    return 1


async def flush(accesses: Accesses, database_url: str) -> None:
    """Write what happened."""
    async with await connect_service(database_url, application_name="test") as connection:
        await accesses.flush(connection)


async def test_accesses_add_up_by_host(database_url: str, connection: Connection, device: int) -> None:
    """First and last time, and how often; the credential's last use."""
    accesses = Accesses()
    for count, host in enumerate(("10.0.0.1", "10.0.0.1", "10.0.0.2")):
        accesses.admitted(admitted(device), host, AT + count * SECOND)
    await flush(accesses, database_url)
    accesses.admitted(admitted(device), "10.0.0.1", AT + 9 * SECOND)
    await flush(accesses, database_url)
    assert connection.execute(
        "SELECT host, first_at, last_at, accesses FROM device_accesses ORDER BY 1"
    ).fetchall() == [
        ("10.0.0.1", AT, AT + 9 * SECOND, 3),
        ("10.0.0.2", AT + 2 * SECOND, AT + 2 * SECOND, 1),
    ]
    assert connection.execute("SELECT * FROM credential_uses").fetchall() == [(1, AT + 9 * SECOND, "10.0.0.1")]


async def test_flood_of_invented_names_is_a_few_rows(database_url: str, connection: Connection) -> None:
    """Those beyond the limit are others, and all are counted."""
    accesses = Accesses()
    for number in range(3 * MOST_REFUSED):
        accesses.refused(f"invented-{number}", "c", "10.0.0.1", UNKNOWN, AT)
    await flush(accesses, database_url)
    assert connection.execute("SELECT count(*), sum(accesses) FROM refused_accesses").fetchone() == (
        MOST_REFUSED + 1,
        3 * MOST_REFUSED,
    )
    found = connection.execute("SELECT accesses FROM refused_accesses WHERE username = '(others)'").fetchone()
    assert found == (2 * MOST_REFUSED,)


async def test_names_that_a_column_cannot_hold_are_kept_as_it_can(database_url: str, connection: Connection) -> None:
    """Cut, and without NUL."""
    accesses = Accesses()
    accesses.refused("a\0b", "c" * 100, "10.0.0.1", UNKNOWN, AT)
    await flush(accesses, database_url)
    assert connection.execute("SELECT username, client_id FROM refused_accesses").fetchall() == [("a\ufffdb", "c" * 64)]


async def test_nothing_is_lost_when_it_cannot_be_written(
    database_url: str, connection: Connection, device: int
) -> None:
    """It is written the next time, with what came meanwhile."""
    accesses = Accesses()
    accesses.admitted(admitted(device), "10.0.0.1", AT)
    accesses.refused("x", "x", "10.0.0.1", UNKNOWN, AT)
    connection.execute("ALTER TABLE refused_accesses RENAME TO away")
    with pytest.raises(psycopg.errors.UndefinedTable):
        await flush(accesses, database_url)
    connection.execute("ALTER TABLE away RENAME TO refused_accesses")
    accesses.admitted(admitted(device), "10.0.0.1", AT + SECOND)
    accesses.refused("x", "x", "10.0.0.1", UNKNOWN, AT + SECOND)
    await flush(accesses, database_url)
    for query in ("SELECT accesses, last_at FROM device_accesses", "SELECT accesses, last_at FROM refused_accesses"):
        assert connection.execute(query.encode()).fetchall() == [(2, AT + SECOND)]


async def test_device_that_was_deleted_meanwhile_is_passed_over(
    database_url: str, connection: Connection, device: int
) -> None:
    """What is known of the others is written."""
    accesses = Accesses()
    accesses.admitted(admitted(device), "10.0.0.1", AT)
    accesses.admitted(admitted(77, 78), "10.0.0.1", AT)
    accesses.refused("B", "B", "10.0.0.1", Denied("wrong_secret", 77), AT)
    await flush(accesses, database_url)
    assert connection.execute("SELECT device_id FROM device_accesses").fetchall() == [(device,)]
    assert connection.execute("SELECT username, device_id FROM refused_accesses").fetchall() == [("B", None)]


async def test_strangers_of_long_ago_are_forgotten(database_url: str, connection: Connection, device: int) -> None:
    """Beyond ten thousand, the latest stay; refused devices of the ledger all do."""
    connection.execute(
        "INSERT INTO refused_accesses (username, client_id, host, reason, first_at, last_at, accesses)"
        " SELECT n, '', '', 'unknown_device', %(at)s, %(at)s + make_interval(secs => n), 1"
        " FROM generate_series(1, %(most)s) AS n",
        {"at": AT, "most": MOST_STRANGERS + 5},
    )
    connection.execute(
        "INSERT INTO refused_accesses VALUES ('A', '', '', 'wrong_secret', %s, %s, %s, 1)", (device, AT, AT)
    )
    async with await connect_service(database_url, application_name="test") as service:
        await service.execute(TRIM, {"most": MOST_STRANGERS})
    left = connection.execute("SELECT count(*), min(last_at) FILTER (WHERE device_id IS NULL) FROM refused_accesses")
    assert left.fetchone() == (MOST_STRANGERS + 1, AT + 6 * SECOND)


async def test_of_a_device_the_latest_refusals_are_kept(database_url: str, connection: Connection, device: int) -> None:
    """Whoever knows a number may invent client ids without end; the table has one all the same."""
    for second in range(2):
        accesses = Accesses()
        for number in range(MOST_OF_A_DEVICE):
            at = AT + second * SECOND
            accesses.refused("A", f"c{second}-{number}", "10.0.0.1", Denied("wrong_secret", device), at)
        await flush(accesses, database_url)
    connection.execute(TRIM_DEVICES, {"most": MOST_OF_A_DEVICE})
    rows = connection.execute("SELECT count(*), min(last_at) FROM refused_accesses").fetchone()
    assert rows == (MOST_OF_A_DEVICE, AT + SECOND)
