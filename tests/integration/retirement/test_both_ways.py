"""Cases carried to their end in a real ledger, on both paths, with all that they do to devices on the way."""

from datetime import timedelta
from typing import Any

import pytest

from fleet.acting import Actor, acting
from fleet.errors import IllegalTransitionError, RefusedError, UnknownEntryError
from fleet.ledger.imports import import_sheet
from fleet.lifecycle.moves import transition
from fleet.retirement.states import StepName
from tests.integration.retirement.office import STATE_WAY, Office, paper


def test_property_of_the_state_goes_the_long_way(office: Office) -> None:
    """Each step writes the case, its record, an event, and moves the device along."""
    office.device("D1")
    case_no = office.opened("D1")
    states = ["opened"]
    devices = [office.of("D1")["state"]]
    for step in STATE_WAY:
        changed = office.act(step, case_no)
        states.append(changed.after)
        devices.append(office.of("D1")["state"])
    assert states == [
        "opened",
        "proposed",
        "appraised",
        "approved",
        "executing",
        "silent",
        "recovered",
        "wiped",
        "disposed",
        "written_off",
        "archived",
    ]
    assert devices == [*["in_service"] * 4, "idle", "idle", "recovered", "pending_disposal", *["disposed"] * 3]
    assert office.column("SELECT to_state FROM case_steps ORDER BY step_id") == states
    assert office.column("SELECT kind FROM events WHERE kind LIKE 'case.%%' ORDER BY event_id") == [
        f"case.{state}" for state in states
    ]
    assert office.column("SELECT DISTINCT actor FROM case_steps ORDER BY 1") == ["chen", "li", "wang", "zhao"]
    case = office.case(case_no)
    assert (case["tier"], case["approval"], case["due_on"]) == ("department", "filed", None)
    assert office.row("SELECT document FROM device_transitions WHERE to_state = 'disposed'") == {
        "document": "批复〔2026〕7号"
    }
    assert office.column("SELECT count(*) FROM audit_unsealed") == [0]


def test_property_of_others_goes_the_short_way(office: Office) -> None:
    """No appraisal, no recovery of its own, no books: the owner consents, and gets it back."""
    office.device("D1", owner_type="merchant")
    case_no = office.owned(office.opened("D1"), "archive")
    case = office.case(case_no)
    assert (case["state"], case["path"], case["tier"], case["method"]) == ("archived", "owner", "owner", "returned")
    assert office.of("D1")["state"] == "disposed"
    assert office.column("SELECT to_state FROM device_transitions ORDER BY transition_id") == [
        "idle",
        "recovered",
        "pending_disposal",
        "disposed",
    ]


def test_execution_ends_the_identity(office: Office) -> None:
    """Credentials are revoked for the case, codes are void, and the device is decommissioned from that moment."""
    device_id = office.device("D1")
    office.connection.execute(
        "INSERT INTO credentials (device_id, kind, secret_sha256) VALUES (%s, 'password', %s)", (device_id, b"x" * 32)
    )
    office.connection.execute(
        "INSERT INTO enrolments (device_id, code_sha256, expires_at) VALUES (%s, %s, %s)",
        (device_id, b"y" * 32, office.now + timedelta(days=1)),
    )
    case_no = office.until(office.opened("D1"), "approve")
    assert office.of("D1")["decommissioned_at"] is None
    office.act("execute", case_no)
    assert office.of("D1")["decommissioned_at"] == office.now
    assert office.row("SELECT revoked_at, revoked_reason FROM credentials") == {
        "revoked_at": office.now,
        "revoked_reason": f"case {case_no}",
    }
    assert office.column("SELECT voided_at FROM enrolments") == [office.now]


