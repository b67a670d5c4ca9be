"""``/api/v1/broker``: what EMQX is answered, which is never anything but 200 for a decision."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.identity import credentials
from fleet.keys import Keys
from store.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_device")]
Connection = psycopg.Connection[tuple[Any, ...]]
Change = Callable[..., Any]
Ask = Callable[..., Awaitable[dict[str, Any]]]
DENY = {"result": "deny", "is_superuser": False}
DAY = timedelta(days=1)


MATRIX = {
    ("publish", "tracefleet/v1/D-1/coldchain"): "allow",
    ("publish", "tracefleet/v1/D-1/presence"): "allow",
    ("publish", "tracefleet/v1/D-1/reply"): "allow",
    ("publish", "tracefleet/v1/D-1/command"): "deny",
    ("publish", "tracefleet/v1/D-2/coldchain"): "deny",
    ("publish", "tracefleet/v1/D-1/coldchain/x"): "deny",
    ("publish", "tracefleet/v1/D-1/"): "deny",
    ("publish", "tracefleet/v2/D-1/coldchain"): "deny",
    ("publish", "/tracefleet/v1/D-1/coldchain"): "deny",
    ("publish", "$SYS/brokers"): "deny",
    ("publish", ""): "deny",
    ("subscribe", "tracefleet/v1/D-1/command"): "allow",
    ("subscribe", "tracefleet/v1/D-1/coldchain"): "deny",
    ("subscribe", "tracefleet/v1/D-2/command"): "deny",
    ("subscribe", "tracefleet/v1/+/command"): "deny",
    ("subscribe", "tracefleet/v1/D-1/+"): "deny",
    ("subscribe", "tracefleet/v1/D-1/#"): "deny",
    ("subscribe", "#"): "deny",
    ("subscribe", "$SYS/#"): "deny",
    ("subscribe", "$share/g/tracefleet/v1/D-1/command"): "deny",
    ("all", "tracefleet/v1/D-1/command"): "deny",
    ("", "tracefleet/v1/D-1/command"): "deny",
}


@pytest.fixture
def change(connection: Connection, settings: Settings) -> Change:
    """Calls a function of the ledger as somebody."""

    def done(work: Callable[..., Any], *arguments: object, **more: object) -> Any:
        with acting(connection, Actor("wang", "test"), keys=Keys.of(settings)):
            return work(connection, *arguments, now=datetime.now(UTC), **more)

    return done


@pytest.fixture
async def broker(client: httpx.AsyncClient, as_role: Callable[..., dict[str, str]]) -> httpx.AsyncClient:
    """A client that asks as the broker does."""
    client.headers.update(as_role("broker"))
    return client


@pytest.fixture
def connect(broker: httpx.AsyncClient) -> Ask:
    """Asks whether D-1 may connect with a password; with other fields, if given."""

    async def asked(password: str = "", **more: object) -> dict[str, Any]:
        told = {"username": "D-1", "password": password, "clientid": "D-1", "peerhost": "10.0.0.7"} | more
        answer = await broker.post("/api/v1/broker/authenticate", json=told)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return asked


@pytest.fixture
def act(broker: httpx.AsyncClient) -> Ask:
    """Asks whether D-1 may do something; with other fields, if given."""

    async def asked(action: str, topic: str, **more: object) -> dict[str, Any]:
        told = {"username": "D-1", "clientid": "D-1", "action": action, "topic": topic} | more
        answer = await broker.post("/api/v1/broker/authorize", json=told)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return asked


async def _until(what: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    """Wait for the ledger's news, as long as a revocation may take."""
    end = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


async def test_device_is_let_in_with_what_it_was_given(connect: Ask, change: Change) -> None:
    """The number of its credential travels with the connection; a superuser is nobody."""
    issued = change(credentials.issue, "D-1")
    assert await connect(issued.secret) == {
        "result": "allow",
        "is_superuser": False,
        "client_attrs": {"credential": str(issued.credential_id)},
    }


