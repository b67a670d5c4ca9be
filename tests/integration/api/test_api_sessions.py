"""Log-ins: who gets in, what the cookie is, when it ends, and what somebody who may not learns: nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from pwdlib.hashers.argon2 import Argon2Hasher
from structlog.testing import capture_logs

from api.app import create_app
from fleet.acting import Actor, acting
from fleet.errors import RefusedError
from fleet.identity import login_tries, passwords, users
from fleet.identity.roles import Role
from fleet.identity.scope import EVERYWHERE, Scope
from fleet.identity.users import Account, Change
from fleet.keys import Keys
from store.settings import Settings

pytestmark = pytest.mark.anyio
Connection = psycopg.Connection[tuple[Any, ...]]
Make = Callable[..., str]
ADMIN = Actor("admin", "test")
SESSIONS = "/api/v1/sessions"
CURRENT = f"{SESSIONS}/current"
PASSWORD = "correct horse battery"


@pytest.fixture
async def browser(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before the application as it is delivered."""
    async with _browser(settings) as client:
        yield client


@asynccontextmanager
async def _browser(settings: Settings, base_url: str = "http://api") -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        yield client


@cache
def kept() -> str:
    """The hash of PASSWORD; each takes a while."""
    return passwords.hash_of(PASSWORD)


@pytest.fixture
def make(connection: Connection, settings: Settings) -> Make:
    """Makes a user; the one-time password. With *settled* the password is PASSWORD, chosen by himself."""

    def made(name: str, *roles: Role, settled: bool = True, scope: Scope = EVERYWHERE) -> str:
        with acting(connection, ADMIN, keys=Keys.of(settings)):
            _, password = users.make(connection, name, roles or ("viewer",), scope=scope)
            if settled:
                users.set_password(connection, account(connection, name), kept())
        return PASSWORD if settled else password

    return made


def account(connection: Connection, name: str) -> Account:
    """What a log-in as *name*, who is somebody, is compared with."""
    found = users.account(connection, name)
    assert found is not None
    return found


async def log_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    """A log-in, as the page does it."""
    return await client.post(SESSIONS, json={"name": name, "password": password})


def kind(answer: httpx.Response) -> tuple[int, str]:
    """The status and the kind of a problem."""
    return answer.status_code, answer.json()["type"].partition("#")[2]


@pytest.mark.usefixtures("zhengzhou")
async def test_login_opens_what_the_roles_open_and_logout_ends_it(browser: httpx.AsyncClient, make: Make) -> None:
    """The cookie is the session; after the log-out its token is good no more, wherever somebody kept it."""
    make("wang.li", "operator", scope=Scope(("4101",), None))
    assert (await browser.get(CURRENT)).status_code == 401
    answer = await log_in(browser, "Wang.Li")
    assert answer.status_code == 201
    assert answer.json() == {
        "name": "wang.li",
        "roles": ["operator"],
        "regions": ["4101"],
        "sites": None,
        "person": "wang.li",
        "must_change_password": False,
    }
    assert (await browser.get(CURRENT)).json() == answer.json()
    assert (await browser.get("/api/v1/devices")).status_code == 200
    assert kind(await browser.get("/api/v1/users")) == (403, "forbidden")
    token = browser.cookies["tracefleet_session"]
    assert (await browser.delete(CURRENT)).status_code == 204
    assert "tracefleet_session" not in browser.cookies
    browser.cookies.set("tracefleet_session", token)
    assert (await browser.get(CURRENT)).status_code == 401


@pytest.mark.parametrize("base_url", ["http://api", "https://api"])
async def test_cookie_is_for_this_server_and_no_script(settings: Settings, make: Make, base_url: str) -> None:
    """HttpOnly and SameSite always, Secure when people come over TLS."""
    make("wang.li")
    async with _browser(settings, base_url) as browser:
        cookie = (await log_in(browser, "wang.li")).headers["set-cookie"].lower()
        # Over TLS no other host of the domain can set one of that name.
        assert cookie.startswith("__host-tracefleet_session=" if "https" in base_url else "tracefleet_session=")
        assert (await browser.get(CURRENT)).status_code == 200
        for attribute in ("httponly", "samesite=lax", "path=/", "max-age=43200"):
            assert attribute in cookie.split("; ")
        assert ("secure" in cookie.split("; ")) == base_url.startswith("https")
        assert "domain" not in cookie
        assert ("secure" in (await browser.delete(CURRENT)).headers["set-cookie"].lower()) == ("https" in base_url)


