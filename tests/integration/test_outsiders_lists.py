"""The lists of outsiders when something stands in them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fleet.identity.outsiders import look

Connection = psycopg.Connection[tuple[Any, ...]]
NOW = datetime.now(UTC)


def ago(hours: float) -> datetime:
    """So many hours before the test began."""
    return NOW - timedelta(hours=hours)


def device_id(connection: Connection, device_no: str) -> int:
    """The key of a device."""
    row = connection.execute("SELECT device_id FROM devices WHERE device_no = %s", (device_no,)).fetchone()
    assert row is not None
    return int(row[0])


def used(connection: Connection, device_no: str, host: str, first: float, last: float) -> None:
    """A device's credential used from a host, between so many hours ago and so many."""
    connection.execute(
        "INSERT INTO device_accesses (device_id, host, first_at, last_at, accesses) VALUES (%s, %s, %s, %s, 3)",
        (device_id(connection, device_no), host, ago(first), ago(last)),
    )


def refused(connection: Connection, username: str, client_id: str, reason: str, **more: Any) -> None:
    """A login that was refused."""
    owner = device_id(connection, more["device"]) if "device" in more else None
    connection.execute(
        "INSERT INTO refused_accesses (username, client_id, host, reason, device_id, first_at, last_at, accesses)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, 2)",
        (
            username,
            client_id,
            more.get("host", "10.0.0.1"),
            reason,
            owner,
            ago(more.get("hours", 1)),
            ago(more.get("hours", 1)),
        ),
    )


def numbers(connection: Connection, name: Any, key: str = "device_no") -> list[Any]:
    """What a list names."""
    seen = look(connection, name)
    assert seen.total == len(seen.rows)
    return [row[key] for row in seen.rows]


def test_shared_only_when_hosts_overlap_within_a_day(connection: Connection, register: Any) -> None:
    """A device that moved once, or shared long ago, is not in the list."""
    for no in ("A", "B", "C", "D"):
        register(no)
    used(connection, "A", "h1", 5, 1)
    used(connection, "A", "h2", 3, 0)
    used(connection, "B", "h1", 5, 3)
    used(connection, "B", "h2", 2, 0)
    used(connection, "C", "h1", 90, 30)
    used(connection, "C", "h2", 80, 0)
    used(connection, "D", "h1", 5, 0)
    seen = look(connection, "shared_credentials")
    assert (seen.total, [(r["device_no"], r["hosts"], r["accesses"]) for r in seen.rows]) == (
        1,
        [("A", ["h1", "h2"], 6)],
    )
    assert seen.rows[0]["since"] == ago(3)


def test_client_id_is_in_conflict_when_it_is_not_its_devices_or_several_use_it(
    connection: Connection, register: Any
) -> None:
    """An empty id, a single stranger and what is older than a week are no conflict."""
    register("A")
    register("B")
    refused(connection, "A", "B", "wrong_client_id", device="A")
    refused(connection, "X", "same", "unknown_device")
    refused(connection, "Y", "same", "unknown_device")
    refused(connection, "Z", "alone", "unknown_device")
    refused(connection, "P", "", "unknown_device")
    refused(connection, "Q", "", "unknown_device")
    refused(connection, "A", "old", "wrong_client_id", device="A", hours=24 * 8)
    seen = look(connection, "client_ids")
    assert [
        (r["client_id"], r["username"], r["device_no"], r["is_of_a_device"], r["usernames"]) for r in seen.rows
    ] == [("B", "A", "A", True, 1), ("same", "X", None, False, 2), ("same", "Y", None, False, 2)]
    assert seen.total == 3
    rest = look(connection, "client_ids", after={"client_id": "same", "username": "X"})
    assert [r["username"] for r in rest.rows] == ["Y"]


def test_retired_identity_is_listed_when_it_still_tries(connection: Connection, register: Any) -> None:
    """Disposed, deleted and revoked; the deleted one is no stranger."""
    for no in ("GONE", "QUIET", "REVOKED", "FINE"):
        register(no)
    connection.execute("UPDATE devices SET state = 'disposed' WHERE device_no IN ('GONE', 'QUIET')")
    register("DEL")
    connection.execute("DELETE FROM devices WHERE device_no = 'DEL'")
    refused(connection, "GONE", "GONE", "retired", device="GONE")
    refused(connection, "REVOKED", "REVOKED", "revoked", device="REVOKED")
    refused(connection, "DEL", "DEL", "unknown_device")
    refused(connection, "FINE", "FINE", "wrong_secret", device="FINE")
    refused(connection, "NEW", "NEW", "unknown_device")
    assert numbers(connection, "retired") == ["DEL", "GONE", "REVOKED"]
    rows = {r["device_no"]: r for r in look(connection, "retired").rows}
    assert [(n, rows[n]["is_retired"], rows[n]["state"], rows[n]["refused_accesses"]) for n in sorted(rows)] == [
        ("DEL", True, "deleted", 2),
        ("GONE", True, "disposed", 2),
        ("REVOKED", False, "in_service", 2),
    ]
    assert numbers(connection, "strangers") == ["NEW"]


@pytest.mark.anyio
async def test_retired_device_is_listed_when_its_messages_are_refused(
    connection: Connection, register: Any, receive: Any
) -> None:
    """A lost device that goes on speaking is retired, no stranger."""
    register("L")
    connection.execute("UPDATE devices SET state = 'lost'")
    await receive("L", {"at": datetime.now(UTC).isoformat(), "temperature_c": 2.0})
    [row] = look(connection, "retired").rows
    assert (row["device_no"], row["letters"], row["records"], row["state"]) == ("L", 1, 1, "lost")
    assert look(connection, "strangers").total == 0


def test_stranger_is_one_row_when_it_is_refused_from_several_hosts(connection: Connection, register: Any) -> None:
    """By user name, else client id; registered and long silent ones are none."""
    register("KNOWN")
    refused(connection, "S", "c1", "unknown_device")
    refused(connection, "S", "c2", "unknown_device", host="10.0.0.2")
    refused(connection, "", "NOUSER", "no_credentials")
    refused(connection, "", "", "no_credentials")
    refused(connection, "TD 41 空", "x", "unknown_device")
    refused(connection, "KNOWN", "y", "no_credentials")
    refused(connection, "STALE", "z", "unknown_device", hours=24 * 9)
    seen = {r["device_no"]: r for r in look(connection, "strangers").rows}
    assert set(seen) == {"S", "NOUSER", "TD 41 空"}
    assert (seen["S"]["hosts"], seen["S"]["client_ids"], seen["S"]["refused_accesses"]) == (
        ["10.0.0.1", "10.0.0.2"],
        ["c1", "c2"],
        4,
    )
    assert (seen["TD 41 空"]["may_be_registered"], seen["S"]["may_be_registered"]) == (False, True)