async def test_connection_ends_with_the_credential(connect: Ask, change: Change) -> None:
    """EMQX closes it at that second."""
    issued = change(credentials.issue, "D-1", expires_in=DAY)
    assert (await connect(issued.secret))["expire_at"] == int(issued.expires_at.timestamp())


async def test_rights_come_with_the_admission_when_they_are_asked_for(connect: Ask, change: Change) -> None:
    """The own topics, and nothing after them."""
    issued = change(credentials.issue, "D-1")
    rules = (await connect(issued.secret, preset=True))["acl"]
    assert {"permission": "allow", "action": "publish", "topic": "tracefleet/v1/D-1/coldchain"} in rules
    assert {"permission": "allow", "action": "subscribe", "topic": "eq tracefleet/v1/D-1/command"} in rules
    assert rules[-1] == {"permission": "deny", "action": "all", "topic": "#"}
    assert all("/D-1/" in rule["topic"] for rule in rules[:-1])


@pytest.mark.parametrize(
    "told",
    [
        {"password": "wrong"},
        {"password": ""},
        {"clientid": "D-2"},
        {"clientid": ""},
        {"username": "D-9"},
        {"username": ""},
        {"username": "d-1"},
        {"username": "D-1\u0000"},
        {"peerhost": "\u0000", "password": "x" * 100_000},
        {"cert_pem": "undefined", "password": ""},
    ],
    ids=[
        "secret",
        "no secret",
        "client id",
        "no client id",
        "stranger",
        "nobody",
        "case",
        "nul",
        "long",
        "certificate",
    ],
)
async def test_client_is_refused_when_anything_is_wrong(connect: Ask, change: Change, told: dict[str, str]) -> None:
    """200 and `deny`."""
    issued = change(credentials.issue, "D-1")
    assert await connect(**{"password": issued.secret} | told) == DENY


async def test_client_is_refused_when_its_time_is_over(connect: Ask, change: Change, connection: Connection) -> None:
    """Expired, revoked, replaced without overlap, and retired; within an overlap both are good."""
    expired = change(credentials.issue, "D-1")
    connection.execute(
        "UPDATE credentials SET created_at = now() - interval '2 h', expires_at = now() - interval '1 h'"
    )
    revoked, first = change(credentials.issue, "D-1"), change(credentials.issue, "D-1")
    change(credentials.revoke, "D-1", revoked.credential_id, reason="stolen")
    second = change(credentials.rotate, "D-1", overlap=DAY)
    outcomes = [(await connect(one.secret))["result"] for one in (expired, revoked, first, second)]
    assert outcomes == ["deny", "deny", "allow", "allow"]
    third = change(credentials.rotate, "D-1", overlap=timedelta())

    async def is_replaced() -> bool:
        return await connect(second.secret) == DENY

    await _until(is_replaced)
    assert (await connect(third.secret))["result"] == "allow"
    connection.execute("UPDATE devices SET state = 'disposed'")

    async def is_retired() -> bool:
        return await connect(third.secret) == DENY

    await _until(is_retired)


async def test_certificate_lets_in_without_a_password(connect: Ask, change: Change) -> None:
    """By its digest; with no user name the certificate says whose it is."""
    from tests.unit.test_identity_certificate import PEM, SHA256  # noqa: PLC0415

    change(credentials.add_certificate, "D-1", SHA256)
    assert (await connect(cert_pem=PEM))["result"] == "allow"
    assert (await connect(cert_pem=PEM, username=""))["result"] == "allow"
    assert await connect(cert_pem=PEM, clientid="D-2") == DENY
    assert await connect(cert_pem=PEM, password="wrong") == DENY


async def test_who_comes_is_noted(connect: Ask, change: Change, connection: Connection) -> None:
    """From where, and why not; never what it tried as a password."""
    issued = change(credentials.issue, "D-1")
    await connect(issued.secret)
    await connect("wrong-password")
    await connect("x", username="\u0000stranger", peerhost="not an address")
    admitted = "SELECT d.device_no, a.host, a.accesses FROM device_accesses AS a JOIN devices AS d USING (device_id)"
    refused = "SELECT username, host, reason FROM refused_accesses ORDER BY username"

    async def are_noted() -> bool:
        return len(connection.execute(refused).fetchall()) == 2

    await _until(are_noted)
    assert connection.execute(admitted).fetchall() == [("D-1", "10.0.0.7", 1)]
    assert connection.execute(refused).fetchall() == [
        ("D-1", "10.0.0.7", "wrong_secret"),
        ("\ufffdstranger", "", "unknown_device"),
    ]
    assert connection.execute("SELECT credential_id, last_host FROM credential_uses").fetchall() == [
        (issued.credential_id, "10.0.0.7")
    ]


