"""Deny by default: every route says who may, OpenAPI tells it, and it is so, for each role and each operation."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import APIRouter, Depends, FastAPI

from api.app import create_app
from api.callers import MAY_READ, require
from api.permissions import UndeclaredError, all_of, check
from fleet.acting import Actor, acting
from fleet.identity import api_keys
from fleet.identity.roles import MACHINES, PEOPLE, ROLES, Role
from fleet.keys import Keys
from store.settings import Settings

pytestmark = pytest.mark.anyio
Connection = psycopg.Connection[tuple[Any, ...]]
Headers = Callable[..., dict[str, str]]

# What anybody may, and why nobody is asked.
PUBLIC = {
    ("GET", "/"),  # the first page; figures are for those who may read
    ("GET", "/api/v1/docs"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/problems"),
    ("GET", "/d/{device_no}"),  # what whoever holds the device may know
    ("GET", "/enrol"),
    ("GET", "/livez"),
    ("GET", "/login"),
    ("GET", "/metrics"),
    ("GET", "/readyz"),
    ("GET", "/runbook"),
    ("GET", "/runbook/{name}"),
    ("POST", "/api/v1/enrolments"),  # the code is what is asked for
    ("POST", "/api/v1/sessions"),  # the password
}
# What a path's parameter is in the matrix: of the right form, and nobody's.
NOBODYS = {
    "device_no": "TD-410100-SC-999999-9",
    "site_no": "410199999",
    "merchant_code": "4101999990001",
    "party_no": "NOBODY",
    "noun": "devices",
    "stream": "weighing",
    "day": "2026-01-31",
    "case_no": "RC-2026-999999",
    "programme_no": "NONE",
    "rule": "dormant",
    "tier": "owner",
    "state": "opened",
    "name": "nobody",
    "key_id": "aaaaaaaa",
}
# Without a query that is refused this one would never end.
ENDLESS = "/api/v1/events"


@pytest.fixture
async def strict(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application as it is delivered: whoever shows nothing may nothing."""
    async with _client(settings) as client:
        yield client


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


@pytest.fixture
def keys(connection: Connection, settings: Settings) -> dict[Role, dict[str, str]]:
    """The headers of a key of each role: of people, and of machines."""
    made = {}
    with acting(connection, Actor("admin", "test"), keys=Keys.of(settings)):
        for role in ROLES:
            owner = None if role in MACHINES else role
            if owner is not None:
                connection.execute("INSERT INTO users (name, roles) VALUES (%s, %s)", (owner, [role]))
            _, text = api_keys.make(connection, role, [role], owner=owner)
            made[role] = {"Authorization": f"Bearer {text}"}
    return made


async def _operations(client: httpx.AsyncClient) -> list[tuple[str, str, set[str] | None]]:
    """Method, address and the roles that may, as OpenAPI tells them; None when anybody may."""
    paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
    found = []
    for path, operations in paths.items():
        address = re.sub(r"\{(\w+)\}", lambda match: NOBODYS.get(match[1], "999999999"), path)
        for method, operation in operations.items():
            told = operation["x-permission"]
            assert (told == "public") == (operation.get("security") == []), path
            may = None if told == "public" else set(told)
            if may is not None:
                assert {"401", "403"} <= set(operation["responses"]), path
            found.append((method.upper(), address + ("?no_such=1" if path == ENDLESS else ""), may))
    return found


def test_every_route_declares_one_permission(settings: Settings) -> None:
    """Those that are in no document included; what is open to everybody is in the list above and nothing else."""
    declared = list(all_of(create_app(settings)))
    assert len(declared) > 100
    public = {(method, one.path) for one in declared if one.roles is None for method in one.methods}
    assert public == PUBLIC
    assert {one.path for one in declared if one.roles is not None and "admin" not in one.roles} == set()


def _of_two_sorts() -> Iterator[tuple[str, APIRouter]]:
    silent = APIRouter()
    silent.add_api_route("/silent", lambda: None)
    yield "declares 0 permissions", silent
    twice = APIRouter(dependencies=MAY_READ)
    twice.add_api_route("/twice", lambda: None, dependencies=[Depends(require("admin"))])
    yield "declares 2 permissions", twice
    careless = APIRouter(dependencies=MAY_READ)
    careless.add_api_route("/careless", lambda: None, methods=["POST"])
    yield "a viewer could change", careless