async def test_cookie_is_secure_behind_a_proxy_that_ends_tls(
    make_settings: Callable[..., Settings], make: Make
) -> None:
    """It speaks HTTP to us; the address that people use says what they speak."""
    make("wang.li")
    async with _browser(make_settings(public_url="https://tracefleet.example")) as browser:
        assert "secure" in (await log_in(browser, "wang.li")).headers["set-cookie"].lower().split("; ")


async def test_login_takes_no_token_over(browser: httpx.AsyncClient, make: Make, connection: Connection) -> None:
    """A token that somebody slipped the browser is not the session's; the session that was there before is over."""
    make("wang.li")
    slipped = {"Cookie": "tracefleet_session=chosen-by-somebody-else"}
    await browser.post(SESSIONS, json={"name": "wang.li", "password": PASSWORD}, headers=slipped)
    first = browser.cookies["tracefleet_session"]
    assert first != "chosen-by-somebody-else"
    await log_in(browser, "wang.li")
    open_ones = connection.execute("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").fetchone()
    assert open_ones == (1,)
    tokens = connection.execute("SELECT string_agg(s::text, ' ') FROM sessions AS s").fetchone()
    assert tokens is not None
    assert first not in tokens[0]


async def test_refusals_of_logins_tell_nothing(browser: httpx.AsyncClient, make: Make, connection: Connection) -> None:
    """Nobody's name, a wrong password, a disabled user's: the same answer, but for who has the password."""
    make("wang.li")
    make("li.si")
    connection.execute("UPDATE users SET disabled_at = now() WHERE name = 'li.si'")
    with capture_logs() as logs:
        refused = [
            await log_in(browser, "nobody"),
            await log_in(browser, "wang.li", "a wrong password"),
            await log_in(browser, "li.si", "a wrong password"),
            await log_in(browser, "p4ssw0rd typed for a name"),
            await log_in(browser, "wang.li", "x" * 4096),
        ]
    assert [kind(answer) for answer in refused] == [(401, "login-refused")] * 5
    assert len({answer.text for answer in refused}) == 1
    assert all("set-cookie" not in answer.headers for answer in refused)
    told = [entry["user"] for entry in logs if entry["event"] == "login refused"]
    assert told == [None, "wang.li", "li.si", None, "wang.li"]
    assert "p4ssw0rd" not in repr(logs)
    assert "disabled" in (await log_in(browser, "li.si")).json()["detail"]


async def test_one_time_password_opens_its_own_change_alone(browser: httpx.AsyncClient, make: Make) -> None:
    """Until another is chosen, which is good from then on; the one-time one is not."""
    once = make("wang.li", settled=False)
    assert (await log_in(browser, "wang.li", once)).json()["must_change_password"] is True
    assert kind(await browser.get("/api/v1/devices")) == (403, "password-must-change")
    for bad in ("short", "wang.li wang.li", once):
        answer = await browser.put("/api/v1/password", json={"current": once, "new": bad})
        assert kind(answer) == (422, "weak-password"), bad
        assert answer.json()["title"] == "The new password is not good enough"
    before = browser.cookies["tracefleet_session"]
    answer = await browser.put("/api/v1/password", json={"current": once, "new": PASSWORD})
    assert (answer.status_code, answer.json()["must_change_password"]) == (200, False)
    assert browser.cookies["tracefleet_session"] != before
    assert (await browser.get("/api/v1/devices")).status_code == 200
    assert kind(await log_in(browser, "wang.li", once)) == (401, "login-refused")


