"""Swaps, mainboards, transfers, recoveries and losses in a real ledger."""

import threading
from typing import Any

import psycopg
import pytest

from fleet.acting import Actor, acting
from fleet.keys import Keys
from fleet.lifecycle.move import Move
from fleet.lifecycle.moves import carry_out
from fleet.lifecycle.report import Report
from fleet.lifecycle.sheets import move_sheet


@pytest.fixture
def stall(book: Any) -> Any:
    """The ledger with scale OLD at stall A-01, behind a gateway, and scale NEW in stock at the other market."""
    book.device("GW", "GW-1", state="in_service")
    merchant, gateway = (
        book.count(f"SELECT {key} FROM {table}")  # noqa: S608
        for key, table in (("min(merchant_id)", "merchants"), ("min(device_id)", "devices"))
    )
    book.device(
        "OLD",
        state="in_service",
        stall_no="A-01",
        merchant_id=merchant,
        gateway_id=gateway,
        address="建设路1号",
        lat=34.7,
        lon=113.6,
        custodian="张",
        custodian_phone_masked="138****5678",
        custodian_phone_sealed=b"sealed",
        factory_no="F-1",
    )
    book.device("NEW", "ACS-15", "S2", state="in_stock", storage_place="库房3", factory_no="F-2")
    book.duty("OLD", supervision="GOV", operation="OPS", custody="P-S1", use="P-M1")
    book.duty("NEW", operation="GOV")
    return book


PLACE = ("site_no", "stall_no", "merchant_code", "gateway_no", "address", "lat", "lon", "custodian")


def swap(old: str = "OLD", new: str = "NEW", **more: Any) -> Move:
    """A swap of devices."""
    return Move(device_no=old, new_device_no=new, **{"reason": "换机"} | more)


def test_swap_puts_the_new_device_where_the_old_one_was(stall: Any) -> None:
    """Place, merchant, gateway, custodian and duties are the new one's; the old is recovered and left with the site."""
    assert stall.move("swap", swap(storage_place="库房1", document="换机单", cost_fen=500)).applied
    old, new = stall.of("OLD"), stall.of("NEW")
    assert [new[name] for name in PLACE] == ["S1", "A-01", "M1", "GW", "建设路1号", 34.7, 113.6, "张"]
    assert (new["custodian_phone_masked"], bytes(new["custodian_phone_sealed"])) == ("138****5678", b"sealed")
    assert (new["state"], new["predecessor_no"], new["storage_place"]) == ("in_service", "OLD", None)
    assert new["commissioned_on"] == new["installed_on"]
    assert [old[name] for name in PLACE] == ["S1", *[None] * 7]
    assert (old["state"], old["custodian_phone_masked"], old["storage_place"]) == ("recovered", None, "库房1")
    assert stall.duties("NEW") == {"supervision": "GOV", "operation": "OPS", "custody": "P-S1", "use": "P-M1"}
    assert stall.duties("OLD") == {"supervision": "GOV", "operation": "OPS", "custody": "P-S1"}
    assert stall.steps("OLD") == [
        ("in_service", "idle", "li", "换机", None, None),
        ("idle", "recovered", "li", "换机", "换机单", 500),
    ]
    assert stall.steps("NEW") == [("in_stock", "in_service", "li", "换机", None, None)]


def test_swap_closes_one_placement_and_opens_the_other_at_the_same_time(stall: Any) -> None:
    """Nobody stood there twice, nor for a moment nobody; whose place it was is kept with the placement."""
    stall.connection.execute("UPDATE devices SET installed_on = '2019-01-01' WHERE device_no = 'NEW'")
    stall.move("swap", swap())
    assert stall.connection.execute(
        "SELECT d.device_no, p.stall_no, o.device_no, p.since = (SELECT max(until) FROM device_placements), p.until"
        " FROM device_placements p JOIN devices d USING (device_id)"
        " LEFT JOIN devices o ON o.device_id = p.predecessor_id WHERE p.until IS NULL AND p.stall_no IS NOT NULL"
    ).fetchall() == [("NEW", "A-01", "OLD", True, None)]