def test_device_is_moved_from_wherever_it_is(office: Office) -> None:
    """What is already done is not done again: a kiosk in the store is retired from there."""
    for state, ends in (
        ("suspended", ["idle", "recovered", "pending_disposal", "disposed"]),
        ("repairing", ["faulty", "idle", "recovered", "pending_disposal", "disposed"]),
        ("idle", ["recovered", "pending_disposal", "disposed"]),
        ("recovered", ["pending_disposal", "disposed"]),
        ("in_stock", ["pending_disposal", "disposed"]),
        ("pending_disposal", ["disposed"]),
    ):
        device_id = office.device(state, state=state)
        office.until(office.opened(state), "archive")
        taken = "SELECT to_state FROM device_transitions WHERE device_id = %s ORDER BY transition_id"
        assert office.column(taken, device_id) == ends


def test_loss_is_written_down_from_where_it_is_noticed(office: Office) -> None:
    """What cannot be found is neither fetched nor wiped; the report of the loss answers for it."""
    lasts: tuple[StepName, ...] = ("silence", "recover", "wipe")
    for last in lasts:
        office.device(last)
        case_no = office.until(office.opened(last), last)
        with pytest.raises(RefusedError, match="报损报告"):
            office.act("dispose", case_no, method="loss")
        office.act("dispose", case_no, method="loss", document="盘亏报告〔2026〕3号")
        assert office.of(last)["state"] == "lost"
        office.carry(case_no, "write_off", "archive")


def test_device_lost_meanwhile_is_disposed_of_as_a_loss(office: Office) -> None:
    """The ledger said so first; the case follows."""
    office.device("D1")
    case_no = office.until(office.opened("D1"), "silence")
    office.connection.execute("UPDATE devices SET state = 'lost'")
    with pytest.raises(RefusedError, match="method loss"):
        office.act("recover", case_no)
    office.act("dispose", case_no, method="loss", document="盘亏报告〔2026〕3号")
    assert office.of("D1")["state"] == "lost"


def test_illegal_step_names_those_that_are_allowed(office: Office) -> None:
    """An administrator sees what may be done instead."""
    office.device("D1")
    case_no = office.opened("D1")
    with pytest.raises(IllegalTransitionError) as caught:
        office.act("execute", case_no)
    assert (caught.value.state, caught.value.allowed) == ("opened", ("kept", "proposed", "withdrawn"))
    with pytest.raises(UnknownEntryError):
        office.act("execute", "RC-2026-999999")


def test_holds_block_execution_and_disposal(office: Office) -> None:
    """What is evidence stays as it is, and nothing under a hold is handed over."""
    device_id = office.device("D1")
    case_no = office.until(office.opened("D1"), "approve")

    def hold(kind: str) -> None:
        office.connection.execute(
            "INSERT INTO device_holds (device_id, kind, reason) VALUES (%s, %s, '复检')",
            (device_id, kind),
        )

    hold("dispute")
    with pytest.raises(RefusedError, match="held \\(dispute\\)"):
        office.act("execute", case_no)
    office.connection.execute("DELETE FROM device_holds")
    office.carry(case_no, "execute", "silence", "recover", "wipe")
    hold("evidence")
    with pytest.raises(RefusedError, match="held \\(evidence\\)"):
        office.act("dispose", case_no)


def test_equipment_that_still_works_is_not_scrapped(office: Office) -> None:
    """Unless a mandatory ground, such as the forbidden kind, carries the case."""
    for device_no, mandatory in (("D1", False), ("D2", True)):
        office.device(device_no, "QM-1")
        office.flag(device_no, "forbidden_kind" if mandatory else "past_life", mandatory=mandatory)
        case_no = office.carry(office.opened(device_no), "propose")
        office.act("appraise", case_no, appraisal="usable")
        if mandatory:
            assert office.act("approve", case_no).after == "approved"
        else:
            with pytest.raises(RefusedError, match="仍可使用"):
                office.act("approve", case_no)
            assert office.act("reject", case_no, reason="仍可使用").after == "rejected"


