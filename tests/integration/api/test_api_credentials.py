"""``/api/v1/devices/…/credentials`` and ``…/enrolments``: told once, to those who may."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from fleet.identity.secret import digest

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_device")]
Connection = psycopg.Connection[tuple[Any, ...]]
AsRole = Callable[..., dict[str, str]]
DEVICE = "/api/v1/devices/D-1"
LIST = f"{DEVICE}/credentials"


@pytest.fixture
async def admin(client: httpx.AsyncClient, as_role: AsRole) -> httpx.AsyncClient:
    """A client that administrates the fleet."""
    client.headers.update(as_role("fleet_admin"))
    return client


async def test_password_is_told_once_when_it_is_given(admin: httpx.AsyncClient, connection: Connection) -> None:
    """With all that the device needs; no list, no log, no audit has it afterwards."""
    with capture_logs() as logs:
        answer = await admin.post(LIST, json={"note": "bench", "expires_in_days": 30})
        listed = await admin.get(LIST)
    login = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert [login[name] for name in ("device_no", "username", "client_id")] == ["D-1"] * 3
    assert "tracefleet/v1/D-1/coldchain" in login["topics"]["publish"]
    assert login["topics"]["subscribe"] == ["tracefleet/v1/D-1/command"]
    secret = login["password"]
    [line] = listed.json()["items"]
    assert (line["credential_id"], line["state"], line["note"]) == (login["credential_id"], "good", "bench")
    assert line["created_by"] == "fleet_admin"
    assert datetime.fromisoformat(line["expires_at"]) - datetime.now(UTC) > timedelta(days=29)
    audited = connection.execute("SELECT string_agg(a::text, '') FROM audit AS a").fetchone()
    assert audited is not None
    assert secret not in listed.text + str(logs) + audited[0]
    assert connection.execute("SELECT secret_sha256 FROM credentials").fetchall() == [(digest(secret),)]


async def test_old_passwords_end_when_it_is_replaced(admin: httpx.AsyncClient) -> None:
    """After the overlap, or at once."""
    await admin.post(LIST, json={})
    await admin.post(LIST, json={"replace": True, "overlap_hours": 2})
    new, old = (await admin.get(LIST)).json()["items"]
    assert (new["expires_at"], old["state"]) == (None, "good")
    assert datetime.fromisoformat(old["expires_at"]) - datetime.now(UTC) < timedelta(hours=2)
    await admin.post(LIST, json={"replace": True, "overlap_hours": 0})
    assert [one["state"] for one in (await admin.get(LIST)).json()["items"]] == ["good", "revoked", "revoked"]


async def test_credentials_end_when_they_are_revoked(admin: httpx.AsyncClient, connection: Connection) -> None:
    """One or all, with a reason that the audit has; again is no mistake."""
    first, second = [(await admin.post(LIST, json={})).json()["credential_id"] for _ in range(2)]
    one = await admin.delete(f"{LIST}/{first}", params={"reason": "stolen"})
    again = await admin.delete(f"{LIST}/{first}", params={"reason": "stolen"})
    rest = await admin.delete(LIST, params={"reason": "moved"})
    assert [answer.json()["credential_ids"] for answer in (one, again, rest)] == [[first], [], [second]]
    assert [line["revoked_reason"] for line in (await admin.get(LIST)).json()["items"]] == ["moved", "stolen"]
    reasons = connection.execute(
        "SELECT reason FROM audit WHERE entity = 'credentials' AND action = 'update' ORDER BY audit_id"
    ).fetchall()
    assert reasons == [("stolen",), ("moved",)]


async def test_credential_of_another_device_is_not_revoked(admin: httpx.AsyncClient, city: Any) -> None:
    """404, and it goes on."""
    city.device("D-2", city.model("L-2", "logger"), city.site("410100002"))
    other = (await admin.post("/api/v1/devices/D-2/credentials", json={})).json()["credential_id"]
    answer = await admin.delete(f"{LIST}/{other}", params={"reason": "slip"})
    assert (answer.status_code, answer.json()["type"]) == (404, "/api/v1/problems#unknown-entry")
    assert (await admin.get("/api/v1/devices/D-2/credentials")).json()["items"][0]["state"] == "good"


async def test_retired_device_is_refused_a_password(admin: httpx.AsyncClient, connection: Connection) -> None:
    """409; one that the ledger does not have is 404."""
    connection.execute("UPDATE devices SET state = 'disposed'")
    for path in (LIST, f"{DEVICE}/enrolments"):
        answer = await admin.post(path, json={})
        assert (answer.status_code, answer.json()["type"]) == (409, "/api/v1/problems#rule-broken")
    unknown = await admin.post("/api/v1/devices/D-9/credentials", json={})
    assert unknown.json()["type"] == "/api/v1/problems#unknown-entry"


@pytest.mark.parametrize("body", [{"overlap_hours": -1}, {"expires_in_days": 0}, {"note": "a\u0000"}, {"x": 1}, []])
async def test_wish_is_refused_when_it_cannot_be_meant(admin: httpx.AsyncClient, body: object) -> None:
    """422, each with what was expected."""
    assert (await admin.post(LIST, json=body)).status_code == 422


async def test_nobody_else_may_when_the_role_is_missing(client: httpx.AsyncClient, as_role: AsRole) -> None:
    """Neither who shows no key nor who has another role: 403, and nothing is given."""
    for headers in ({}, as_role("viewer"), as_role("broker")):
        for answer in (
            await client.get(LIST, headers=headers),
            await client.post(LIST, json={}, headers=headers),
            await client.post(f"{DEVICE}/enrolments", json={}, headers=headers),
            await client.delete(LIST, params={"reason": "x"}, headers=headers),
            await client.delete(f"{LIST}/1", params={"reason": "x"}, headers=headers),
        ):
            assert (answer.status_code, answer.json()["type"]) == (403, "/api/v1/problems#forbidden")
    admin = as_role("fleet_admin")
    assert (await client.get(LIST, headers=admin)).json() == {"items": []}


async def test_code_is_made_and_gives_a_login(admin: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    """The address for the QR code holds it in the fragment."""
    await admin.post(LIST, json={})
    made = await admin.post(f"{DEVICE}/enrolments", json={"valid_hours": 2, "revoke_old": True})
    assert made.status_code == 201
    address = urlsplit(made.json()["url"])
    told = {name: values[0] for name, values in parse_qs(address.fragment).items()}
    assert (address.path, address.query, told) == ("/enrol", "", {"device_no": "D-1", "code": made.json()["code"]})
    assert [one["state"] for one in (await admin.get(LIST)).json()["items"]] == ["revoked"]
    login = await client.post("/api/v1/enrolments", json=told)
    assert (login.status_code, login.json()["username"]) == (201, "D-1")