async def test_one_time_password_is_not_good_for_ever(
    browser: httpx.AsyncClient, make: Make, connection: Connection
) -> None:
    """After a week; a session that it began ends with it."""
    once = make("wang.li", settled=False)
    assert (await log_in(browser, "wang.li", once)).status_code == 201
    connection.execute("UPDATE users SET password_expires_at = now()")
    assert (await browser.get(CURRENT)).status_code == 401
    answer = await log_in(browser, "wang.li", once)
    assert kind(answer) == (401, "login-refused")
    assert "expired" in answer.json()["detail"]


async def test_change_of_the_password_ends_every_other_session(
    settings: Settings, make: Make, connection: Connection
) -> None:
    """Whoever stole one is out; it is told in the audit, and the hash is not."""
    make("wang.li")
    async with _browser(settings) as app:
        thief = httpx.AsyncClient(transport=app._transport, base_url="http://api")
        for client in (app, thief):
            assert (await log_in(client, "wang.li")).status_code == 201
        wrong = await thief.put("/api/v1/password", json={"current": "not this one", "new": "another of my own"})
        assert kind(wrong) == (401, "login-refused")
        changed = await app.put("/api/v1/password", json={"current": PASSWORD, "new": "another of my own"})
        assert changed.status_code == 200
        assert [(await client.get(CURRENT)).status_code for client in (app, thief)] == [200, 401]
    rows = connection.execute(
        "SELECT actor, reason, after::text FROM audit WHERE entity = 'users' AND reason = 'own password'"
    ).fetchall()
    assert {row[:2] for row in rows} == {("wang.li", "own password")}
    assert connection.execute(
        "SELECT count(*) FROM audit WHERE coalesce(after, before)::text LIKE '%argon2%'"
    ).fetchone() == (0,)
    assert connection.execute(
        "SELECT count(*) FROM audit WHERE entity IN ('sessions', 'user_passwords')"
    ).fetchone() == (0,)


async def test_password_that_was_reset_meanwhile_stays_reset(
    browser: httpx.AsyncClient, make: Make, connection: Connection, settings: Settings
) -> None:
    """Whoever proved the one before, and was still being answered, neither keeps it nor chooses the next."""
    make("wang.li")
    proved = account(connection, "wang.li")
    with acting(connection, ADMIN, keys=Keys.of(settings)):
        _, once = users.reset(connection, "wang.li")
    with pytest.raises(RefusedError, match="by somebody else"), acting(connection, ADMIN, keys=Keys.of(settings)):
        users.set_password(connection, proved, passwords.hash_of("another of my own"))
    with acting(connection, ADMIN, keys=Keys.of(settings)):
        users.renew_hash(connection, proved, passwords.hash_of(PASSWORD))
    assert kind(await log_in(browser, "wang.li")) == (401, "login-refused")
    assert (await log_in(browser, "wang.li", once)).json()["must_change_password"]


async def test_password_is_not_changed_by_a_key(
    browser: httpx.AsyncClient, as_role: Callable[..., dict[str, str]]
) -> None:
    """A key that got lost would become the user for good."""
    answer = await browser.put(
        "/api/v1/password", json={"current": PASSWORD, "new": "another of my own"}, headers=as_role("admin")
    )
    assert kind(answer) == (403, "forbidden")


@pytest.mark.usefixtures("zhengzhou")
async def test_session_ends_with_the_user_and_its_roles_are_those_of_now(
    browser: httpx.AsyncClient, make: Make, connection: Connection, settings: Settings
) -> None:
    """Decided at each request; a reset by somebody else ends it, too."""
    make("boss", "admin")
    make("wang.li", "operator")
    await log_in(browser, "wang.li")
    with acting(connection, ADMIN, keys=Keys.of(settings)):
        users.amend(connection, "wang.li", Change(roles=["auditor"], scope=Scope(("4101",), None)))
    told = (await browser.get(CURRENT)).json()
    assert (told["roles"], told["regions"]) == (["auditor"], ["4101"])
    assert kind(await browser.post("/api/v1/moves", json={})) == (403, "forbidden")
    with acting(connection, ADMIN, keys=Keys.of(settings)):
        users.amend(connection, "wang.li", Change(disabled=True))
    assert (await browser.get(CURRENT)).status_code == 401
    with acting(connection, ADMIN, keys=Keys.of(settings)):
        users.amend(connection, "wang.li", Change(disabled=False))
    assert (await browser.get(CURRENT)).status_code == 401
    await log_in(browser, "wang.li")
    with acting(connection, ADMIN, keys=Keys.of(settings)):
        users.reset(connection, "wang.li")
    assert (await browser.get(CURRENT)).status_code == 401


