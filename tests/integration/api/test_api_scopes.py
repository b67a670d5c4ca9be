"""What is elsewhere does not exist for a caller of some sites: the matrix of operations and roles, from OpenAPI."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from api import reach
from api.app import create_app
from api.permissions import all_of
from fleet.acting import Actor, acting
from fleet.identity import api_keys
from fleet.identity.roles import ADMIN, MACHINES, ROLES, Role
from fleet.identity.scope import Scope
from fleet.keys import Keys
from fleet.presence import outages
from fleet.retirement.opening import open_case
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
OPEN_LISTS = reach.CITY_WIDE | reach.FILTERED
# What a body names, where the route asks by itself.
NAMED = {
    "/api/v1/cases": {"device_no": THEIRS, "reason": "不再使用"},
    "/api/v1/outages": {"scope": "site", "site_no": THERE, "began_at": "2026-01-31T08:00:00+08:00", "reason": "停电"},
}
# A message of another's device, which would be stored by whoever may report for it.
REPORTED: dict[str, Any] = {
    "device_no": THEIRS,
    "stream": "status",
    "message": {"v": 1, "boot": "b1", "seq": 0, "records": [{"at": "2026-01-31T08:00:00Z", "uptime_s": 60}]},
}


@dataclass
class Ids:
    """What there is of a device, for the paths that name it."""

    case_no: str
    finding_id: str
    outage_id: str
    security_event_id: str


def _about(connection: Connection, settings: Settings, device_no: str, site_no: str) -> Ids:
    """A case, a finding, an outage and a security event of a device."""
    now = datetime.now(UTC)
    with acting(connection, Actor("li", "test"), keys=Keys.of(settings)):
        case = open_case(connection, device_no, now=now, reason="不再使用", by_hand=True)
        outage = outages.declare(connection, "site", site_no, now - timedelta(hours=1), None, "停电", now=now)
        finding = connection.execute(
            "INSERT INTO findings (device_id, rule, rule_version, weight, is_mandatory, found_on, numbers, query,"
            " sentence_zh, sentence_en, opened_at)"
            " SELECT device_id, 'dormant', 1, 60, false, %s, '{}', 'SELECT 1', '句', 'said', %s FROM devices"
            " WHERE device_no = %s RETURNING finding_id::text",
            (now.date(), now, device_no),
        ).fetchone()
        event = connection.execute(
            "INSERT INTO security_events (device_id, channel, first_at, last_at, attempts, evidence, noted_at)"
            " SELECT device_id, 'broker', %s, %s, 1, '{}', %s FROM devices WHERE device_no = %s"
            " RETURNING security_event_id::text",
            (now, now, now, device_no),
        ).fetchone()
    assert finding is not None
    assert event is not None
    return Ids(case.case_no, finding[0], str(outage.outage_id), event[0])


@pytest.fixture
def ids(connection: Connection, settings: Settings, city: Any) -> dict[str, Ids]:
    """A device here and one elsewhere, and what there is about each."""
    model = city.model("YH-ACS15", "trace_scale")
    for number, site in ((OURS, city.site(HERE, "410105")), (THEIRS, city.site(THERE, "410202"))):
        device = city.device(number, model, site, owner_type="government", state="in_service")
        city.latest(device, "status", datetime.now(UTC), {"uptime_s": 60})
    places = ((OURS, HERE), (THEIRS, THERE))
    return {device_no: _about(connection, settings, device_no, site_no) for device_no, site_no in places}


@pytest.fixture
async def strict(settings: Settings, ids: dict[str, Ids]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application as it is delivered, over a device here and one elsewhere."""
    assert set(ids) == {OURS, THEIRS}
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


def _expected(method: str, path: str) -> int:
    """What a caller of a site here is told about something elsewhere."""
    if path == "/api/v1/telemetry":
        return 200  # and tells that nothing was taken
    if path in reach.OF_ONE.get(method, ()) or path in reach.ASKS_ITSELF.get(method, ()):
        return 404
    return 200 if method == "GET" and path in OPEN_LISTS else 403


