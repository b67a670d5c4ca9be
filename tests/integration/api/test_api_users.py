"""Users and keys over HTTP: by administrators, in the audit, and never more than whoever owns a key has himself."""

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

pytestmark = pytest.mark.anyio
Connection = psycopg.Connection[tuple[Any, ...]]
Headers = Callable[..., dict[str, str]]
USERS = "/api/v1/users"
KEYS = "/api/v1/keys"
CURRENT = "/api/v1/sessions/current"


def kind(answer: httpx.Response) -> tuple[int, str]:
    """The status and the kind of a problem."""
    return answer.status_code, answer.json()["type"].partition("#")[2]


@pytest.mark.usefixtures("zhengzhou")
async def test_user_is_created_changed_reset_and_disabled(
    client: httpx.AsyncClient, as_role: Headers, connection: Connection
) -> None:
    """Each in the audit under who did it; the password is told once, with the answer that made it."""
    admin = as_role("admin")
    asked = {"name": "wang.li", "display_name": "王丽", "roles": ["operator"], "regions": ["4101"], "reason": "入职"}
    made = await client.post(USERS, json=asked, headers=admin)
    assert made.status_code == 201
    told = made.json()["user"]
    assert (told["display_name"], told["roles"], told["regions"]) == ("王丽", ["operator"], ["4101"])
    assert (told["state"], told["created_by"]) == ("one-time password", "admin")
    assert (await client.get(f"{USERS}/wang.li", headers=admin)).json() == told
    assert kind(await client.post(USERS, json=asked, headers=admin)) == (409, "rule-broken")
    changed = await client.patch(f"{USERS}/wang.li", json={"roles": ["approver"]}, headers=admin)
    assert (changed.json()["roles"], changed.json()["regions"]) == (["approver"], ["4101"])
    changed = await client.patch(f"{USERS}/wang.li", json={"regions": None}, headers=admin)
    assert (changed.json()["roles"], changed.json()["regions"]) == (["approver"], None)
    again = await client.post(f"{USERS}/wang.li/password", json={}, headers=admin)
    assert again.json()["password"] != made.json()["password"]
    assert (await client.patch(f"{USERS}/wang.li", json={"disabled": True}, headers=admin)).json()[
        "state"
    ] == "disabled"
    assert kind(await client.post(f"{USERS}/wang.li/password", json={}, headers=admin)) == (409, "rule-broken")
    listed = (await client.get(USERS, headers=admin)).json()["items"]
    assert [user["name"] for user in listed] == ["admin", "wang.li"]
    rows = connection.execute(
        "SELECT DISTINCT actor FROM audit WHERE entity = 'users' AND label = 'wang.li' AND origin LIKE 'api % key %'"
    ).fetchall()
    assert rows == [("admin",)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"name": "Wang", "roles": ["viewer"]}, (422, "invalid-request")),
        ({"name": "anonymous", "roles": ["viewer"]}, (409, "rule-broken")),
        ({"name": "a", "roles": []}, (422, "invalid-request")),
        ({"name": "a", "roles": ["gateway"]}, (422, "invalid-request")),
        ({"name": "a", "roles": ["viewer"], "regions": ["410"]}, (409, "rule-broken")),
        ({"name": "a", "roles": ["viewer"], "sites": ["410199999"]}, (404, "unknown-entry")),
        ({"name": "a", "roles": ["viewer"], "regions": ["4101", "9999"]}, (404, "unknown-entry")),
        ({"name": "a", "roles": ["admin"], "regions": ["4101"]}, (409, "rule-broken")),
        ({"name": "a", "roles": ["viewer"], "display_name": "a\nb"}, (409, "rule-broken")),
        ({"name": "a", "roles": ["viewer"], "display_name": "a\u0000b"}, (409, "rule-broken")),
        ({"name": "erp", "roles": ["viewer"]}, (409, "rule-broken")),
    ],
)
async def test_user_is_refused_when_it_cannot_be(
    client: httpx.AsyncClient, as_role: Headers, asked: dict[str, Any], found: tuple[int, str]
) -> None:
    """A name of the audit, a role of machines, a place that is none, an admin of a part, a program's name."""
    admin = as_role("admin")
    assert (await client.post(KEYS, json={"name": "ERP", "roles": ["viewer"]}, headers=admin)).status_code == 201
    assert kind(await client.post(USERS, json=asked, headers=admin)) == found


async def test_last_administrator_stays_one(client: httpx.AsyncClient, as_role: Headers) -> None:
    """Neither disabled nor made another, until there is a second."""
    admin = as_role("admin")
    for change in ({"disabled": True}, {"roles": ["viewer"]}):
        assert kind(await client.patch(f"{USERS}/admin", json=change, headers=admin)) == (409, "rule-broken")
    await client.post(USERS, json={"name": "second", "roles": ["admin"]}, headers=admin)
    assert (await client.patch(f"{USERS}/admin", json={"roles": ["viewer"]}, headers=admin)).status_code == 200
    third = {"name": "third", "roles": ["admin"]}
    assert kind(await client.post(USERS, json=third, headers=admin)) == (403, "forbidden")


