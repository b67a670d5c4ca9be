"""Cases over HTTP: the whole way with its roles, lists and what may follow, problem answers, many at once."""

import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

pytestmark = pytest.mark.anyio
Connection = psycopg.Connection[tuple[Any, ...]]
Role = Callable[..., dict[str, str]]
CASES = "/api/v1/cases"
# Who takes which step, and what it is told; papers by their kinds.
WAY: tuple[tuple[str, str, dict[str, Any], tuple[str, ...]], ...] = (
    ("propose", "operator", {"reason": "称重不准"}, ("application",)),
    ("appraise", "fleet_admin", {"appraisal": "not_worth_repair"}, ("appraisal",)),
    ("approve", "approver", {"document": "批复〔2026〕7号"}, ("value_evidence", "approval")),
    ("execute", "fleet_admin", {}, ()),
)


def papers(*kinds: str) -> list[dict[str, str]]:
    """Papers of these kinds."""
    return [
        {"kind": kind, "name": f"{kind}.pdf", "sha256": hashlib.sha256(kind.encode()).hexdigest()} for kind in kinds
    ]


@pytest.fixture
def devices(city: Any) -> None:
    """Three scales of the government, and one whose owner nobody has written down."""
    model, site = city.model("ACS-15", "trace_scale"), city.site("S1")
    for device_no in ("D1", "D2", "D3"):
        city.device(device_no, model, site, owner_type="government", original_value_fen=300_000)
    city.device("D4", model, site)