async def test_matrix_of_foreign_sites(
    strict: httpx.AsyncClient,
    keys: dict[Role, Any],
    connection: Connection,
    settings: Settings,
    ids: dict[str, Ids],
) -> None:
    """Every operation of OpenAPI, every role: 404 as of what nobody has, or refused, and no table is changed."""
    paths = (await strict.get("/api/v1/openapi.json")).json()["paths"]
    account, before, wrong, asked = _of_account(settings), _rows(connection), [], 0
    given = GIVEN | asdict(ids[THEIRS])
    for path, operations in paths.items():
        address = re.sub(r"\{(\w+)\}", lambda match: given.get(match[1], "1"), path)
        # Were it let through, this query would be refused, where the stream would never end.
        address += "?no_such=1" if path == "/api/v1/events" else ""
        for method, operation in operations.items():
            told = operation["x-permission"]
            if told == "public" or path in account:
                continue
            body = NAMED.get(path, {}) if method in ("post", "put", "patch") else None
            for role in set(SCOPED) & set(told):
                if path == "/api/v1/telemetry":
                    answer = await _report(strict, keys[role], _lines(REPORTED))
                else:
                    answer = await strict.request(method.upper(), address, headers=keys[role], json=body)
                asked += 1
                is_silent = answer.status_code != 200 or (THEIRS not in answer.text and THERE not in answer.text)
                if answer.status_code != _expected(method.upper(), path) or not is_silent:
                    wrong.append((role, method, path, answer.status_code))
    assert wrong == []
    assert asked > 300
    assert _rows(connection) == before


async def _report(client: httpx.AsyncClient, key: dict[str, str], body: bytes) -> httpx.Response:
    """As a gateway does: again, until the server has read its ledger."""
    headers = key | {"Content-Type": "application/x-ndjson"}
    async with asyncio.timeout(30):
        while True:
            answer = await client.post("/api/v1/telemetry", content=body, headers=headers)
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(0.05)


def _lines(*told: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, told)).encode()


async def test_telemetry_is_taken_for_devices_here(
    strict: httpx.AsyncClient, keys: dict[Role, Any], connection: Connection
) -> None:
    """A line of a device elsewhere, or of one that nobody has, is told and kept nowhere; its neighbours are stored."""
    ours = REPORTED | {"device_no": OURS}
    roles: tuple[Role, ...] = ("gateway", "operator")
    for round_, role in enumerate(roles):
        mine = ours | {"message": REPORTED["message"] | {"boot": f"b{round_}"}}
        body = _lines(REPORTED, mine, REPORTED | {"device_no": NOBODYS}, {"stream": "status"})
        answer = await _report(strict, keys[role], body)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert [(one["line"], one["reason"], one["outcome"]) for one in told["refusals"]] == [
            (1, "unknown_device", "not_taken"),
            (3, "unknown_device", "not_taken"),
            (4, "bad_message", "dead_lettered" if round_ == 0 else "duplicate"),
        ]
        assert told["refusals"][0] | {"line": 3} == told["refusals"][1]
        assert (told["total"]["received"], told["total"]["stored"]) == (2, 1)
    assert connection.execute("SELECT DISTINCT device_id FROM status").fetchall() == [(1,)]
    assert connection.execute("SELECT device_no FROM dead_letters").fetchall() == [(None,)]


async def test_lines_of_no_device_are_dead_letters_for_every_caller(
    strict: httpx.AsyncClient, keys: dict[Role, Any]
) -> None:
    """Numbers that no device can have, in whatever bytes; what takes long to read lets others have their turn."""
    bodies = [
        json.dumps(REPORTED | {"device_no": "\0"}).encode(),
        json.dumps(REPORTED | {"device_no": "\ud800"}).encode(),
        json.dumps(REPORTED).encode().replace(THEIRS.encode(), b"\xff"),
        b'{"a":NaN}',
    ]
    answer = await _report(strict, keys["gateway"], b"\n".join(bodies))
    assert answer.status_code == 200, answer.text
    assert {one["outcome"] for one in answer.json()["refusals"]} == {"dead_lettered"}
    assert answer.json()["total"]["dead_lettered"] == len(bodies)


async def test_what_is_here_may_be_seen_and_changed(
    strict: httpx.AsyncClient, keys: dict[Role, Any], ids: dict[str, Ids], settings: Settings
) -> None:
    """By the roles whose it is: of everything that one path names, nothing is refused for where it stands."""
    given = GIVEN | asdict(ids[OURS]) | {"device_no": OURS, "site_no": HERE}
    declared = {(method, one.path): one.roles for one in all_of(create_app(settings)) for method in one.methods}
    wrong = []
    for method, templates in reach.OF_ONE.items():
        for path in sorted(templates):
            address = re.sub(r"\{(\w+)\}", lambda match: given.get(match[1], "1"), path)
            role = next(role for role in SCOPED if role in (declared[method, path] or ()))
            # A body that says nothing is refused for that, and not for the place.
            body: dict[str, object] | None = {} if method in ("POST", "PUT") else None
            answer = await strict.request(method, address, headers=keys[role], json=body)
            problem = answer.json().get("type", "") if answer.status_code >= 400 else ""
            refused = problem.endswith(("#unknown-device", "#forbidden")) or "has the number" in answer.text
            if answer.status_code in (403, 404) and refused:
                wrong.append((method, path, answer.text))
    assert wrong == []


