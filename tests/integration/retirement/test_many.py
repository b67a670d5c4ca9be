"""Many cases at once: bundles and tiers, dry runs, sheets; and what comes in a device's place; and days that pass."""

from datetime import timedelta

import pytest

from fleet.acting import Actor, acting
from fleet.business_day import today
from fleet.errors import RefusedError
from fleet.retirement import deadlines
from fleet.retirement.order import Order
from fleet.retirement.sheets import opening_sheet, step_sheet
from tests.integration.retirement.office import Office, paper


def test_values_of_a_bundle_count_together(office: Office) -> None:
    """Three scales that the department could file one by one need the authority when they go together."""
    for number in range(3):
        office.device(f"D{number}", original_value_fen=8_000_000)
        office.opened(f"D{number}")
    report = office.bulk("propose", *(Order(row=n + 1, device_no=f"D{n}", reason="淘汰") for n in range(3)))
    assert report.applied
    assert len(set(office.column("SELECT bundle FROM cases"))) == 1
    numbers = office.column("SELECT case_no FROM cases ORDER BY 1")
    for case_no in numbers:
        office.act("appraise", case_no)
    office.act("approve", numbers[0])
    assert (office.case(numbers[0])["tier"], office.case(numbers[0])["approval"]) == ("authority", "approved")
    # What is given up does not count with the rest.
    office.act("withdraw", numbers[1], reason="登记有误")
    office.act("approve", numbers[2])
    assert (office.case(numbers[2])["tier"], office.case(numbers[2])["approval"]) == ("department", "filed")
    details = office.row("SELECT details FROM case_steps WHERE to_state = 'approved' ORDER BY step_id DESC LIMIT 1")
    assert details["details"]["bundle_value_fen"] == 16_000_000


def test_what_is_proposed_one_by_one_counts_together_all_the_same(office: Office) -> None:
    """On one day, by one person: else three calls in place of one would be the way around the authority."""
    numbers = []
    for number in range(3):
        office.device(f"D{number}", original_value_fen=8_000_000)
        numbers.append(office.opened(f"D{number}"))
        office.act("propose", numbers[-1], reason="淘汰")
    for case_no in numbers:
        office.act("appraise", case_no)
        office.act("approve", case_no)
        assert office.case(case_no)["tier"] == "authority"


def test_value_that_nobody_knows_is_for_the_authority(office: Office) -> None:
    """Else leaving it out would be the way around."""
    office.device("D1", original_value_fen=None)
    case_no = office.until(office.opened("D1"), "approve")
    assert office.case(case_no)["tier"] == "authority"


def test_many_are_all_or_none_and_refused_all_at_once(office: Office) -> None:
    """Every complaint of every row; a dry run changes nothing; a good lot goes as a whole."""
    for number in range(20):
        office.device(f"D{number:02}")
        office.until(office.opened(f"D{number:02}"), "approve")
    office.device("LONE")
    office.connection.execute(
        "INSERT INTO device_holds (device_id, kind, reason) SELECT device_id, 'dispute', '复检' FROM devices"
        " WHERE device_no = 'D03'"
    )
    good = [Order(row=n + 1, device_no=f"D{n:02}") for n in range(20)]
    wrong = [Order(row=21, device_no="LONE"), Order(row=22, case_no="RC-2020-000001"), Order(row=23, device_no="D00")]
    report = office.bulk("execute", *good, *wrong)
    assert not report.applied
    assert [(one.row, one.column) for one in report.errors] == [
        (4, "device_no"),
        (21, "device_no"),
        (22, "case_no"),
        (23, "case_no"),
    ]
    assert office.column("SELECT count(*) FROM cases WHERE state = 'executing'") == [0]
    office.connection.execute("DELETE FROM device_holds")
    assert office.bulk("execute", *good, apply=False).applied is False
    assert office.column("SELECT count(*) FROM cases WHERE state = 'executing'") == [0]
    report = office.bulk("execute", *good)
    assert (report.applied, {one.after for one in report.changed}) == (True, {"executing"})
    assert office.column("SELECT count(*) FROM devices WHERE decommissioned_at IS NOT NULL AND state = 'idle'") == [20]


def test_sheet_opens_and_proposes(office: Office) -> None:
    """Chinese or English headers; a cell that cannot be read is named with its row and keeps back all."""
    for number in range(3):
        office.device(f"D{number}")
    opening = "设备编号,原因\nD0,查询机淘汰\nD1,查询机淘汰\nD2,查询机淘汰\n".encode()
    with acting(office.connection, Actor("li", "test"), keys=office.keys):
        assert opening_sheet(office.connection, opening, now=office.now, apply=True).applied
    sheet = "device_no,reason,替换方式\nD0,淘汰,二维码查询\nD1,淘汰,none\nD2,淘汰,\n".encode()
    with acting(office.connection, Actor("li", "test"), keys=office.keys):
        papers = (paper("application"),)
        report = step_sheet(office.connection, "propose", sheet, now=office.now, apply=True, papers=papers)
    assert report.applied, report.errors
    assert office.column("SELECT replacement FROM cases ORDER BY case_no") == ["qr_lookup", "none", None]
    assert office.column("SELECT count(*) FROM case_documents WHERE kind = 'application'") == [3]
    for bad, said in (
        ("device_no,resaon\nD0,x\n", "did you mean"),
        ("reason\nx\n", "neither case_no nor device_no"),
        ("device_no,appraisal\nD0,broken\n", "broken is none of"),
        ("device_no,appraisal\nD0,无使用价值,x\n", "cells where the header"),
    ):
        report = step_sheet(office.connection, "appraise", bad.encode(), now=office.now, apply=False, actor="wang")
        assert said in " ".join(one.sentence for one in report.errors)