@pytest.mark.usefixtures("zhengzhou")
async def test_key_of_somebody_may_no_more_than_he(
    client: httpx.AsyncClient, as_role: Headers, connection: Connection
) -> None:
    """It acts in his name, loses what he loses, at once where something is changed, and opens nothing while he is out.

    Of the places of both only what is surely in both is left.
    """
    admin = as_role("admin")
    connection.execute("INSERT INTO users (name, roles, regions) VALUES ('wang.li', '{operator,approver}', '{4101}')")
    asked = {"name": "laptop", "owner": "wang.li", "roles": ["operator", "fleet_admin"], "regions": ["41"]}
    made = (await client.post(KEYS, json=asked, headers=admin)).json()
    his = {"Authorization": f"Bearer {made['text']}"}
    told = (await client.get(CURRENT, headers=his)).json()
    assert told == {
        "name": "wang.li",
        "person": "wang.li",
        "roles": ["operator"],
        "regions": ["4101"],
        "sites": [],
        "must_change_password": False,
    }
    assert (await client.post("/api/v1/cases", json={}, headers=his)).status_code == 422
    connection.execute("UPDATE users SET roles = '{viewer}' WHERE name = 'wang.li'")
    # Remembered for reading, looked up anew for what changes something.
    assert (await client.get(CURRENT, headers=his)).json()["roles"] == ["operator"]
    assert kind(await client.post("/api/v1/cases", json={}, headers=his)) == (403, "forbidden")
    connection.execute("UPDATE users SET disabled_at = now() WHERE name = 'wang.li'")
    answer = await client.post("/api/v1/cases", json={}, headers=his)
    assert kind(answer) == (401, "unauthenticated")
    assert "owner" in answer.json()["detail"]


async def test_key_is_rotated_with_an_overlap_and_revoked(
    client: httpx.AsyncClient, as_role: Headers, connection: Connection
) -> None:
    """Both are good meanwhile; then the new one alone. Twice from the same one it is not rotated."""
    admin = as_role("admin")
    asked = {"name": "erp", "roles": ["gateway"], "expires_in_days": 90}
    old = (await client.post(KEYS, json=asked, headers=admin)).json()
    address = f"{KEYS}/{old['key']['key_id']}"
    new = (await client.post(f"{address}/rotate", json={"overlap_hours": 24}, headers=admin)).json()
    assert (new["key"]["replaces"], new["key"]["name"], new["key"]["roles"]) == (
        old["key"]["key_id"],
        "erp",
        ["gateway"],
    )
    both = [{"Authorization": f"Bearer {one['text']}"} for one in (old, new)]
    assert [(await client.get(CURRENT, headers=one)).json()["name"] for one in both] == ["erp", "erp"]
    assert kind(await client.post(f"{address}/rotate", json={}, headers=admin)) == (409, "rule-broken")
    row = connection.execute(
        "SELECT o.expires_at - now() BETWEEN INTERVAL '23 h' AND INTERVAL '24 h',"
        " n.expires_at - now() BETWEEN INTERVAL '89 days' AND INTERVAL '90 days'"
        " FROM api_keys AS n JOIN api_keys AS o ON o.key_id = n.replaces"
    ).fetchone()
    assert row == (True, True)
    gone = await client.delete(f"{KEYS}/{new['key']['key_id']}", params={"reason": "lost"}, headers=admin)
    assert gone.json()["state"] == "revoked"
    listed = (await client.get(KEYS, headers=admin)).json()["items"]
    assert {one["name"]: one["state"] for one in listed if one["name"] != "erp"} == {"admin": "valid"}
    assert "secret" not in str(listed)


async def test_keys_have_no_name_of_a_user_unless_they_are_his(client: httpx.AsyncClient, as_role: Headers) -> None:
    """It would act under it."""
    admin = as_role("admin")
    await client.post(USERS, json={"name": "wang.li", "roles": ["viewer"]}, headers=admin)
    key = {"name": "Wang.Li", "roles": ["viewer"]}
    assert kind(await client.post(KEYS, json=key, headers=admin)) == (409, "rule-broken")
    assert (await client.post(KEYS, json=key | {"owner": "wang.li"}, headers=admin)).status_code == 201
    assert kind(await client.post(KEYS, json=key | {"name": "k", "owner": "x"}, headers=admin)) == (
        404,
        "unknown-entry",
    )


async def test_two_keys_are_no_two_pairs_of_eyes(
    client: httpx.AsyncClient, as_role: Headers, connection: Connection, one_device: int
) -> None:
    """What a person has to decide takes one: a program's key is refused; a second key is the same person."""
    admin = as_role("admin")
    connection.execute("UPDATE devices SET owner_type = 'merchant' WHERE device_id = %s", (one_device,))
    connection.execute("INSERT INTO users (name, roles) VALUES ('wang.li', '{operator,approver}')")
    texts = {}
    for name, owner in (("first", "wang.li"), ("second", "wang.li"), ("program", None)):
        asked = {"name": name, "owner": owner, "roles": ["operator", "approver"]}
        texts[name] = (await client.post(KEYS, json=asked, headers=admin)).json()["text"]
    as_ = {name: {"Authorization": f"Bearer {text}"} for name, text in texts.items()}
    opened = await client.post("/api/v1/cases", json={"device_no": "D-1", "reason": "x"}, headers=as_["first"])
    address = f"/api/v1/cases/{opened.json()['case_no']}"
    program = await client.post(f"{address}/propose", json={"reason": "x"}, headers=as_["program"])
    assert kind(program) == (403, "forbidden")
    assert "--owner" in program.json()["detail"]
    assert (await client.post(f"{address}/propose", json={"reason": "x"}, headers=as_["first"])).status_code == 200
    same = await client.post(f"{address}/reject", json={"reason": "x"}, headers=as_["second"])
    assert kind(same) == (409, "rule-broken")
    assert "another person" in same.json()["detail"]