async def test_elsewhere_is_answered_as_unknown_is(
    strict: httpx.AsyncClient, keys: dict[Role, Any], ids: dict[str, Ids]
) -> None:
    """Word for word, but for the number that was asked."""
    theirs = {"device_no": THEIRS, "site_no": THERE, **asdict(ids[THEIRS])}
    nobodys = {"device_no": NOBODYS, "site_no": "419999999", "case_no": "RC-2026-999999"}
    for path in reach.OF_ONE["GET"]:
        [name] = {match for match in re.findall(r"\{(\w+)\}", path) if match in reach.WITHIN}
        unknown = nobodys.get(name, "999999")
        asked = path.replace("{stream}", "weighing")
        role: Role = "fleet_admin"
        answers = [
            await strict.get(asked.replace(f"{{{name}}}", number), headers=keys[role])
            for number in (theirs[name], unknown)
        ]
        assert [answer.status_code for answer in answers] == [404, 404], path
        assert answers[0].text.replace(theirs[name], unknown) == answers[1].text


async def test_lists_are_asked_by_place(strict: httpx.AsyncClient, keys: dict[Role, Any]) -> None:
    """One place, in the scope; what is listed then stands there."""
    for path in reach.BY_PLACE:
        statuses = [
            (await strict.get(path, params=params, headers=keys["viewer"])).status_code
            for params in (
                {},
                {"site_no": THERE},
                {"site_no": "419999999"},
                {"region_code": "4102"},
                {"region_code": "41"},
                {"site_no": HERE, "region_code": "4101"},
            )
        ]
        assert statuses == [403, 404, 404, 403, 403, 403], path
        here = await strict.get(path, params={"site_no": HERE}, headers=keys["viewer"])
        assert here.status_code == 200, here.text
        assert THEIRS not in here.text


async def test_successor_from_elsewhere_is_nobody(
    strict: httpx.AsyncClient, keys: dict[Role, Any], ids: dict[str, Ids]
) -> None:
    """A case may name a device that takes the place: one that the caller may see."""
    order = {"reason": "不再使用", "replacement": "device", "successor_no": THEIRS}
    address = f"/api/v1/cases/{ids[OURS].case_no}/propose"
    answer = await strict.post(address, json=order, headers=keys["operator"])
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("#unknown-device")
    order = {"reason": "不再使用"}
    assert (await strict.post(address, json=order, headers=keys["operator"])).status_code == 200


async def test_list_counts_what_is_here(strict: httpx.AsyncClient, keys: dict[Role, Any]) -> None:
    """Items, total and facets; a filter for elsewhere finds nothing."""
    answer = await strict.get("/api/v1/devices", params={"facets": "true"}, headers=keys["viewer"])
    page = answer.json()
    assert [item["device_no"] for item in page["items"]] == [OURS]
    assert page["total"] == 1
    assert sum(page["facets"]["state"].values()) == 1
    none = await strict.get("/api/v1/devices", params={"site_no": THERE, "count": "true"}, headers=keys["viewer"])
    assert (none.json()["items"], none.json()["total"]) == ([], 0)


async def test_other_lists_hold_what_is_here(
    strict: httpx.AsyncClient, keys: dict[Role, Any], ids: dict[str, Ids]
) -> None:
    """Whatever else they are asked for."""
    findings = (await strict.get("/api/v1/findings", headers=keys["viewer"])).json()["items"]
    assert [str(item["finding_id"]) for item in findings] == [ids[OURS].finding_id]
    none = await strict.get("/api/v1/findings", params={"site_no": THERE}, headers=keys["viewer"])
    assert none.json()["items"] == []
    sites = (await strict.get("/api/v1/sites", headers=keys["viewer"])).json()["items"]
    assert [item["site_no"] for item in sites] == [HERE]
    for path in ("/api/v1/flags", "/api/v1/health"):
        answer = await strict.get(path, headers=keys["viewer"])
        assert answer.status_code == 200
        assert THEIRS not in answer.text


async def test_records_of_predecessors_are_refused(strict: httpx.AsyncClient, keys: dict[Role, Any]) -> None:
    """They may stand elsewhere today."""
    address = f"/api/v1/devices/{OURS}/records/weighing"
    answer = await strict.get(address, params={"lineage": "true"}, headers=keys["viewer"])
    assert answer.status_code == 403


def test_every_route_of_the_lists_is_a_route(settings: Settings) -> None:
    """A path that was renamed would be refused, and nobody would know why."""
    routes = {(method, one.path) for one in all_of(create_app(settings)) for method in one.methods}
    named = {("GET", path) for path in OPEN_LISTS | reach.BY_PLACE}
    for lists in (reach.OF_ONE, reach.ASKS_ITSELF):
        named |= {(method, path) for method, paths in lists.items() for path in paths}
    assert routes >= named
