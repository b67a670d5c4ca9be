"""What is elsewhere does not exist for a caller of some sites: the matrix of operations and roles, from OpenAPI."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from api import reach
from api.app import create_app
from api.permissions import all_of
from fleet.acting import Actor, acting
from fleet.identity import api_keys
from fleet.identity.roles import ADMIN, MACHINES, ROLES, Role
from fleet.identity.scope import Scope
from fleet.keys import Keys
from store.settings import Settings

pytestmark = pytest.mark.anyio
Connection = psycopg.Connection[tuple[Any, ...]]
HERE, THERE = "410100001", "410200001"
OURS, THEIRS, NOBODYS = "TD-410100-SC-000001", "TD-410200-SC-000002", "TD-410200-SC-000003"
SCOPED: tuple[Role, ...] = tuple(role for role in ROLES if role != ADMIN)
# One scope by the site, and one by the first digits of its region.
SCOPES = {"by-site": Scope(None, (HERE,)), "by-region": Scope(("4101",), None)}
GIVEN = {
    "device_no": THEIRS,
    "site_no": THERE,
    # Of the device elsewhere: the second that is found.
    "finding_id": "2",
    "merchant_code": "4102000010001",
    "noun": "devices",
    "stream": "weighing",
    "day": "2026-01-31",
    "case_no": "RC-2026-000001",
    "programme_no": "NONE",
    "rule": "dormant",
    "tier": "owner",
    "state": "opened",
}
KNOWN = reach.CITY_WIDE | reach.FILTERED | reach.OF_A_DEVICE | reach.OF_A_SITE | reach.OF_A_FINDING


def _judge(city: Any, device_id: int) -> None:
    """Give a device its health, a finding and a flag."""
    now = datetime.now(UTC)
    city.add("device_health", device_id=device_id, evaluated_at=now, presence="online", presence_since=now, score=90)
    told = {"device_id": device_id, "sentence_zh": "闲置。", "sentence_en": "Idle."}
    found = city.add(
        "findings",
        "finding_id",
        **told,
        rule="dormant",
        rule_version=1,
        weight=60,
        is_mandatory=False,
        found_on=now.date(),
        numbers=Jsonb({}),
        query="SELECT 1",
        opened_at=now,
    )
    flag = {"flagged_on": now.date(), "flagged_at": now, "policy_version": 1, "score": 60, "findings": [found]}
    city.add("flags", **told, **flag)


@pytest.fixture
async def strict(settings: Settings, city: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application as it is delivered, over a device here and one elsewhere."""
    model = city.model("YH-ACS15", "trace_scale")
    for number, site in ((OURS, city.site(HERE, "410105")), (THEIRS, city.site(THERE, "410202"))):
        device = city.device(number, model, site)
        city.latest(device, "status", datetime.now(UTC), {"uptime_s": 60})
        _judge(city, device)
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


@pytest.fixture(params=SCOPES)
def keys(request: pytest.FixtureRequest, connection: Connection, settings: Settings) -> dict[Role, Any]:
    """The headers of a key of each role but admin, which count at one site only."""
    made = {}
    with acting(connection, Actor("admin", "test"), keys=Keys.of(settings)):
        for role in SCOPED:
            owner = None if role in MACHINES else role
            if owner is not None:
                connection.execute("INSERT INTO users (name, roles) VALUES (%s, %s)", (owner, [role]))
            _, text = api_keys.make(connection, role, [role], owner=owner, scope=SCOPES[request.param])
            made[role] = {"Authorization": f"Bearer {text}"}
    return made


def _rows(connection: Connection) -> dict[str, object]:
    """A digest of every table but the one that tells when a key was used."""
    tables = connection.execute(
        "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
        " AND c.relname <> 'api_key_uses'"
    ).fetchall()
    digest = sql.SQL("SELECT count(*), md5(string_agg(r::text, '' ORDER BY r::text)) FROM {} AS r")
    return {table: connection.execute(digest.format(sql.Identifier(table))).fetchone() for (table,) in tables}


def _of_account(settings: Settings) -> set[str]:
    """The paths of what everybody may do about himself."""
    return {one.path for one in all_of(create_app(settings)) if one.roles and set(one.roles) == set(ROLES)}