@pytest.mark.parametrize(("words", "router"), list(_of_two_sorts()))
def test_application_is_not_put_together_when_a_route_is_careless(words: str, router: APIRouter) -> None:
    """It says nothing, or two things, or lets viewers change something: no start, and the route is named."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router)
    with pytest.raises(UndeclaredError, match=words):
        check(app)


async def test_matrix_of_roles_and_operations(strict: httpx.AsyncClient, keys: dict[Role, dict[str, str]]) -> None:
    """401 without a caller, 403 for roles that may not, anything else for those who may, for all of OpenAPI."""
    wrong, asked = [], 0
    for method, address, may in await _operations(strict):
        for role in (None, *ROLES):
            answer = await strict.request(method, address, headers=keys[role] if role else {})
            asked += 1
            if role is None:
                is_right = (answer.status_code == 401) == (may is not None)
            elif may is None or role in may:
                is_right = answer.status_code not in (401, 403)
            else:
                is_right = answer.status_code == 403
            if not is_right or answer.status_code == 500:
                wrong.append((method, address, role, answer.status_code, answer.text[:200]))
    assert wrong == []
    assert asked > 1000


async def test_matrix_of_who_has_to_change_the_password(strict: httpx.AsyncClient, connection: Connection) -> None:
    """A session of an admin with a one-time password opens his own account, what is public, and nothing else."""
    connection.execute("INSERT INTO users (name, roles) VALUES ('new', '{admin}')")
    connection.execute(
        "INSERT INTO sessions (token_sha256, user_id, address, expires_at)"
        " SELECT sha256('token'), user_id, 'x', now() + INTERVAL '1 hour' FROM users"
    )
    strict.cookies.set("tracefleet_session", "token")
    of_account = []
    for method, address, may in await _operations(strict):
        if may is None or address == "/api/v1/sessions/current":
            continue
        answer = await strict.request(method, address)
        if answer.status_code == 403:
            assert answer.json()["type"].endswith("#password-must-change"), address
        else:
            of_account.append(address)
    assert of_account == ["/api/v1/password"]
    assert (await strict.get("/api/v1/sessions/current")).json()["must_change_password"] is True


async def test_viewers_change_nothing_and_machines_read_nothing(strict: httpx.AsyncClient) -> None:
    """Read off the document: whoever only looks has no operation that changes, but those of his own account."""
    own = {"/api/v1/sessions/current", "/api/v1/password"}
    for method, address, may in await _operations(strict):
        if may is None or address in own:
            continue
        assert method == "GET" or "viewer" not in may, address
        assert method == "GET" or "auditor" not in may, address
        assert (address == "/api/v1/telemetry") == ("gateway" in may), address
        assert address.startswith("/api/v1/broker/") == ("broker" in may), address
    assert set(PEOPLE) | MACHINES == set(ROLES)


async def test_first_page_shows_figures_to_those_who_may_read(
    strict: httpx.AsyncClient, keys: dict[Role, dict[str, str]]
) -> None:
    """How many devices there are, and the number of one, is nobody else's business."""
    for role, shown in ((None, "–"), ("gateway", "–"), ("viewer", "0")):
        page = (await strict.get("/", headers=keys[role] if role else {})).text  # type: ignore[index]
        assert f"<b>{shown}</b>台账设备" in page
        assert '<a href="/login">' in page


async def test_loopback_role_is_for_this_machine_and_nothing_more(
    make_settings: Callable[..., Settings],
) -> None:
    """Given by a setting alone; from elsewhere whoever shows nothing is still nobody."""
    app = create_app(make_settings(api_loopback_role="viewer"))
    async with app.router.lifespan_context(app):
        for host, statuses in (("127.0.0.1", (200, 403)), ("::1", (200, 403)), ("10.0.0.7", (401, 401))):
            transport = httpx.ASGITransport(app, client=(host, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                answers = (await client.get("/api/v1/devices"), await client.post("/api/v1/moves", json={}))
                assert tuple(answer.status_code for answer in answers) == statuses, host