def test_successor_takes_the_place_and_its_series(office: Office) -> None:
    """At the recovery the old one leaves and the new one stands at the stall, as its predecessor's successor."""
    old_id = office.device("OLD", stall_no="B012")
    new_id = office.device("NEW", state="in_stock", acquired_on="2017-01-01")
    case_no = office.until(office.opened("OLD"), "silence")
    assert office.case(case_no)["successor_id"] is None
    office.act("recover", case_no, successor_no="NEW")
    assert (office.of("OLD")["state"], office.of("OLD")["stall_no"]) == ("recovered", None)
    new = office.of("NEW")
    assert (new["state"], new["stall_no"], new["predecessor_id"]) == ("in_service", "B012", old_id)
    assert (office.case(case_no)["replacement"], office.case(case_no)["successor_id"]) == ("device", new_id)
    placements = office.column(
        "SELECT predecessor_id FROM device_placements WHERE device_id = %s AND until IS NULL", new_id
    )
    assert placements == [old_id]
    office.carry(case_no, "wipe", "dispose", "write_off", "archive")


def test_successor_on_the_short_way_comes_with_the_wiping(office: Office) -> None:
    """A merchant's scale is not stored by us; its place is handed over when it is wiped."""
    old_id = office.device("OLD", owner_type="merchant", stall_no="B012")
    office.device("NEW", state="in_stock", acquired_on="2017-01-01")
    case_no = office.owned(office.opened("OLD"), "silence")
    office.act("wipe", case_no, successor_no="NEW")
    assert office.of("OLD")["state"] == "pending_disposal"
    assert office.of("NEW")["predecessor_id"] == old_id


def test_forbidden_successor_is_refused_with_what_may_come(office: Office) -> None:
    """The notice forbids new kiosks; the sentence of the ledger's own gate says what to use."""
    office.device("OLD", "QM-1")
    office.device("NEW", "QM-1", state="in_stock", acquired_on="2024-05-01")
    case_no = office.opened("OLD")
    with pytest.raises(RefusedError) as caught:
        office.act("propose", case_no, successor_no="NEW")
    assert "二维码查询" in str(caught.value)
    assert "QR look-up" in str(caught.value)
    office.act("propose", case_no, replacement="qr_lookup")
    assert office.case(case_no)["replacement"] == "qr_lookup"


def test_cases_are_reminded_of_and_escalated_once(office: Office) -> None:
    """Before their day, and after it; a step begins another day."""
    office.device("D1")
    case_no = office.opened("D1")
    assert office.case(case_no)["due_on"] == office.today + timedelta(days=15)

    def told(days: int) -> list[str]:
        with acting(office.connection, Actor("fleet", "fleet"), keys=office.keys):
            now = office.now + timedelta(days=days)
            return [event.kind for event in deadlines.follow_up(office.connection, now=now)]

    assert [told(day) for day in (0, 11, 12, 13, 16, 22, 23, 24)] == [
        [],
        [],
        ["case.due_soon"],
        [],
        [],
        [],
        ["case.escalated"],
        [],
    ]
    office.later(24)
    office.act("propose", case_no)
    case = office.case(case_no)
    assert (case["reminded_at"], case["escalated_at"]) == (None, None)
    assert case["due_on"] == today(office.now) + timedelta(days=15)
    assert office.column("SELECT count(*) FROM events WHERE kind LIKE 'case.%%' AND subject = %s", case_no) == [4]


def test_kept_device_is_looked_at_again_after_its_day(office: Office) -> None:
    """Once, and by a new case."""
    office.device("D1")
    case_no = office.opened("D1")
    office.act("keep", case_no, kept_until=office.today + timedelta(days=30), reason="备用")
    for days, kinds in ((30, []), (1, ["case.kept_until_over"]), (1, [])):
        office.later(days)
        with acting(office.connection, Actor("fleet", "fleet"), keys=office.keys):
            assert [one.kind for one in deadlines.follow_up(office.connection, now=office.now)] == kinds
    assert office.opened("D1") != case_no


def test_sweep_is_its_own_transaction(office: Office) -> None:
    """As the fleet's, sealed."""
    office.device("D1")
    office.opened("D1")
    deadlines.sweep(office.connection, keys=office.keys, now=office.now + timedelta(days=100))
    assert office.column("SELECT DISTINCT actor FROM audit WHERE entity = 'cases' AND action = 'update'") == ["fleet"]
    assert office.column("SELECT count(*) FROM audit_unsealed") == [0]