async def opened(client: httpx.AsyncClient, headers: dict[str, str], device_no: str = "D1") -> str:
    """The number of a new case."""
    answer = await client.post(CASES, json={"device_no": device_no, "reason": "现场核实不再使用"}, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["after"] == "opened"
    return str(answer.json()["case_no"])


@pytest.mark.usefixtures("devices")
async def test_case_goes_its_way_by_the_hands_of_several(
    client: httpx.AsyncClient, as_role: Role, connection: Connection
) -> None:
    """Each step by a key of its role; what may follow is told with what is missing; the rest belongs to the broker."""
    keys = {role: as_role(role) for role in ("operator", "fleet_admin", "approver")}
    case_no = await opened(client, keys["operator"])
    for step, role, told, kinds in WAY:
        detail = (await client.get(f"{CASES}/{case_no}")).json()
        [following] = [one for one in detail["next"] if one["step"] == step]
        assert role in following["roles"]
        assert set(following["papers"]) <= set(kinds)
        for other, headers in keys.items():
            if other not in following["roles"]:
                refused = await client.post(f"{CASES}/{case_no}/{step}", json=told, headers=headers)
                assert (refused.status_code, refused.json()["type"]) == (403, "/api/v1/problems#forbidden")
        answer = await client.post(
            f"{CASES}/{case_no}/{step}", json=told | {"papers": papers(*kinds)}, headers=keys[role]
        )
        assert answer.status_code == 200, answer.text
    detail = (await client.get(f"{CASES}/{case_no}")).json()
    assert (detail["state"], detail["state_zh"], detail["tier"]) == ("executing", "执行中", "department")
    assert [step["actor"] for step in detail["steps"]] == [
        "operator",
        "operator",
        "fleet_admin",
        "approver",
        "fleet_admin",
    ]
    assert [one["kind"] for one in detail["documents"]] == ["application", "appraisal", "value_evidence", "approval"]
    assert [(one["step"], one["roles"]) for one in detail["next"]] == [("silence", ["fleet"])]
    assert connection.execute("SELECT count(*) FROM audit_unsealed").fetchone() == (0,)


@pytest.mark.usefixtures("devices")
async def test_refusals_say_what_is_wrong_and_what_may_be_done(client: httpx.AsyncClient, as_role: Role) -> None:
    """404, 409 with what is allowed, 409 with the rule, 422: each a problem with its sentence."""
    both = as_role("operator", "approver")
    case_no = await opened(client, both)
    illegal = await client.post(f"{CASES}/{case_no}/approve", json={"document": "批复"}, headers=both)
    assert illegal.status_code == 409
    assert illegal.json()["type"] == "/api/v1/problems#illegal-transition"
    assert illegal.json()["allowed"] == ["kept", "proposed", "withdrawn"]
    # Who shows no key has no name, and so no eyes of its own.
    nameless = await client.post(f"{CASES}/{case_no}/propose", json={"reason": "r"})
    assert (nameless.status_code, "use a key" in nameless.json()["detail"]) == (409, True)
    await client.post(f"{CASES}/{case_no}/propose", json={"reason": "r"}, headers=both)
    mine = await client.post(f"{CASES}/{case_no}/reject", json={"reason": "r"}, headers=both)
    assert (mine.status_code, "申请人不得审批" in mine.json()["detail"]) == (409, True)
    unknown = await client.post(CASES, json={"device_no": "D4", "reason": "r"}, headers=both)
    assert (unknown.status_code, "fill in owner_type" in unknown.json()["detail"]) == (409, True)
    assert (await client.post(CASES, json={"device_no": "D404", "reason": "r"}, headers=both)).status_code == 404
    assert (await client.get(f"{CASES}/RC-2026-999999")).status_code == 404
    assert (await client.get(f"{CASES}/nonsense")).status_code == 422
    assert (await client.post(f"{CASES}/{case_no}/keep", json={"until": "2027-01-01"}, headers=both)).status_code == 422
    assert (await client.post(f"{CASES}/{case_no}/silence", json={}, headers=both)).status_code == 404


@pytest.mark.usefixtures("devices")
async def test_list_is_filtered_and_paged(client: httpx.AsyncClient, as_role: Role, connection: Connection) -> None:
    """By state, device, place, kind, path, and whether the day is over; two pages make the whole."""
    hands = as_role("operator")
    numbers = [await opened(client, hands, device_no) for device_no in ("D1", "D2", "D3")]
    connection.execute("UPDATE cases SET due_on = '2020-01-01' WHERE case_no = %s", (numbers[0],))

    async def found(**query: Any) -> list[str]:
        answer = await client.get(CASES, params=query)
        assert answer.status_code == 200, answer.text
        return [one["case_no"] for one in answer.json()["items"]]

    assert await found() == numbers
    assert await found(device_no="D2") == [numbers[1]]
    assert await found(overdue="true") == [numbers[0]]
    assert await found(overdue="false", region_code="4101", kind="trace_scale", site_no="S1") == numbers[1:]
    assert await found(state="proposed") == await found(path="owner") == await found(programme="P1") == []
    page = (await client.get(CASES, params={"limit": 2})).json()
    rest = (await client.get(CASES, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [one["case_no"] for one in (*page["items"], *rest["items"])] == numbers
    assert (await client.get(CASES, params={"stat": "opened"})).status_code == 422


@pytest.mark.usefixtures("devices")
async def test_many_at_once_are_said_first_and_all_or_none(client: httpx.AsyncClient, as_role: Role) -> None:
    """The dry run knows who asks; one that is refused keeps back all; applied, they are a bundle."""
    hands = as_role("operator")
    orders: dict[str, Any] = {
        "step": "open",
        "orders": [{"device_no": f"D{n}", "reason": "查询机淘汰"} for n in (1, 2, 4)],
    }
    said = (await client.post(f"{CASES}/bulk", json=orders | {"apply": True}, headers=hands)).json()
    assert [(one["row"], one["column"]) for one in said["errors"]] == [(3, "owner_type")]
    assert (await client.get(CASES)).json()["items"] == []
    orders["orders"].pop()
    assert (await client.post(f"{CASES}/bulk", json=orders, headers=hands)).json()["applied"] is False
    assert (await client.post(f"{CASES}/bulk", json=orders | {"apply": True}, headers=hands)).json()["applied"] is True
    proposed = {"step": "propose", "orders": [{"device_no": f"D{n}", "reason": "淘汰"} for n in (1, 2)]}
    nameless = (await client.post(f"{CASES}/bulk", json=proposed)).json()
    assert [one["column"] for one in nameless["errors"]] == ["actor", "actor"]
    assert (await client.post(f"{CASES}/bulk", json=proposed | {"apply": True}, headers=hands)).json()[
        "applied"
    ] is True
    lines = (await client.get(CASES)).json()["items"]
    assert len({line["bundle"] for line in lines}) == 1
    approve = {"step": "approve", "orders": [{"device_no": "D1"}]}
    assert (await client.post(f"{CASES}/bulk", json=approve, headers=hands)).status_code == 403
    assert (
        await client.post(f"{CASES}/bulk", json={"step": "silence", "orders": [{}]}, headers=hands)
    ).status_code == 422


@pytest.mark.usefixtures("devices")
async def test_documents_lie_with_a_case_by_their_hash(client: httpx.AsyncClient, as_role: Role) -> None:
    """The same once more changes nothing; as another kind it is refused; a case that is over takes none."""
    hands = as_role("operator")
    case_no = await opened(client, hands)
    invoice = papers("value_evidence")
    for _ in range(2):
        laid = await client.post(f"{CASES}/{case_no}/documents", json={"documents": invoice}, headers=hands)
        assert [one["kind"] for one in laid.json()["items"]] == ["value_evidence"]
    other = [invoice[0] | {"kind": "approval"}]
    assert (
        await client.post(f"{CASES}/{case_no}/documents", json={"documents": other}, headers=hands)
    ).status_code == 409
    await client.post(f"{CASES}/{case_no}/withdraw", json={"reason": "登记有误"}, headers=hands)
    late = await client.post(f"{CASES}/{case_no}/documents", json={"documents": papers("other")}, headers=hands)
    assert late.status_code == 409


async def test_tiers_and_deadlines_are_set_by_administrators(client: httpx.AsyncClient, as_role: Role) -> None:
    """Read by all, written by one role, with a reason; what would lock cases in is refused."""
    admin = as_role("fleet_admin")
    tiers = (await client.get("/api/v1/approval-tiers")).json()["items"]
    assert [one["tier"] for one in tiers] == ["department", "owner", "authority"]
    order = {"name_zh": "主管部门", "name_en": "the department", "outcome": "filed", "reason": "省厅通知"}
    limits = {"single_below_fen": 5_000_000, "bundle_below_fen": 9_000_000}
    address = "/api/v1/approval-tiers/department"
    assert (await client.put(address, json=order | limits)).status_code == 403
    put = await client.put(address, json=order | limits, headers=admin)
    assert (put.status_code, put.json()["single_below_fen"]) == (200, 5_000_000)
    assert (await client.put(address, json=order, headers=admin)).status_code == 409
    assert (await client.put("/api/v1/approval-tiers/authority", json=order | limits, headers=admin)).status_code == 409
    assert (await client.put("/api/v1/approval-tiers/none", json=order | limits, headers=admin)).status_code == 404
    deadline = {"days": 20, "remind_days": 2, "escalate_days": 4, "reason": "人手不足"}
    assert (await client.put("/api/v1/case-deadlines/proposed", json=deadline, headers=admin)).json()["days"] == 20
    assert (await client.put("/api/v1/case-deadlines/archived", json=deadline, headers=admin)).status_code == 404
    assert len((await client.get("/api/v1/case-deadlines")).json()["items"]) == 10