async def test_matrix_of_foreign_sites(
    strict: httpx.AsyncClient, keys: dict[Role, Any], connection: Connection, settings: Settings
) -> None:
    """Every operation of OpenAPI, every role: 404 as of what nobody has, or refused, and no table is changed."""
    paths = (await strict.get("/api/v1/openapi.json")).json()["paths"]
    account, before, wrong, asked = _of_account(settings), _rows(connection), [], 0
    for path, operations in paths.items():
        address = re.sub(r"\{(\w+)\}", lambda match: GIVEN.get(match[1], "1"), path)
        # Were it let through, this query would be refused, where the stream would never end.
        address += "?no_such=1" if path == "/api/v1/events" else ""
        for method, operation in operations.items():
            told = operation["x-permission"]
            if told == "public" or path in account:
                continue
            for role in set(SCOPED) & set(told):
                body: dict[str, object] | None = {} if method in ("post", "put", "patch") else None
                answer = await strict.request(method.upper(), address, headers=keys[role], json=body)
                asked += 1
                reads = method == "get" and path in KNOWN
                if not reads:
                    is_right = answer.status_code == 403
                elif "{" in path and path not in reach.CITY_WIDE:
                    is_right = answer.status_code == 404
                else:
                    is_right = answer.status_code == 200 and THEIRS not in answer.text and THERE not in answer.text
                if not is_right:
                    wrong.append((role, method, path, answer.status_code))
    assert wrong == []
    assert asked > 300
    assert _rows(connection) == before


async def test_elsewhere_is_answered_as_unknown_is(strict: httpx.AsyncClient, keys: dict[Role, Any]) -> None:
    """Word for word, but for the number that was asked; what is here is shown."""
    for path in reach.OF_A_DEVICE:
        asked = path.replace("{stream}", "weighing")
        answers = [
            await strict.get(asked.replace("{device_no}", number), headers=keys["viewer"])
            for number in (OURS, THEIRS, NOBODYS)
        ]
        assert [answer.status_code for answer in answers] == [200, 404, 404], path
        assert answers[1].text.replace(THEIRS, NOBODYS) == answers[2].text
    assert (await strict.get(f"/api/v1/sites/{HERE}", headers=keys["viewer"])).status_code == 200


async def test_list_counts_what_is_here(strict: httpx.AsyncClient, keys: dict[Role, Any]) -> None:
    """Items, total and facets; a filter for elsewhere finds nothing."""
    answer = await strict.get("/api/v1/devices", params={"facets": "true"}, headers=keys["viewer"])
    page = answer.json()
    assert [item["device_no"] for item in page["items"]] == [OURS]
    assert page["total"] == 1
    assert sum(page["facets"]["state"].values()) == 1
    none = await strict.get("/api/v1/devices", params={"site_no": THERE, "count": "true"}, headers=keys["viewer"])
    assert (none.json()["items"], none.json()["total"]) == ([], 0)


@pytest.mark.parametrize("path", sorted(reach.FILTERED))
async def test_list_shows_what_is_here(strict: httpx.AsyncClient, keys: dict[Role, Any], path: str) -> None:
    """And nothing else, whether the scope names sites or regions."""
    answer = await strict.get(path, headers=keys["viewer"])
    shown = [item.get("device_no") or item["site_no"] for item in answer.json()["items"]]
    assert shown == [HERE if path == "/api/v1/sites" else OURS]


async def test_health_counts_what_is_here(strict: httpx.AsyncClient, keys: dict[Role, Any]) -> None:
    """The bands tell nothing of other sites."""
    answer = await strict.get("/api/v1/health", headers=keys["viewer"])
    assert answer.json()["bands"] == {"good": 1}


async def test_finding_elsewhere_is_none(strict: httpx.AsyncClient, keys: dict[Role, Any]) -> None:
    """The one here is shown; the one elsewhere is answered as one that was never found."""
    answers = [await strict.get(f"/api/v1/findings/{number}", headers=keys["viewer"]) for number in (1, 2, 3)]
    assert [answer.status_code for answer in answers] == [200, 404, 404]
    assert answers[1].text.replace("2", "3") == answers[2].text.replace("2", "3")


async def test_records_of_predecessors_are_refused(strict: httpx.AsyncClient, keys: dict[Role, Any]) -> None:
    """They may stand elsewhere today."""
    address = f"/api/v1/devices/{OURS}/records/weighing"
    answer = await strict.get(address, params={"lineage": "true"}, headers=keys["viewer"])
    assert answer.status_code == 403


def test_every_route_of_the_lists_is_a_route(settings: Settings) -> None:
    """A path that was renamed would be refused, and nobody would know why."""
    assert {one.path for one in all_of(create_app(settings))} >= KNOWN