def test_missing_papers_are_named(office: Office) -> None:
    """All that is missing is said at once."""
    office.device("D1")
    case_no = office.carry(office.opened("D1"), "propose", "appraise")
    with pytest.raises(RefusedError) as caught:
        office.act("approve", case_no, papers=(), document=None)
    for word in ("document is empty", "value_evidence", "approval"):
        assert word in str(caught.value)
    office.act("approve", case_no, papers=(paper("approval"), paper("value_evidence")))


def test_retired_identity_does_not_come_back_by_another_door(office: Office) -> None:
    """Executed, it is neither put into service nor into stock again; its way out stays open."""
    office.device("D1")
    case_no = office.until(office.opened("D1"), "execute")
    refused = "idle → in_service is refused: its identity was retired by a case, and nothing it says is accepted"
    with acting(office.connection, Actor("li", "test"), keys=office.keys):
        report = transition(office.connection, ["D1"], "in_service", "试试")
        sheet = import_sheet(
            office.connection, "devices", "device_no,state\nD1,在用\n".encode(), apply=True, keys=office.keys
        )
    assert [one.sentence.partition(": register")[0] for one in report.errors] == [refused]
    assert [(one.column, one.problem.partition(": register")[0]) for one in sheet.errors] == [("state", refused)]
    office.carry(case_no, "silence", "recover")
    with acting(office.connection, Actor("li", "test"), keys=office.keys):
        sheet = import_sheet(
            office.connection, "devices", "device_no,state\nD1,在库\n".encode(), apply=True, keys=office.keys
        )
    assert [one.column for one in sheet.errors] == ["state"]
    office.carry(case_no, "wipe", "dispose")


def test_photograph_is_known_by_a_hash_that_is_one(office: Office) -> None:
    """A sheet may say anything; the database would refuse it without a sentence."""
    office.device("D1")
    case_no = office.until(office.opened("D1"), "silence")
    with pytest.raises(RefusedError, match="no SHA-256"):
        office.act("recover", case_no, photo_sha256="IMG_0001.jpg")


def test_device_with_a_case_leaves_the_fleet_by_that_case_alone(office: Office) -> None:
    """Neither a step of its life nor a sheet disposes of it meanwhile; without a case both may."""
    office.device("D1", state="recovered")
    case_no = office.opened("D1")
    for before, after in (("recovered", "pending_disposal"), ("pending_disposal", "disposed")):
        office.connection.execute("UPDATE devices SET state = %s", (before,))
        with acting(office.connection, Actor("li", "test"), keys=office.keys):
            report = transition(office.connection, ["D1"], after, "直接处置", document="批复1号")
        assert [case_no in one.sentence for one in report.errors] == [True]
    office.connection.execute("UPDATE devices SET state = 'recovered'")
    with acting(office.connection, Actor("li", "test"), keys=office.keys):
        sheet = import_sheet(
            office.connection, "devices", "device_no,state\nD1,待处置\n".encode(), apply=True, keys=office.keys
        )
    assert [case_no in one.problem for one in sheet.errors] == [True]
    office.act("withdraw", case_no, reason="登记有误")
    with acting(office.connection, Actor("li", "test"), keys=office.keys):
        assert transition(office.connection, ["D1"], "pending_disposal", "直接处置").applied


@pytest.mark.parametrize("last", ["approve", "silence"])
def test_loss_is_reported_whatever_the_case_and_ends_it(office: Office, last: Any) -> None:
    """Before its execution the case is withdrawn then, and after it the device is disposed of as a loss."""
    office.device("D1")
    case_no = office.until(office.opened("D1"), last)
    with acting(office.connection, Actor("li", "test"), keys=office.keys):
        assert transition(office.connection, ["D1"], "lost", "找不到", document="盘亏1号").applied
    if last == "approve":
        with pytest.raises(RefusedError, match="withdraw the case"):
            office.act("execute", case_no)
        office.act("withdraw", case_no, reason="盘亏")
    else:
        with pytest.raises(RefusedError, match="the method loss"):
            office.act("recover", case_no)
        office.act("dispose", case_no, method="loss", document="盘亏1号", papers=())
    assert office.of("D1")["state"] == "lost"