@pytest.mark.parametrize(
    ("before", "to", "steps"),
    [
        ("in_service", "faulty", ["faulty"]),
        ("in_service", "repairing", ["faulty", "repairing"]),
        ("suspended", "idle", ["idle"]),
        ("repairing", "recovered", ["faulty", "idle", "recovered"]),
        ("repairing", "repairing", []),
        ("idle", "in_stock", ["recovered", "in_stock"]),
        ("faulty", "lost", ["lost"]),
    ],
)
def test_old_device_goes_its_way_step_by_step(stall: Any, before: str, to: str, steps: list[str]) -> None:
    """The shortest way to the state that is asked for, each step on record; it leaves the stall whatever the state."""
    stall.connection.execute("UPDATE devices SET state = %s WHERE device_no = 'OLD'", (before,))
    assert stall.move("swap", swap(to=to, document="报告")).applied
    assert [step[1] for step in stall.steps("OLD")] == steps
    assert (stall.state("OLD"), stall.of("OLD")["stall_no"]) == (to, None)


def test_swap_is_refused_for_every_reason_at_once(stall: Any) -> None:
    """States, kinds, holds, unknown numbers and numbers that stand twice, each with its row; nothing is changed."""
    stall.device("IDLE", state="idle", stall_no="A-02")
    stall.device("STOCKED", state="in_stock")
    stall.device("LOGGER", "TH-1", state="in_stock")
    held = stall.device("HELD", state="in_service")
    stall.connection.execute(
        "INSERT INTO device_holds (device_id, kind, reason) VALUES (%s, 'evidence', '案')", (held,)
    )
    before = stall.count("SELECT max(audit_id) FROM audit")
    report = stall.move(
        "swap",
        swap("OLD", "IDLE", row=1),
        swap("STOCKED", "LOGGER", row=2),
        swap("HELD", "NEW", row=3),
        swap("GW", "NOBODY", row=4),
        swap("IDLE", "NEW", row=5),
        swap("X", "X", row=6),
        Move(row=7, device_no="Y", reason=""),
    )
    found = {(error.row, error.column): error.sentence for error in report.errors}
    assert "IDLE is idle: only a device in stock" in found[1, "new_device_no"]
    assert (
        "in_stock → recovered cannot be gone here. Allowed from in_stock: in_service, pending_disposal, lost"
        in found[2, "to"]
    )
    assert "LOGGER is a logger and does not report scan, weighing" in found[2, "new_device_no"]
    assert "held (evidence)" in found[3, "device_no"]
    assert "NOBODY is not in the ledger" in found[4, "new_device_no"]
    assert "IDLE is moved in row 1 already" in found[5, "device_no"]
    assert "NEW is moved in row 3 already" in found[5, "new_device_no"]
    assert "cannot take its own place" in found[6, "new_device_no"]
    assert "is empty" in found[7, "new_device_no"]
    assert "is empty" in found[7, "reason"]
    assert stall.count("SELECT max(audit_id) FROM audit") == before


def test_kind_that_reports_the_same_may_take_the_place(book: Any) -> None:
    """A scanner does what a kiosk did: the notice wants kiosks gone."""
    book.device("K", "QM-1", state="in_service")
    book.device("S", "SC-1", state="in_stock")
    assert book.move("swap", swap("K", "S")).applied


def test_gateway_is_followed_by_what_speaks_through_it(stall: Any) -> None:
    """The devices behind the old one are behind the new one."""
    stall.device("GW2", "GW-1", state="in_stock")
    stall.move("swap", swap("GW", "GW2"))
    assert stall.of("OLD")["gateway_no"] == "GW2"