NOTED = "SELECT last_seen_at > now() - INTERVAL '5 minutes' FROM sessions"
# Of the name that was tried last; its address was counted a moment before it.
LAST_WAIT = """
SELECT extract(epoch FROM blocked_until - last_at)::int FROM login_tries ORDER BY last_at DESC LIMIT 1
"""


@pytest.mark.parametrize("column", ["last_seen_at", "expires_at"])
async def test_session_ends_idle_and_at_last_in_any_case(
    browser: httpx.AsyncClient, make: Make, connection: Connection, column: str
) -> None:
    """An hour unused, or twelve in all, as the settings say."""
    make("wang.li")
    await log_in(browser, "wang.li")
    late = {"last_seen_at": timedelta(minutes=60), "expires_at": timedelta(hours=12)}[column]
    change = sql.SQL("UPDATE sessions SET {0} = {0} - %s::interval").format(sql.Identifier(column))
    connection.execute(change, (late - timedelta(minutes=1),))
    assert (await browser.get(CURRENT)).status_code == 200
    async with asyncio.timeout(20):
        # Its use is noted a moment later, and not over what comes now.
        while connection.execute(NOTED).fetchone() != (True,):  # noqa: ASYNC110 - a row of the server is waited for
            await asyncio.sleep(0.02)
    connection.execute(change, (timedelta(minutes=61),))
    assert (await browser.get(CURRENT)).status_code == 401


async def test_use_keeps_a_session_open(settings: Settings, make: Make, connection: Connection) -> None:
    """Noted once a minute, and by the time the application ends."""
    make("wang.li")
    async with _browser(settings) as browser:
        await log_in(browser, "wang.li")
        connection.execute("UPDATE sessions SET last_seen_at = now() - INTERVAL '50 minutes'")
        assert (await browser.get(CURRENT)).status_code == 200
    seen = connection.execute("SELECT last_seen_at FROM sessions").fetchone()
    assert seen is not None
    assert datetime.now(UTC) - seen[0] < timedelta(minutes=1)


async def test_login_has_to_wait_after_some_wrong_ones(
    browser: httpx.AsyncClient, make: Make, connection: Connection
) -> None:
    """429 with the seconds, for the right password, too, and for nobody's name just so; twice as long each time."""
    make("wang.li")
    for name in ("wang.li", "nobody"):
        for _ in range(5):
            assert kind(await log_in(browser, name, "wrong")) == (401, "login-refused")
        assert connection.execute(LAST_WAIT).fetchone() == (1,)
        connection.execute("UPDATE login_tries SET blocked_until = now() + INTERVAL '1 hour' WHERE tries >= 5")
        answer = await log_in(browser, name)
        assert kind(answer) == (429, "login-throttled")
        assert 3500 < int(answer.headers["retry-after"]) <= 3600
        connection.execute("UPDATE login_tries SET blocked_until = now()")
        await log_in(browser, name, "wrong")
        assert connection.execute(LAST_WAIT).fetchone() == (2,)
        connection.execute("UPDATE login_tries SET blocked_until = now()")
    assert (await log_in(browser, "wang.li")).status_code == 201
    assert kind(await log_in(browser, "wang.li", "wrong")) == (401, "login-refused")
    counted = (await browser.get("/metrics")).text.splitlines()
    assert [line.partition("outcome=")[2] for line in counted if line.startswith("tracefleet_api_logins_total{")] == [
        '"admitted"} 1.0',
        '"refused"} 13.0',
        '"throttled"} 2.0',
    ]


