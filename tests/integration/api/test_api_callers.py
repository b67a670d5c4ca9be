"""Keys of callers: which are taken, what they are refused, what the audit and the logs see of them."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any

import httpx
import psycopg
import pytest
from fastapi import Depends, FastAPI
from psycopg import sql
from structlog.testing import capture_logs

from api import keyring as keyrings
from api import refusals
from api.callers import Caller, require
from api.database import connect
from api.keyring import Keyring
from api.ledger_desk import ActorDep
from api.ledger_desk import connect as connect_desk
from api.visits import connect as connect_visits
from fleet.acting import Actor, acting
from fleet.identity import api_keys
from fleet.identity.api_keys import ApiKey
from fleet.identity.roles import Role
from fleet.keys import Keys
from store.settings import Settings

pytestmark = pytest.mark.anyio
Connection = psycopg.Connection[tuple[Any, ...]]
Make = Callable[..., tuple[ApiKey, str]]
ADMIN = Actor("admin", "test")


@pytest.fixture
def make(connection: Connection, settings: Settings) -> Make:
    """Makes a key."""

    def made(name: str, roles: Sequence[Role], expires_in: timedelta | None = None) -> tuple[ApiKey, str]:
        with acting(connection, ADMIN, keys=Keys.of(settings)):
            return api_keys.make(connection, name, roles, expires_in=expires_in)

    return made


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An application with a route for brokers, and one that says who calls."""
    app = FastAPI()
    app.state.settings = settings

    @app.get("/broker")
    async def broker(caller: Annotated[Caller, Depends(require("broker"))]) -> str:
        return caller.name

    @app.get("/actor")
    async def actor(actor: ActorDep) -> list[str]:
        return [actor.who, actor.origin]

    refusals.install(app)
    transport = httpx.ASGITransport(app, client=("10.0.0.7", 1))
    async with (
        connect(settings) as database,
        connect_desk(settings) as desk,
        keyrings.connect(database, desk.note_key_use) as app.state.keyring,
        connect_visits(database, desk.note_visit, settings) as app.state.visits,
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


def bearer(text: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {text}"}


async def test_caller_who_shows_nothing_is_nobody(guarded: httpx.AsyncClient) -> None:
    """The audit would show where it comes from; what needs a role is not open to it."""
    assert (await guarded.get("/actor")).json() == ["anonymous", "api 10.0.0.7"]
    answer = await guarded.get("/broker")
    assert (answer.status_code, answer.json()["type"]) == (401, "/api/v1/problems#unauthenticated")


async def test_caller_with_a_key_acts_under_its_name(guarded: httpx.AsyncClient, make: Make) -> None:
    """The scheme in any case; the origin names the key, since names may come again."""
    key, text = make("emqx", ["broker"])
    assert (await guarded.get("/broker", headers=bearer(text))).json() == "emqx"
    told = await guarded.get("/actor", headers={"Authorization": f"bearer {text}"})
    assert told.json() == ["emqx", f"api 10.0.0.7 key {key.key_id}"]


async def test_caller_with_another_role_is_forbidden_and_an_admin_never(guarded: httpx.AsyncClient, make: Make) -> None:
    """403 for a viewer; whoever is an admin may what any role may."""
    answer = await guarded.get("/broker", headers=bearer(make("v", ["viewer"])[1]))
    assert (answer.status_code, answer.json()["type"]) == (403, "/api/v1/problems#forbidden")
    assert "role broker or admin" in answer.json()["detail"]
    assert (await guarded.get("/broker", headers=bearer(make("a", ["admin"])[1]))).status_code == 200


async def test_key_is_refused_when_it_is_not_valid(
    guarded: httpx.AsyncClient, make: Make, connection: Connection, settings: Settings
) -> None:
    """401: malformed, unknown, of another secret, expired, revoked; only its owner learns which."""
    _, good = make("good", ["broker"])
    expired, text_of_expired = make("expired", ["broker"], timedelta(days=1))
    revoked, text_of_revoked = make("revoked", ["broker"])
    # As if a day had passed.
    connection.execute("UPDATE api_keys SET expires_at = now() WHERE key_id = %s", (expired.key_id,))
    with acting(connection, ADMIN, keys=Keys.of(settings)):
        assert api_keys.revoke(connection, revoked.key_id).revoked_at is not None
    refused = {
        "": "form",
        "tf_": "form",
        good[:-1]: "form",
        good + "A": "form",
        "tf_aaaaaaaa_" + "A" * 43: "No such key",
        good[:-43] + "A" * 43: "No such key",
        text_of_revoked[:-43] + "A" * 43: "No such key",
        text_of_expired: "expired",
        text_of_revoked: "revoked",
    }
    for text, words in refused.items():
        answer = await guarded.get("/actor", headers=bearer(text))
        assert (answer.status_code, answer.json()["type"]) == (401, "/api/v1/problems#unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert words in answer.json()["detail"]
    for headers in ([("Authorization", "Basic YTpi")], [("Authorization", f"Bearer {good}")] * 2):
        assert (await guarded.get("/actor", headers=headers)).status_code == 401


async def test_bad_key_is_refused_where_none_is_needed(client: httpx.AsyncClient) -> None:
    """Whoever shows a key wants to know that it is good no more; health and pages ask nobody."""
    for address in ("/api/v1/devices", "/api/v1/sites", "/api/v1/dead-letters"):
        assert (await client.get(address, headers=bearer("x"))).status_code == 401
    for address in ("/livez", "/metrics", "/api/v1/docs"):
        assert (await client.get(address, headers=bearer("x"))).status_code == 200


async def test_revoked_key_is_refused_once_it_is_forgotten(
    settings: Settings, make: Make, connection: Connection
) -> None:
    """Remembered for a moment, not longer; here the moment is nothing."""
    key, text = make("erp", ["viewer"])
    async with connect(settings) as database, connect_desk(settings) as desk:
        remembering = Keyring(database, desk.note_key_use, remember_seconds=60)
        forgetful = Keyring(database, desk.note_key_use, remember_seconds=0)
        for keyring in (remembering, forgetful):
            assert (await keyring.key_of(text)).key_id == key.key_id
        with acting(connection, ADMIN, keys=Keys.of(settings)):
            api_keys.revoke(connection, key.key_id)
        assert (await remembering.key_of(text)).name == "erp"
        with pytest.raises(Exception, match="revoked"):
            await forgetful.key_of(text)
        for keyring in (remembering, forgetful):
            await keyring.close()


async def test_use_of_a_key_is_noted_and_is_no_change(settings: Settings, make: Make, connection: Connection) -> None:
    """The list of keys shows it, written by the time the keyring is closed; the audit has the making alone."""
    key, text = make("erp", ["broker"])
    assert key.last_used_at is None
    async with (
        connect(settings) as database,
        connect_desk(settings) as desk,
        keyrings.connect(database, desk.note_key_use) as keyring,
    ):
        await keyring.key_of(text)
    assert api_keys.listed(connection)[0].last_used_at is not None
    rows = connection.execute("SELECT action, actor FROM audit WHERE entity LIKE 'api_key%'").fetchall()
    assert rows == [("insert", "admin")]


async def test_key_is_in_no_log_and_no_table(client: httpx.AsyncClient, make: Make, connection: Connection) -> None:
    """Neither the secret nor the whole; not when it is refused either."""
    _, text = make("erp", ["viewer"])
    secret = text[-43:]
    with capture_logs() as logs:
        answers = [
            await client.get("/api/v1/devices", headers=bearer(text)),
            await client.get("/api/v1/devices", headers=bearer(text + "x")),
            await client.get("/api/v1/nothing", headers=bearer(text)),
        ]
    assert [answer.status_code for answer in answers] == [200, 401, 404]
    assert secret not in repr(logs) + "".join(answer.text for answer in answers)
    for (table,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
        query = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(sql.Identifier(table))
        assert connection.execute(query, (f"%{secret}%",)).fetchone() == (0,), table


async def test_key_when_the_database_is_away(make_client: Callable[..., Any]) -> None:
    """503, since nobody can say whether it is good."""
    async with make_client(database_url="postgresql://nobody@127.0.0.1:1/none") as client:
        answer = await client.get("/api/v1/devices", headers=bearer("tf_aaaaaaaa_" + "A" * 43))
        assert (answer.status_code, answer.json()["type"]) == (503, "/api/v1/problems#database-unavailable")