def test_two_administrators_swap_the_same_device(stall: Any, database_url: str, keys: Keys) -> None:
    """One succeeds; the other, whichever it is, is told of the state that it finds."""
    stall.device("NEW2", state="in_stock")
    start, reports = threading.Barrier(2, timeout=20), dict[str, Report]()

    def administrator(new: str) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            start.wait()
            with acting(connection, Actor(new, "test"), keys=keys):
                reports[new] = carry_out(connection, "swap", [swap(new=new)], apply=True)

    threads = [threading.Thread(target=administrator, args=(new,)) for new in ("NEW", "NEW2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    [winner] = [new for new, report in reports.items() if report.applied]
    [loser] = {"NEW", "NEW2"} - {winner}
    assert [error.state for error in reports[loser].errors] == ["recovered"]
    assert (stall.state(winner), stall.state(loser)) == ("in_service", "in_stock")
    assert stall.count("SELECT count(*) FROM device_placements WHERE until IS NULL AND stall_no = 'A-01'") == 1


def test_mainboard_gives_new_serials_to_the_same_device(stall: Any) -> None:
    """The number stays; what is not given stays; the old serial is in the audit with the reason."""
    stall.connection.execute("UPDATE devices SET mac = '00:11:22:33:44:55' WHERE device_no = 'OLD'")
    report = stall.move("board", Move(device_no="OLD", factory_no="F-9", hardware_version="2.1", reason="雷击"))
    assert [(field.column, field.before, field.after) for field in report.changed[0].fields] == [
        ("factory_no", "F-1", "F-9"),
        ("hardware_version", None, "2.1"),
    ]
    old = stall.of("OLD")
    assert (old["factory_no"], old["mac"], old["state"]) == ("F-9", "00:11:22:33:44:55", "in_service")
    assert stall.connection.execute(
        "SELECT before ->> 'factory_no', after ->> 'factory_no', reason FROM audit WHERE action = 'update'"
        " ORDER BY audit_id DESC LIMIT 1"
    ).fetchone() == ("F-1", "F-9", "雷击")


def test_mainboard_is_refused_when_the_serial_is_taken(stall: Any) -> None:
    """By a device of the same vendor, in the ledger or in the same sheet; boards that change places are in order."""
    stall.connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES ('Z', 'trace_scale', 'Other')")
    stall.device("OTHER", "Z", state="in_service", factory_no="F-7")

    def board(device_no: str, factory_no: str, row: int = 1) -> Move:
        return Move(row=row, device_no=device_no, factory_no=factory_no, reason="换板")

    taken = stall.move("board", board("OLD", "F-2"))
    assert "NEW of the same vendor has the factory number F-2" in taken.errors[0].sentence
    twice = stall.move("board", board("OLD", "F-8"), board("NEW", "F-8", 2))
    assert [(error.row, error.column) for error in twice.errors] == [(2, "factory_no")]
    same = stall.move("board", board("OLD", "F-1"))
    assert "nothing of the board is another" in same.errors[0].sentence
    assert stall.move("board", board("OLD", "F-7")).applied
    assert stall.move("board", board("OLD", "F-2"), board("NEW", "F-7", 2)).applied
    assert (stall.of("OLD")["factory_no"], stall.of("NEW")["factory_no"]) == ("F-2", "F-7")


def test_transfer_to_another_site_leaves_everything_of_the_old_place(stall: Any) -> None:
    """Stall and merchant as given or empty; the old market's and merchant's parties answer no longer."""
    report = stall.move("transfer", Move(device_no="OLD", site_no="S2", stall_no="B-02", reason="搬迁"))
    assert report.applied
    old = stall.of("OLD")
    assert [old[name] for name in PLACE] == ["S2", "B-02", *[None] * 6]
    assert (old["state"], stall.steps("OLD")) == ("in_service", [])
    assert stall.duties("OLD") == {"supervision": "GOV", "operation": "OPS"}
    assert stall.count("SELECT count(*) FROM device_placements WHERE stall_no = 'A-01' AND until IS NOT NULL") == 1
    assert stall.count("SELECT count(*) FROM device_placements WHERE stall_no = 'B-02' AND until IS NULL") == 1
    assert stall.count("SELECT count(*) FROM audit WHERE reason = '搬迁'") == 3


def test_transfer_within_a_site_changes_what_is_given(stall: Any) -> None:
    """And nothing else."""
    stall.move("transfer", Move(device_no="OLD", stall_no="A-09", reason="调摊"))
    old = stall.of("OLD")
    assert [old[name] for name in PLACE] == ["S1", "A-09", "M1", "GW", "建设路1号", 34.7, 113.6, "张"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"site_no": "S8"}, "is not in the ledger"),
        ({"site_no": "S9"}, "is cancelled"),
        ({"merchant_code": "M8"}, "is not in the ledger"),
        ({"stall_no": "A-01"}, "at that place already"),
        ({}, "at least one of site_no, stall_no, merchant_code"),
    ],
)
def test_transfer_is_refused_to_nowhere(stall: Any, given: dict[str, str], words: str) -> None:
    """A place has to be there, open, and another one."""
    assert words in stall.move("transfer", Move(device_no="OLD", reason="r", **given)).errors[0].sentence  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["transfer", "board"])
@pytest.mark.parametrize("state", ["pending_disposal", "disposed", "lost"])
def test_device_that_is_over_is_neither_moved_nor_mended(stall: Any, kind: Any, state: str) -> None:
    """What it is and where is on the papers."""
    stall.connection.execute("UPDATE devices SET state = %s WHERE device_no = 'OLD'", (state,))
    report = stall.move(kind, Move(device_no="OLD", stall_no="Z", factory_no="Z", reason="r"))
    assert [error.state for error in report.errors] == [state]


