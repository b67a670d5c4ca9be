"""Nobody approves what he proposed and nothing is executed unapproved: in the database, by two at once, over time."""

import threading
from typing import Any

import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.errors import IllegalTransitionError, RefusedError
from fleet.keys import Keys
from fleet.retirement.cases import act
from fleet.retirement.order import Order
from fleet.retirement.states import OVER, STATES
from tests.integration.retirement.office import TOLD, Office

NEVER = (
    "approved_by = 'li', approved_at = now(), approval = 'filed', state = 'approved'",
    "approved_by = ' LI ', approved_at = now(), approval = 'filed', state = 'approved'",
    "approved_by = 'wang', approved_at = now(), approval = 'filed', state = 'approved'",
    "state = 'executing', executed_by = 'chen', executed_at = now()",
    "state = 'archived'",
    "proposed_by = NULL, appraised_by = NULL, approved_by = 'zhao'",
    "state = 'gone'",
    "photo_sha256 = 'x'",
)


def test_database_and_rules_say_the_same_of_what_is_over(office: Office) -> None:
    """So that no case stands in another's way for one of them alone."""
    query = "SELECT s FROM unnest(%s::text[]) AS s WHERE is_over(s)"
    rows = office.connection.execute(query, (list(STATES),)).fetchall()
    assert {state for (state,) in rows} == OVER


def test_database_refuses_what_may_never_be(office: Office) -> None:
    """Whoever writes, and past all functions."""
    office.device("D1")
    case_no = office.carry(office.opened("D1"), "propose", "appraise")
    for change in NEVER:
        with pytest.raises(psycopg.errors.CheckViolation):
            office.connection.execute(f"UPDATE cases SET {change} WHERE case_no = %s", (case_no,))  # noqa: S608


