"""Personal data over HTTP: masked everywhere, in clear by role and reason, and every reading in the sealed audit."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from fleet.acting import Actor, acting
from fleet.identity import api_keys
from fleet.identity.roles import Role
from fleet.keys import Keys
from fleet.ledger.personal import reveal
from fleet.sealing import Personal, Safe, mask
from store.settings import Settings

pytestmark = pytest.mark.anyio
Connection = psycopg.Connection[tuple[Any, ...]]
TEST = Actor("test", "test")
PHONE = "13876541234"
IDENTITY = "11010519491231002X"
IMEI = "490154203237518"
ICCID = "89860112851000123456"
CLEAR = (PHONE, IDENTITY, IMEI, ICCID)
ROUTES = {
    "/api/v1/merchants/M1/personal": {"merchant_code": "M1", "phone": PHONE, "identity_no": IDENTITY},
    "/api/v1/parties/OP-1/personal": {"party_no": "OP-1", "phone": PHONE},
    "/api/v1/devices/D-1/personal": {"device_no": "D-1", "imei": IMEI, "iccid": ICCID, "custodian_phone": PHONE},
}
# What a route's placeholder is called, and what is in the database by that name.
KNOWN = {"device_no": "D-1", "merchant_code": "M1", "party_no": "OP-1", "site_no": "S1", "stream": "coldchain"}


@pytest.fixture
def people(city: Any, connection: Connection, settings: Settings) -> None:
    """A merchant, a party and a device, each with all the personal data there can be."""
    safe = Safe.of(connection, Keys.of(settings))

    def sealed(column: str, kind: Personal, value: str) -> dict[str, object]:
        return {f"{column}_sealed": safe.seal(value), f"{column}_masked": mask(kind, value)}

    with acting(connection, TEST, keys=Keys.of(settings)):
        phone = sealed("phone", "phone", PHONE)
        city.add("merchants", merchant_code="M1", name="张记", **phone, **sealed("identity", "identity", IDENTITY))
        city.add("parties", party_no="OP-1", name="运维", kind="operator", **phone)
        cards = sealed("imei", "serial", IMEI) | sealed("iccid", "serial", ICCID)
        city.device(
            "D-1",
            city.model("L-1", "logger"),
            city.site("S1"),
            **cards,
            **sealed("custodian_phone", "phone", PHONE),
        )


@pytest.fixture
def shown(connection: Connection, settings: Settings) -> Callable[[Role], dict[str, str]]:
    """The header of a new key with a role."""

    def header(role: Role) -> dict[str, str]:
        with acting(connection, TEST, keys=Keys.of(settings)):
            _, text = api_keys.make(connection, f"a {role}", [role])
        return {"Authorization": f"Bearer {text}"}

    return header


def readings(connection: Connection) -> list[tuple[Any, ...]]:
    """What the audit has of readings, and how many of its rows no seal covers."""
    return connection.execute(
        "SELECT a.actor, a.action, a.label, a.reason, a.after->'columns', s.seal IS NOT NULL"
        " FROM audit AS a LEFT JOIN audit_seals AS s USING (audit_id)"
        " WHERE a.entity = 'personal_readings' ORDER BY a.audit_id"
    ).fetchall()


@pytest.mark.usefixtures("people")
async def test_personal_data_is_shown_to_who_may_and_each_reading_is_audited(
    client: httpx.AsyncClient, connection: Connection, shown: Callable[[Role], dict[str, str]]
) -> None:
    """In clear and not to be kept by caches; a sealed row with who and why, and nothing of what was read."""
    key = shown("fleet_admin")
    for address, expected in ROUTES.items():
        answer = await client.get(address, params={"reason": "故障联系"}, headers=key)
        assert (answer.status_code, answer.json()) == (200, expected)
        assert answer.headers["cache-control"] == "no-store"
    assert readings(connection) == [
        ("a fleet_admin", "insert", label, "故障联系", columns, True)
        for label, columns in (
            ("merchants/M1", ["phone", "identity_no"]),
            ("parties/OP-1", ["phone"]),
            ("devices/D-1", ["imei", "iccid", "custodian_phone"]),
        )
    ]


@pytest.mark.usefixtures("people")
async def test_personal_data_is_refused_to_who_may_not(
    client: httpx.AsyncClient, connection: Connection, shown: Callable[[Role], dict[str, str]]
) -> None:
    """Never without a key, nor by another role, nor without a reason; what was not shown was not read."""
    for address in ROUTES:
        assert (await client.get(address, params={"reason": "r"})).status_code == 403
        assert (await client.get(address, params={"reason": "r"}, headers=shown("viewer"))).status_code == 403
        api_key = shown("admin")
        for reason in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "a\nb"}):
            assert (await client.get(address, params=reason, headers=api_key)).status_code == 422
        for role in ("viewer", "admin"):
            connection.execute("UPDATE api_keys SET revoked_at = now() WHERE name = %s", (f"a {role}",))
    assert readings(connection) == []


async def test_personal_data_of_who_is_unknown(
    client: httpx.AsyncClient, connection: Connection, shown: Callable[[Role], dict[str, str]]
) -> None:
    """404, and no row of a reading."""
    key = shown("admin")
    for address in ROUTES:
        answer = await client.get(address, params={"reason": "r"}, headers=key)
        assert (answer.status_code, answer.json()["type"]) == (404, "/api/v1/problems#unknown-entry")
    assert readings(connection) == []


@pytest.mark.usefixtures("people")
async def test_personal_data_when_the_key_file_is_another(
    make_client: Callable[..., Any], shown: Callable[[Role], dict[str, str]], tmp_path: Any
) -> None:
    """503: neither is it shown nor is it said that it was."""
    header = shown("admin")
    other = tmp_path / "other.key"
    other.write_text("ab" * 32, encoding="ascii")
    async with make_client(key_file=other) as client:
        answer = await client.get("/api/v1/merchants/M1/personal", params={"reason": "r"}, headers=header)
        assert (answer.status_code, answer.json()["type"]) == (503, "/api/v1/problems#key-unusable")


def test_personal_data_is_not_read_without_a_reason(connection: Connection, settings: Settings) -> None:
    """The function insists, too, and what it gives does not show itself in a log."""
    with pytest.raises(ValueError, match="reason"):
        reveal(connection, "merchants", "M1", keys=Keys.of(settings), reason=" ")


@pytest.mark.usefixtures("people")
async def test_personal_data_in_clear_is_nowhere_else(
    client: httpx.AsyncClient, connection: Connection, shown: Callable[[Role], dict[str, str]]
) -> None:
    """Not in any other answer to an admin, whatever the route, nor in a log, nor in a table, the audit included."""
    key = shown("admin")
    paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
    addresses = [
        re.sub(r"\{(\w+)\}", lambda match: KNOWN.get(match[1], "1"), path)
        for path, operations in paths.items()
        # The events never end; they are rows of a table, and those are looked through below.
        if "get" in operations and not path.endswith(("/personal", "/events"))
    ]
    assert len(addresses) >= 15
    seen = []
    with capture_logs() as logs:
        for address in (*addresses, "/", "/api/v1/docs"):
            answer = await client.get(address, headers=key)
            assert answer.status_code < 500 or address == "/readyz", (address, answer.text)
            seen.append(answer.text)
        for address in ROUTES:
            await client.get(address, params={"reason": "r"}, headers=key)
    shown_masked = "".join(seen)
    assert "138****1234" in shown_masked
    for value in CLEAR:
        assert value not in shown_masked + repr(logs)
        for (table,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
            query = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(sql.Identifier(table))
            assert connection.execute(query, (f"%{value}%",)).fetchone() == (0,), table