@pytest.mark.parametrize(
    ("state", "to", "steps"),
    [
        ("in_service", None, ["idle", "recovered", "in_stock"]),
        ("repairing", None, ["faulty", "idle", "recovered", "in_stock"]),
        ("suspended", "recovered", ["idle", "recovered"]),
        ("recovered", None, ["in_stock"]),
    ],
)
def test_recovery_goes_every_step_to_the_stock(stall: Any, state: str, to: str | None, steps: list[str]) -> None:
    """It leaves its place, is kept where it is said, and each step is on record."""
    stall.connection.execute("UPDATE devices SET state = %s WHERE device_no = 'OLD'", (state,))
    move = Move(device_no="OLD", to=to, storage_place="库房2", site_no="S2", reason="节点取消")
    assert stall.move("recover", move).applied
    old = stall.of("OLD")
    assert [step[1] for step in stall.steps("OLD")] == steps
    assert [old[name] for name in PLACE] == ["S2", *[None] * 7]
    assert (old["state"], old["storage_place"]) == (steps[-1], "库房2")
    assert stall.duties("OLD") == {"supervision": "GOV", "operation": "OPS"}


@pytest.mark.parametrize("state", ["draft", "in_stock", "pending_disposal", "disposed", "lost"])
def test_recovery_is_refused_of_what_is_at_no_place(stall: Any, state: str) -> None:
    """A disposal that is under way is rejected by a step of its own, not by the way."""
    stall.connection.execute("UPDATE devices SET state = %s WHERE device_no = 'OLD'", (state,))
    report = stall.move("recover", Move(device_no="OLD", reason="r"))
    assert [(error.state, error.column) for error in report.errors] == [(state, "to")]


def test_loss_needs_a_report_and_ends_everything(stall: Any) -> None:
    """Without one it is refused; with it the number is never used again."""
    assert "document is empty" in stall.move("lose", Move(device_no="OLD", reason="盘点未见")).errors[0].sentence
    assert stall.move("lose", Move(device_no="OLD", reason="盘点未见", document="盘亏报告3号")).applied
    assert stall.steps("OLD") == [("in_service", "lost", "li", "盘点未见", "盘亏报告3号", None)]
    assert stall.count("SELECT count(*) FROM tombstones WHERE device_no = 'OLD' AND state = 'lost'") == 1


def test_sheet_of_swaps_is_read_with_headers_of_either_language(stall: Any) -> None:
    """GB18030 as spreadsheets write it; dry at first, and the same when applied."""
    stall.device("OLD2", state="in_service")
    stall.device("NEW2", state="in_stock")
    sheet = "设备编号,新设备编号,原因,目标状态,费用（分）\nOLD,NEW,批量换机,闲置,1200\nOLD2,NEW2,批量换机,,\n".encode(
        "gb18030"
    )
    dry = move_sheet(stall.connection, "swap", sheet, apply=False)
    assert (dry.errors, dry.applied, dry.moves, stall.state("OLD")) == ((), False, 2, "in_service")
    with acting(stall.connection, Actor("li", "test"), keys=stall.keys):
        assert move_sheet(stall.connection, "swap", sheet, apply=True).changed == dry.changed
    assert [stall.state(number) for number in ("OLD", "NEW", "OLD2", "NEW2")] == [
        "idle",
        "in_service",
        "recovered",
        "in_service",
    ]


def test_sheet_with_bad_rows_is_refused_as_a_whole(stall: Any) -> None:
    """Cells, rows and rules are complained of together, in the order of the rows."""
    sheet = b"device_no,to,reason,cost_fen\nOLD,idle,r,12.50\n,idle,r\nGW,=A1,r\nNEW,faulty,r,\nGW,idle,r,1,2\n"
    report = move_sheet(stall.connection, "transition", sheet, apply=True)
    assert [(error.row, error.column) for error in report.errors] == [
        (2, "cost_fen"),
        (3, "device_no"),
        (4, "to"),
        (5, "to"),
        (6, ""),
    ]
    assert not report.applied
    headers = move_sheet(stall.connection, "transition", b"device_no,reasons,to,to\nOLD,r,idle,idle\n", apply=True)
    assert [error.column for error in headers.errors] == ["reasons", "to", "reason"]
    assert "did you mean reason?" in headers.errors[0].sentence