async def test_logins_at_once_are_no_way_around_the_wait(settings: Settings, make: Make) -> None:
    """Over two processes, all at the same moment: no more passwords are looked at than the free ones."""
    make("wang.li")
    async with _browser(settings) as one, _browser(settings) as other:
        tries = [log_in(client, "wang.li", f"guess {n}") for n in range(8) for client in (one, other)]
        found = [answer.status_code for answer in await asyncio.gather(*tries)]
    assert (found.count(401), found.count(429)) == (5, 11)


async def test_address_has_to_wait_when_it_tries_many_names(
    browser: httpx.AsyncClient, make: Make, connection: Connection
) -> None:
    """Twenty are free; one's own success takes back one's own try alone."""
    make("wang.li")
    connection.execute("INSERT INTO login_tries VALUES ('address 127.0.0.1', 18, now(), '-infinity')")
    assert (await log_in(browser, "wang.li")).status_code == 201
    assert kind(await log_in(browser, "a", "wrong")) == (401, "login-refused")
    assert kind(await log_in(browser, "b", "wrong")) == (401, "login-refused")
    assert kind(await log_in(browser, "wang.li")) == (429, "login-throttled")
    row = connection.execute("SELECT tries FROM login_tries WHERE subject = 'address 127.0.0.1'").fetchone()
    assert row == (20,)


@pytest.mark.parametrize("typed", ["WANG.LI", " wang.li ", "wang.l\u0130", "wang.\u212bi", "wang.li\u0307"])
def test_name_is_counted_as_it_is_looked_up(connection: Connection, make: Make, typed: str) -> None:
    """However it is spelt: what finds the user waits with the user, what does not finds nobody."""
    make("wang.li")
    for _ in range(5):
        assert login_tries.begin(connection, "wang.li", "10.0.0.7") is None
    has_to_wait = login_tries.begin(connection, typed, "10.0.0.8") is not None
    assert has_to_wait == (users.account(connection, typed) is not None)


async def test_login_takes_json_alone(browser: httpx.AsyncClient, make: Make) -> None:
    """What a form of another site could send is refused before anybody is asked."""
    make("wang.li")
    form = await browser.post(SESSIONS, data={"name": "wang.li", "password": PASSWORD})
    assert kind(form) == (415, "unsupported-media-type")
    for body in ({}, {"name": "wang.li"}, {"name": "a\u0000", "password": "x"}, {"name": "a", "password": "x", "y": 1}):
        assert (await browser.post(SESSIONS, json=body)).status_code == 422


async def test_password_is_in_no_log_and_no_table(
    browser: httpx.AsyncClient, make: Make, connection: Connection
) -> None:
    """Neither when it is right nor when it is wrong; nor is the token."""
    make("wang.li")
    with capture_logs() as logs:
        await log_in(browser, "wang.li")
        await log_in(browser, "wang.li", PASSWORD + "?")
    secrets = (PASSWORD, browser.cookies["tracefleet_session"])
    for (table,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
        for secret in secrets:
            query = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(sql.Identifier(table))
            found = connection.execute(query, (f"%{secret}%",))
            assert found.fetchone() == (0,), table
    assert not any(secret in repr(logs) for secret in secrets)


async def test_login_page_speaks_both_languages_and_to_nobody_else(browser: httpx.AsyncClient) -> None:
    """The one script by its hash, nothing from elsewhere, no form that could be sent anywhere."""
    answer = await browser.get("/login")
    assert answer.status_code == 200
    assert "登录 Log in" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "<form" not in answer.text


async def test_hash_of_weaker_parameters_is_renewed_at_login(
    browser: httpx.AsyncClient, make: Make, connection: Connection
) -> None:
    """The password stays the same, and the log-in goes on; what changed is told in the audit."""
    make("wang.li")
    weak = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    connection.execute("UPDATE user_passwords SET password_hash = %s", (weak,))
    for _ in range(2):
        assert (await log_in(browser, "wang.li")).status_code == 201
        assert (await browser.get(CURRENT)).status_code == 200
    row = connection.execute("SELECT password_hash LIKE '$argon2id$v=19$m=65536,%' FROM user_passwords").fetchone()
    assert row == (True,)
    told = connection.execute("SELECT count(*) FROM audit WHERE reason LIKE 'the same password%'").fetchone()
    assert told == (1,)
