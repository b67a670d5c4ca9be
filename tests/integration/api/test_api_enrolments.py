"""``POST /api/v1/enrolments`` and the page for it: a code is enough, once, and a refusal says nothing."""

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from api.enrolments import REFUSED_AFTER_SECONDS
from api.tries import TRIES_MAX
from fleet.acting import Actor, acting
from fleet.identity.enrolments import TRIES, invite
from fleet.keys import Keys
from store.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_device")]
Connection = psycopg.Connection[tuple[Any, ...]]
Invite = Callable[..., str]
PATH = "/api/v1/enrolments"
WRONG = "00000-00000"


@pytest.fixture
def code_of(connection: Connection, settings: Settings) -> Invite:
    """Makes a one-time code of a device, some time ago."""

    def made(device_no: str = "D-1", ago: timedelta = timedelta()) -> str:
        with acting(connection, Actor("admin", "test"), keys=Keys.of(settings)):
            [one] = invite(connection, [device_no], valid_for=timedelta(hours=24), now=datetime.now(UTC) - ago)
        return one.code

    return made


async def _try(client: httpx.AsyncClient, code: str, device_no: str = "D-1") -> httpx.Response:
    return await client.post(PATH, json={"device_no": device_no, "code": code})


async def test_code_gives_the_login_once(client: httpx.AsyncClient, code_of: Invite, connection: Connection) -> None:
    """No key is needed; who it was is in the audit, what it got is nowhere."""
    code = code_of()
    with capture_logs() as logs:
        answer = await _try(client, code.lower())
        again = await _try(client, code)
    assert (answer.status_code, answer.headers["cache-control"], again.status_code) == (201, "no-store", 403)
    login = answer.json()
    assert (login["username"], login["client_id"], login["expires_at"]) == ("D-1", "D-1", None)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", login["password"])
    rows = connection.execute("SELECT actor, reason, a::text FROM audit AS a WHERE actor = 'installer'").fetchall()
    assert {(actor, reason) for actor, reason, _ in rows} == {("installer", "enrolment")}
    assert not [row for row in [*rows, str(logs)] if login["password"] in str(row) or code in str(row)]


async def test_refusals_are_all_alike(client: httpx.AsyncClient, code_of: Invite, city: Any) -> None:
    """Wrong, used, expired, void, of another device, of none: the same answer, and not before its time."""
    model, site = city.model("L-2", "logger"), city.site("410100002")
    for number in ("used", "expired", "void", "retired", "other"):
        city.device(number, model, site)
    used, expired, retired = code_of("used"), code_of("expired", ago=timedelta(hours=25)), code_of("retired")
    void = code_of("void")
    code_of("void")
    await _try(client, used, "used")
    city.connection.execute("UPDATE devices SET state = 'lost' WHERE device_no = 'retired'")
    code_of()
    tries = {
        "D-1": WRONG,
        "used": used,
        "expired": expired,
        "void": void,
        "retired": retired,
        "other": code_of(),
        "no-such-device": WRONG,
    }
    answers: list[httpx.Response] = []
    for device_no, code in tries.items():
        began = time.monotonic()
        answers.append(await _try(client, code, device_no))
        assert time.monotonic() - began >= REFUSED_AFTER_SECONDS
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["type"] == "/api/v1/problems#enrolment-refused"


async def test_code_is_void_when_it_was_wrong_too_often(client: httpx.AsyncClient, code_of: Invite) -> None:
    """Committed, though the answer is a refusal."""
    code = code_of()
    await asyncio.gather(*(_try(client, WRONG) for _ in range(TRIES)))
    assert (await _try(client, code)).status_code == 403


async def test_one_wins_when_a_code_is_used_at_once(client: httpx.AsyncClient, code_of: Invite) -> None:
    """Two telephones, one login."""
    code = code_of()
    answers = await asyncio.gather(*(_try(client, code) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 5


async def test_tries_are_limited_when_they_fail(client: httpx.AsyncClient, code_of: Invite) -> None:
    """429 with when to come again, without a look at the code."""
    answers = await asyncio.gather(*(_try(client, WRONG, "no-such-device") for _ in range(TRIES_MAX)))
    assert {answer.status_code for answer in answers} == {403}
    refused = await _try(client, code_of())
    assert (refused.status_code, refused.json()["type"]) == (429, "/api/v1/problems#busy")
    assert refused.headers["retry-after"]


@pytest.mark.parametrize(
    "body", [{}, {"device_no": "D-1"}, {"device_no": "D 1", "code": "x"}, {"device_no": "D-1", "code": 7}, []]
)
async def test_body_is_refused_when_it_is_no_enrolment(client: httpx.AsyncClient, body: object) -> None:
    """422; what was typed is not repeated."""
    assert (await client.post(PATH, json=body)).status_code == 422


async def test_page_runs_its_own_script_alone(client: httpx.AsyncClient) -> None:
    """By its hash, and it may speak to this server only; nothing of the address comes back in it."""
    answer = await client.get("/enrol", params={"code": "<script>"})
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert "<script>" not in answer.text.replace("<script>\nconst", "")
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'; connect-src 'self'$", policy)
    assert policy.startswith("default-src 'none'; ")