def test_steps_on_record_are_not_rewritten(office: Office) -> None:
    """Neither changed nor deleted; and a device has one case at a time."""
    device_id = office.device("D1")
    office.opened("D1")
    for statement in (
        "UPDATE case_steps SET actor = 'x'",
        "DELETE FROM case_steps",
        "UPDATE case_documents SET sha256 = repeat('0', 64)",
        "DELETE FROM case_documents",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            office.connection.execute(statement.encode())
    with pytest.raises(psycopg.errors.UniqueViolation):
        office.connection.execute(
            "INSERT INTO cases (case_no, device_id, path, state, state_since, grounds, opened_by)"
            " VALUES ('RC-2026-999999', %s, 'state', 'opened', now(), '[]', 'x')",
            (device_id,),
        )


def test_who_proposed_or_appraised_does_not_decide(office: Office) -> None:
    """Nor rejects: another pair of eyes decides, either way."""
    office.device("D1")
    case_no = office.carry(office.opened("D1"), "propose", "appraise")
    for who, step, told in (
        ("li", "approve", {}),
        ("Li ", "approve", {}),
        ("wang", "approve", {}),
        ("li", "reject", {"reason": "r"}),
        ("wang", "reject", {"reason": "r"}),
    ):
        with pytest.raises(RefusedError, match="不得审批"):
            office.act(step, case_no, who=who, **told)  # type: ignore[arg-type]
    assert office.case(case_no)["state"] == "appraised"


def test_value_that_was_low_for_the_approval_alone_is_not_executed(office: Office) -> None:
    """Who approves is chosen by it, so it is the same when the case is executed."""
    office.device("D1")
    case_no = office.until(office.opened("D1"), "approve")
    office.connection.execute("UPDATE devices SET original_value_fen = 50000000")
    with pytest.raises(RefusedError, match="was 300000 fen when it was approved"):
        office.act("execute", case_no)
    office.connection.execute("UPDATE devices SET original_value_fen = 300000")
    assert office.act("execute", case_no).after == "executing"


def test_who_has_no_name_neither_proposes_nor_decides(office: Office) -> None:
    """Two pairs of eyes without a name could be one."""
    office.device("D1")
    case_no = office.opened("D1", who="anonymous")
    with pytest.raises(RefusedError, match="name"):
        office.act("propose", case_no, who="anonymous")


@pytest.mark.parametrize(("before", "step"), [("appraise", "approve"), ("approve", "execute")])
def test_two_at_once_take_a_step_once(office: Office, database_url: str, keys: Keys, before: Any, step: Any) -> None:
    """Of eight who do the same at the same time, one does it; the others learn what is allowed now."""
    office.device("D1")
    case_no = office.until(office.opened("D1"), before)
    start = threading.Barrier(8)
    outcomes: list[object] = []

    def one(number: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            start.wait()
            try:
                with acting(connection, Actor(f"zhao{number}", "test"), keys=keys):
                    outcomes.append(act(connection, step, Order(case_no=case_no, **TOLD[step]), now=office.now).after)
            except IllegalTransitionError as error:
                outcomes.append(error.state)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    after = {"approve": "approved", "execute": "executing"}[step]
    assert outcomes == [after] * 8
    assert office.column("SELECT count(*) FROM case_steps WHERE to_state = %s", after) == [1]


def test_withdrawal_and_execution_at_once_exclude_each_other(office: Office, database_url: str, keys: Keys) -> None:
    """Either it is withdrawn and the device stays, or it is executed and stays so."""
    office.device("D1")
    case_no = office.until(office.opened("D1"), "approve")
    start = threading.Barrier(2)
    done: list[str] = []

    def one(step: Any) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            start.wait()
            try:
                with acting(connection, Actor("chen", "test"), keys=keys):
                    order = Order(case_no=case_no, reason="登记有误")
                    done.append(act(connection, step, order, now=office.now).after)
            except IllegalTransitionError:
                pass

    threads = [threading.Thread(target=one, args=(step,)) for step in ("withdraw", "execute")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 1
    is_executed = done == ["executing"]
    assert (office.of("D1")["decommissioned_at"] is not None) == is_executed
    assert office.of("D1")["state"] == ("idle" if is_executed else "in_service")


def test_device_that_came_back_to_life_stops_its_case(office: Office) -> None:
    """None of the rules it was flagged by holds any more: said in a sentence, committed, and nothing else is done."""
    office.device("D1")
    office.flag("D1", "dormant")
    case_no = office.until(office.opened("D1"), "approve")
    office.connection.execute("UPDATE findings SET cleared_at = now()")
    changed = office.act("execute", case_no)
    assert changed.after == "stopped"
    assert "已中止" in changed.sentence_zh
    assert "dormant" in changed.sentence_en
    assert (office.of("D1")["state"], office.of("D1")["decommissioned_at"]) == ("in_service", None)
    [reason] = office.column("SELECT reason FROM case_steps WHERE to_state = 'stopped'")
    assert "is stopped" in reason
    assert office.opened("D1", by_hand=True) != case_no


def test_grounds_that_stand_are_executed(office: Office) -> None:
    """A mandatory rule that the ledger itself shows: kiosks go."""
    office.device("D1", "QM-1")
    office.flag("D1", "forbidden_kind", mandatory=True)
    case_no = office.until(office.opened("D1", reason=""), "approve")
    [ground] = office.case(case_no)["grounds"]
    assert (ground["rule"], ground["numbers"], ground["is_mandatory"]) == ("forbidden_kind", {"days": 61}, True)
    assert office.act("execute", case_no).after == "executing"
    office.carry(case_no, "silence", "recover", "wipe", "dispose")
    assert office.column("SELECT ended_because FROM flags") == ["retired"]


def test_owner_who_changes_meanwhile_sends_the_case_back(office: Office) -> None:
    """The other path asks for other things, so it is another case."""
    office.device("D1")
    case_no = office.until(office.opened("D1"), "appraise")
    office.connection.execute("UPDATE devices SET owner_type = 'merchant'")
    with pytest.raises(RefusedError, match="产权单位"):
        office.act("approve", case_no)
    office.act("withdraw", case_no, reason="产权变更")
    assert office.case(office.opened("D1"))["path"] == "owner"


def test_opening_is_refused_with_the_remedy(office: Office) -> None:
    """No owner, no reason, gone already, a draft, a case under way, kept for now."""
    office.device("D1", owner_type=None)
    for device_no, state in (("D2", "disposed"), ("D3", "draft"), ("D4", "in_service"), ("D5", "in_service")):
        office.device(device_no, state=state)
    office.opened("D4")
    office.act("keep", office.opened("D5"), kept_until=office.today.replace(year=office.today.year + 1), reason="备用")
    for device_no, said in (
        ("D1", "fill in owner_type"),
        ("D2", "nothing to retire"),
        ("D3", "draft"),
        ("D4", "already"),
        ("D5", "is kept until"),
    ):
        with pytest.raises(RefusedError, match=said):
            office.opened(device_no)
    with pytest.raises(RefusedError, match="give the reason"):
        office.opened("D2", reason="")
    office.later(1)
    office.flag("D5", "dormant")
    assert office.opened("D5", reason="")