async def test_device_may_use_its_own_topics_alone(act: Ask, change: Change) -> None:
    """Upward it speaks, downward it hears; nothing with a wildcard."""
    change(credentials.issue, "D-1")
    outcomes = {(action, topic): (await act(action, topic))["result"] for action, topic in MATRIX}
    assert outcomes == MATRIX


async def test_gateway_speaks_for_those_behind_it(act: Ask, change: Change, city: Any) -> None:
    """And for nobody else."""
    gateway = city.device("G-1", city.model("GW", "gateway"), city.site("410100002"))
    city.connection.execute("UPDATE devices SET gateway_id = %s WHERE device_no = 'D-1'", (gateway,))
    city.device("D-2", city.model("L-2", "logger"), city.site("410100003"))
    change(credentials.issue, "G-1")
    as_gateway = {"username": "G-1", "clientid": "G-1"}
    outcomes = [
        (await act("publish", f"tracefleet/v1/{number}/coldchain", **as_gateway))["result"]
        for number in ("G-1", "D-1", "D-2")
    ]
    assert outcomes == ["allow", "allow", "deny"]


async def test_open_connection_may_nothing_when_its_credential_is_revoked(act: Ask, change: Change) -> None:
    """Within 5 s, though EMQX does not close it; the one that came in with another goes on."""
    topic = "tracefleet/v1/D-1/coldchain"
    stolen, other = change(credentials.issue, "D-1"), change(credentials.issue, "D-1")
    for one in (stolen, other):
        assert await act("publish", topic, credential=str(one.credential_id)) == {"result": "allow"}
    change(credentials.revoke, "D-1", stolen.credential_id, reason="stolen")

    async def is_denied() -> bool:
        return await act("publish", topic, credential=str(stolen.credential_id)) == {"result": "deny"}

    await _until(is_denied)
    assert await act("publish", topic, credential=str(other.credential_id)) == {"result": "allow"}
    assert await act("publish", topic) == {"result": "allow"}
    assert await act("publish", topic, clientid="D-2") == {"result": "deny"}
    change(credentials.revoke, "D-1", reason="all")

    async def is_over() -> bool:
        return await act("publish", topic) == {"result": "deny"}

    await _until(is_over)


@pytest.mark.parametrize("path", ["authenticate", "authorize"])
async def test_body_that_cannot_be_read_is_a_denial(broker: httpx.AsyncClient, path: str) -> None:
    """200: EMQX would go on to its next authenticator at a 4xx."""
    for body in (b"", b"{", b"[]", b"null", b'{"username": 7}', b'{"username": "\\ud800"}', b"\xff", b"x" * 2_000_000):
        answer = await broker.post(f"/api/v1/broker/{path}", content=_in_parts(body))
        assert (answer.status_code, answer.json()["result"]) == (200, "deny")


async def _in_parts(body: bytes) -> AsyncIterator[bytes]:
    """Without a length, as a body is that nobody announced."""
    yield body


@pytest.mark.parametrize("path", ["authenticate", "authorize"])
async def test_broker_is_refused_when_it_may_not_ask(
    client: httpx.AsyncClient, as_role: Callable[..., dict[str, str]], path: str
) -> None:
    """401 with a wrong key, 403 with one of another role, or as the operator of this machine."""
    refused: list[tuple[dict[str, str], int]] = [
        ({"Authorization": "Bearer x"}, 401),
        (as_role("fleet_admin"), 403),
        ({}, 403),  # the operator of this machine
    ]
    for headers, status in refused:
        answer = await client.post(f"/api/v1/broker/{path}", json={}, headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
