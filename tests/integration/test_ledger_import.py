"""Sheets into a real ledger."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from deploy.bench.ledger_import import devices_sheet, surroundings
from fleet.acting import Actor, acting
from fleet.business_day import today
from fleet.keys import Keys
from fleet.ledger.imports import TAKE_TURNS, import_sheet
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun, Report
from fleet.lifecycle import holds
from fleet.lifecycle.move import Move
from fleet.lifecycle.moves import carry_out
from tests.integration.full_ledger import FULL

Connection = psycopg.Connection[tuple[object, ...]]

SHEETS: dict[Noun, str] = {
    "regions": "region_code,name_zh,name_en,parent_code\n410000,河南省,Henan,\n410100,郑州市,Zhengzhou,410000\n",
    "sites": "site_no,name_zh,name_en,kind,region_code\n0001,一号市场,Market 1,菜市场,410100\n",
    "merchants": "merchant_code,name\n000000000000000012,张记鲜肉\n",
    "memberships": "site_no,merchant_code,stall_no\n0001,000000000000000012,A-01\n",
    "models": "model_no,kind,vendor\nACS-15,trace_scale,V\nTH-1,温湿度记录仪,V\nGW-1,gateway,V\n",
    "devices": (
        "device_no,model_no,site_no,stall_no,merchant_code,state,acquired_on\n"
        "0001,ACS-15,0001,A-01,000000000000000012,,2016-05-01\n0002,TH-1,0001,,,停用,\n"
    ),
}
DEVICES = """
SELECT device_no, model_no, site_no, stall_no, merchant_code, state
FROM devices JOIN models USING (model_id) JOIN sites USING (site_id) LEFT JOIN merchants USING (merchant_id)
ORDER BY device_no"""
STEPS = """
SELECT d.device_no, s.from_state, s.to_state, s.actor, s.reason
FROM device_transitions AS s JOIN devices AS d USING (device_id) ORDER BY d.device_no, s.transition_id"""
LIMIT_SECONDS = 20.0
SITES = "site_no,name_zh,name_en,kind,region_code\n"
NEW = "device_no,model_no,site_no\n"
OLD_SCALE = "device_no,model_no,site_no,acquired_on\n"


@dataclass
class Book:
    """A ledger that is written as a person would."""

    connection: Connection
    keys: Keys

    def enter(self, noun: Noun, text: str, *, apply: bool = True, reason: str = "") -> Report:
        """The report of an import."""
        with acting(self.connection, Actor("li", "tests"), keys=self.keys, reason=reason):
            return import_sheet(self.connection, noun, text.encode(), apply=apply, keys=self.keys)

    def rows(self, noun: Noun) -> list[tuple[object, ...]]:
        """The rows of a noun with the transaction that wrote each."""
        table = sql.Identifier(LEDGERS[noun].table)
        query = sql.SQL("SELECT xmin::text, entry::text FROM {} AS entry ORDER BY entry").format(table)
        return self.connection.execute(query).fetchall()

    def ask(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """What a query finds."""
        return self.connection.execute(query.encode(), parameters or None).fetchall()


@pytest.fixture
def book(connection: Connection, tmp_path: Path) -> Book:
    """An empty ledger."""
    return Book(connection, Keys(tmp_path / "key"))


@pytest.fixture
def ledger(book: Book) -> Book:
    """A ledger that holds SHEETS."""
    for noun, text in SHEETS.items():
        assert book.enter(noun, text).errors == ()
    return book


@pytest.fixture
def full(book: Book) -> Book:
    """A ledger with something in every column of every noun."""
    for noun, text in FULL.items():
        assert book.enter(noun, text).errors == ()
    return book


def test_import_fills_the_ledger_when_applied_in_order(ledger: Book) -> None:
    """Numbers stay text, Chinese words become ours, empty cells get their defaults."""
    assert ledger.ask(DEVICES) == [
        ("0001", "ACS-15", "0001", "A-01", "000000000000000012", "in_service"),
        ("0002", "TH-1", "0001", None, None, "suspended"),
    ]
    assert ledger.ask("SELECT kind FROM sites") == [("wet_market",)]
    assert ledger.ask("SELECT DISTINCT valid_from::text, valid_to FROM regions") == [("1980-01-01", None)]


@pytest.mark.parametrize("noun", list(FULL))
def test_import_changes_nothing_when_applied_again(full: Book, noun: Noun) -> None:
    """No row is written, so not even updated_at moves, and nothing is new to the audit."""
    before, audited = full.rows(noun), full.ask("SELECT count(*) FROM audit")
    report = full.enter(noun, FULL[noun])
    assert (report.created, report.changed, report.unchanged) == ((), (), report.rows)
    assert full.rows(noun) == before
    assert full.ask("SELECT count(*) FROM audit") == audited


@pytest.mark.parametrize("noun", list(FULL))
def test_import_writes_nothing_when_it_is_a_dry_run(book: Book, noun: Noun) -> None:
    """The report is the one that applying gives, but for its last word."""
    for earlier, text in FULL.items():
        if earlier == noun:
            break
        book.enter(earlier, text)
    before = book.rows(noun)
    dry = book.enter(noun, FULL[noun], apply=False)
    assert book.rows(noun) == before
    applied = book.enter(noun, FULL[noun])
    assert (dry.applied, applied.applied) == (False, True)
    assert replace(dry, applied=True) == applied
    assert len(book.rows(noun)) == len(before) + len(applied.created)


def test_import_writes_nothing_when_one_row_of_many_is_wrong(ledger: Book) -> None:
    """All or nothing, and the report still says what the good rows would do."""
    before = ledger.ask(DEVICES)
    rows = "".join(f"N{number},TH-1,0001\n" for number in range(100))
    report = ledger.enter("devices", f"device_no,model_no,site_no\n{rows}N100,TH-1,0009\n")
    assert (len(report.created), len(report.errors), report.applied) == (100, 1, False)
    assert ledger.ask(DEVICES) == before


def test_import_changes_only_the_cells_that_are_filled(ledger: Book) -> None:
    """The others keep what they have; the report tells each field before and after."""
    report = ledger.enter("devices", "设备编号,摊位号,状态\n0001,,faulty\n0002,B-02,\n")
    assert [(change.key, change.fields[0].before, change.fields[0].after) for change in report.changed] == [
        ("0001", "in_service", "faulty"),
        ("0002", None, "B-02"),
    ]
    assert ledger.ask(DEVICES) == [
        ("0001", "ACS-15", "0001", "A-01", "000000000000000012", "faulty"),
        ("0002", "TH-1", "0001", "B-02", None, "suspended"),
    ]


@pytest.mark.parametrize(
    ("noun", "text", "expected"),
    [
        ("sites", f"{SITES}S,市,m,wet_markt,410100\n", ("kind", "did you mean wet_market?")),
        ("sites", f"{SITES}S,市,m,超市,410109\n", ("region_code", "did you mean 410100?")),
        ("sites", "site_no,name_zh\nS,市\n", ("name_en", "fill in name_en")),
        ("models", "model_no,kind,vendor\nX,trace_scales,V\n", ("kind", "did you mean trace_scale?")),
        ("merchants", "merchant_code,name\nM1,=HYPERLINK(1)\n", ("name", "paste the column as values")),
        ("merchants", "merchant_code,name\nM1,a\x00b\n", ("name", "type the value anew in one line")),
        ("merchants", "merchant_cod,name\nM1,a\n", ("merchant_cod", "did you mean merchant_code?")),
        ("devices", f"{NEW}D1,ACS15,0001\n", ("model_no", "did you mean ACS-15?")),
        ("devices", f"{NEW}D1,TH-1,1\n", ("site_no", "import the sites first, or correct the cell")),
    ],
)
def test_import_explains_what_is_wrong(ledger: Book, noun: Noun, text: str, expected: tuple[str, str]) -> None:
    """The column and the remedy, from what the ledger holds."""
    report = ledger.enter(noun, text)
    assert (report.errors[0].column, report.errors[0].remedy) == expected


def test_import_stays_in_the_transaction_of_the_caller(ledger: Book) -> None:
    """A rollback of the caller's takes it along."""
    with ledger.connection.transaction(force_rollback=True):
        report = import_sheet(
            ledger.connection, "merchants", b"merchant_code,name\nM9,x\n", apply=True, keys=ledger.keys
        )
        assert report.applied
    assert ledger.ask("SELECT count(*) FROM merchants WHERE merchant_code = 'M9'") == [(0,)]


def test_import_takes_a_few_statements_when_the_sheet_is_large(ledger: Book, database_url: str) -> None:
    """20,000 devices in one go; ingest is woken by one notification."""
    rows = "".join(f"D{number:06},TH-1,0001,{number % 80}\n" for number in range(20_000))
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("LISTEN tracefleet_registry")
        report = ledger.enter("devices", f"device_no,model_no,site_no,stall_no\n{rows}")
        told = [note.payload for note in listener.notifies(timeout=5, stop_after=1)]
        told += [note.payload for note in listener.notifies(timeout=0)]
    assert len(report.created) == 20_000
    assert ledger.ask("SELECT count(*) FROM devices") == [(20_002,)]
    assert told == ["devices"]


def test_import_of_every_kind_of_column_by_the_thousand(book: Book) -> None:
    """5,000 devices with all that the benchmark's have: new, unchanged, then one field of each changed."""
    for noun, text in surroundings().items():
        assert book.enter(noun, text).applied
    created = book.enter("devices", devices_sheet(5000).decode())
    again = book.enter("devices", devices_sheet(5000).decode())
    changed = book.enter("devices", devices_sheet(5000, firmware="9.9").decode())
    assert (len(created.created), again.unchanged, len(changed.changed)) == (5000, 5000, 5000)
    assert created.warnings == ()
    assert {field.column for change in changed.changed for field in change.fields} == {"firmware"}
    assert book.ask("SELECT count(*), count(DISTINCT imei_sealed), min(original_value_fen) FROM devices") == [
        (5000, 5000, 128050)
    ]
    assert book.ask("SELECT count(*) FROM audit_unsealed") == [(0,)]


def test_import_keeps_every_column_where_it_belongs(full: Book) -> None:
    """Money in fen, hours in their one form, segments as JSON, references as numbers."""
    assert full.ask("SELECT original_value_fen, max_g, is_fair_scale, lat FROM devices WHERE device_no = '-0001'") == [
        (360_050, 15_000, True, 34.12345678901234)
    ]
    assert full.ask("SELECT g.device_no FROM devices AS d JOIN devices AS g ON g.device_id = d.gateway_id") == [
        ("GW-0001",)
    ]
    assert full.ask("SELECT opening_hours, opening_minutes IS NOT NULL FROM sites ORDER BY site_no") == [
        ("1-7 06:00-18:00", True),
        ("1-5 06:00-12:30; 6 22:00-02:00", True),
    ]
    assert full.ask("SELECT segments FROM code_profiles WHERE region_code = '4102'") == [
        ([{"name": "region", "from": 1, "length": 6}, {"name": "serial", "from": 7, "length": 3}],)
    ]


def test_import_of_a_gateway_and_what_stands_behind_it_in_one_sheet(ledger: Book) -> None:
    """In whatever order; a gateway behind a gateway, and one that is none, are refused."""
    sheet = "device_no,model_no,site_no,gateway_no\n"
    assert ledger.enter("devices", f"{sheet}L1,TH-1,0001,G1\nG1,GW-1,0001,\n").applied
    report = ledger.enter("devices", f"{sheet}L2,TH-1,0001,L3\nL3,TH-1,0001,L1\nG2,GW-1,0001,G1\n")
    assert [(error.row, error.column, error.problem.split(",")[0]) for error in report.errors] == [
        (2, "gateway_no", "is no gateway"),
        (3, "gateway_no", "is no gateway"),
        (4, "gateway_no", "is for devices behind a gateway"),
    ]


def test_step_of_a_device_is_recorded_with_who_and_why(ledger: Book) -> None:
    """The first state as well; the reason of the cell goes before that of the import."""
    sheet = "device_no,state,state_reason\n0001,faulty,屏幕坏\n0002,in_service,\n"
    report = ledger.enter("devices", sheet, reason="月度巡查")
    assert report.applied
    assert ledger.ask(STEPS) == [
        ("0001", None, "in_service", "li", None),
        ("0001", "in_service", "faulty", "li", "屏幕坏"),
        ("0002", None, "suspended", "li", None),
        ("0002", "suspended", "in_service", "li", "月度巡查"),
    ]
    assert ledger.ask("SELECT state_reason, commissioned_on FROM devices ORDER BY device_no") == [
        ("屏幕坏", None),
        ("月度巡查", today(datetime.now(UTC))),
    ]


def test_state_that_may_not_follow_is_an_error_that_says_what_may(ledger: Book) -> None:
    """No half life by spreadsheet."""
    report = ledger.enter("devices", "device_no,state\n0001,repairing\n0002,disposed\n")
    assert [(error.row, error.column, error.remedy) for error in report.errors] == [
        (2, "state", "allowed after in_service: suspended, faulty, idle"),
        (3, "state", "allowed after suspended: in_service, idle"),
    ]


@pytest.mark.parametrize(
    ("cells", "refused"),
    [("2016-05-01,", False), ("2019-01-01,", True), (",", True), ("2019-01-01,豫商函3号", False)],
)
def test_trace_scale_passes_the_gate_or_is_refused(ledger: Book, cells: str, refused: bool) -> None:
    """By the day of its acquisition, or with an exemption; as a draft it may wait."""
    sheet = "device_no,model_no,site_no,state,acquired_on,exemption_document\n"
    report = ledger.enter("devices", f"{sheet}N1,ACS-15,0001,in_stock,{cells}\nN2,ACS-15,0001,draft,{cells}\n")
    assert [error.row for error in report.errors] == ([2] if refused else [])
    assert all(
        "豫商办文〔2018〕81号" in error.problem and "exemption document" in error.remedy for error in report.errors
    )


@pytest.mark.parametrize(
    ("noun", "text", "column"),
    [
        ("devices", "device_no,acquired_on\n0001,2024-01-01\n", "acquired_on"),
        ("devices", "device_no,model_no\n0002,ACS-15\n", "model_no"),
        ("models", "model_no,kind\nTH-1,kiosk\n", "kind"),
    ],
    ids=["another day", "another model", "another kind of the model"],
)
def test_gate_is_not_passed_by_what_is_changed_afterwards(ledger: Book, noun: Noun, text: str, column: str) -> None:
    """What would have kept a device out is refused of one that is in, too."""
    assert [error.column for error in ledger.enter(noun, text).errors] == [column]
    assert ledger.enter("devices", "device_no,acquired_on\n0001,2016-06-01\n").applied
    exempted = "device_no,acquired_on,exemption_document\n0001,2024-01-01,豫商函3号\n"
    assert ledger.enter("devices", exempted).applied


@pytest.mark.parametrize("column", ["stall_no", "factory_no", "model_no", "mac"])
@pytest.mark.parametrize("why", ["evidence", "disposed", "pending_disposal"])
def test_device_that_is_to_stay_as_it_is_does(ledger: Book, why: str, column: str) -> None:
    """Under a hold that asks for it, and at its end; its papers may still be put right."""
    if why == "evidence":
        with acting(ledger.connection, Actor("li", "tests"), keys=ledger.keys):
            holds.place(ledger.connection, "0002", "evidence", reason="court")
    else:
        ledger.connection.execute("UPDATE devices SET state = %s WHERE device_no = '0002'", (why,))
    cell = {"model_no": "GW-1", "mac": "00:11:22:33:44:55"}.get(column, "B-9")
    report = ledger.enter("devices", f"device_no,{column}\n0002,{cell}\n")
    assert [(error.column, why in error.problem) for error in report.errors] == [(column, True)]
    assert ledger.enter("devices", "device_no,contract_no\n0002,C-1\n").applied


def test_gateway_that_devices_stand_behind_stays_one(ledger: Book) -> None:
    """Neither a sheet nor a swap makes it something that cannot speak for others."""
    sheet = "device_no,model_no,site_no,state,gateway_no\nG1,GW-1,0001,,\nL1,TH-1,0001,in_stock,\n0002,,,,G1\n"
    assert ledger.enter("devices", sheet).errors == ()
    assert [error.column for error in ledger.enter("devices", "device_no,model_no\nG1,TH-1\n").errors] == ["model_no"]
    with acting(ledger.connection, Actor("li", "tests"), keys=ledger.keys):
        move = Move(device_no="G1", new_device_no="L1", reason="x")
        swapped = carry_out(ledger.connection, "swap", [move], apply=True)
    assert [error.column for error in swapped.errors] == ["new_device_no"]


def test_hold_and_import_take_turns(ledger: Book, database_url: str) -> None:
    """Neither passes by the other, and neither waits for the other crosswise."""
    with ThreadPoolExecutor() as pool, psycopg.connect(database_url) as importing:
        importing.execute(TAKE_TURNS)
        placing = pool.submit(_hold, ledger.keys, database_url)
        assert _waits(ledger.connection)
        importing.execute("UPDATE devices SET name = 'n' WHERE device_no = '0001'")
        importing.commit()
        placing.result(LIMIT_SECONDS)
    assert ledger.ask("SELECT kind FROM device_holds") == [("evidence",)]


def _hold(keys: Keys, database_url: str) -> None:
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        acting(connection, Actor("li", "tests"), keys=keys),
    ):
        holds.place(connection, "0001", "evidence", reason="court")


def _waits(connection: Connection) -> bool:
    """Whether somebody waits for the table of holds, looked for until the limit."""
    deadline = time.monotonic() + LIMIT_SECONDS
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'device_holds'::regclass)"
    while time.monotonic() < deadline:
        if connection.execute(waiting).fetchone() == (True,):
            return True
        time.sleep(0.02)
    return False


def test_gate_whose_policy_is_to_warn_warns(ledger: Book) -> None:
    """The policy is a row of the ledger."""
    assert ledger.enter("registration_gates", "kind,policy\n追溯秤,提醒\n").applied
    report = ledger.enter("devices", f"{OLD_SCALE}N1,ACS-15,0001,2019-01-01\n")
    assert (report.applied, [warning.column for warning in report.warnings]) == (True, ["acquired_on"])


def test_retired_number_is_never_issued_again(ledger: Book) -> None:
    """An error of its row, which says when it was retired."""
    ledger.connection.execute("DELETE FROM devices WHERE device_no = '0002'")
    report = ledger.enter("devices", f"{NEW}0002,TH-1,0001\nN3,TH-1,0001\n")
    assert [(error.row, error.column) for error in report.errors] == [(2, "device_no")]
    assert "was retired (deleted on 20" in report.errors[0].problem
    assert "never issued again" in report.errors[0].problem


def test_what_may_stand_once_is_refused_the_second_time(ledger: Book) -> None:
    """Factory number within its vendor, MAC and IMEI; of the sheet and of the ledger; a swap is none."""
    sheet = "device_no,model_no,site_no,factory_no,mac,imei\n"
    first = "A4CF12003B07", "490154203237518"
    assert ledger.enter("devices", f"{sheet}N1,TH-1,0001,F1,{first[0]},{first[1]}\n").applied
    assert ledger.enter("devices", f"{sheet}N2,TH-1,0001,F2,A4CF12003B08,356938035643809\n").applied
    report = ledger.enter(
        "devices", f"{sheet}N3,TH-1,0001,F1,{first[0]},{first[1]}\nN4,GW-1,0001,F9,,\nN5,TH-1,0001,F9,,\n"
    )
    assert [(error.row, error.column, error.problem) for error in report.errors] == [
        (2, "factory_no", "is that of device N1 already"),
        (2, "mac", "is that of device N1 already"),
        (2, "imei", "is that of device N1 already"),
        (4, "factory_no", "stands in row 3 already"),
    ]
    assert first[1] not in str(report)
    assert ledger.enter("devices", "device_no,mac\nN1,A4CF12003B08\nN2,A4CF12003B07\n").applied


def test_merchant_of_another_site_and_codes_of_another_form_are_warnings(ledger: Book) -> None:
    """They stop nothing while no profile is verified; of a verified one they do."""
    odd = f"{SITES}0002,二号市场,Market 2,菜市场,410100\n"
    report = ledger.enter("sites", odd)
    assert (report.applied, [(w.column, w.remedy) for w in report.warnings]) == (
        True,
        [("site_no", "compare it with [0-9]{9}")],
    )
    moved = ledger.enter("devices", "device_no,site_no\n0001,0002\n")
    assert (moved.applied, [w.column for w in moved.warnings]) == (True, ["merchant_code"])
    assert ledger.enter("code_profiles", "region_code,subject,version,verified\n41,site,1,是\n").applied
    assert [error.column for error in ledger.enter("sites", odd.replace("0002", "0003")).errors] == ["site_no"]


def test_region_that_was_given_up_names_its_successor(ledger: Book) -> None:
    """410728 became 410783; a site that has the old code from before is only told."""
    regions = (
        "region_code,name_zh,name_en,parent_code,valid_from,valid_to\n410728,长垣县,Changyuan,410100,,2019-08-16\n"
        "410783,长垣市,Changyuan,410100,2019-08-16,\n410199,别处,Elsewhere,410100,2019-08-16,\n"
    )
    assert ledger.enter("regions", regions).applied
    refused = ledger.enter("sites", f"{SITES}410728001,市场,Market,菜市场,410728\n")
    assert [(e.column, e.problem, e.remedy) for e in refused.errors] == [
        ("region_code", "is no longer valid since 2019-08-16", "write 410783 (长垣市)")
    ]
    ledger.connection.execute("UPDATE sites SET region_code = '410728'")
    told = ledger.enter("sites", "site_no,region_code,address\n0001,410728,人民路\n")
    assert (told.applied, [warning.column for warning in told.warnings]) == (True, ["region_code"])


def test_number_of_another_region_is_a_warning_while_its_code_is_valid(ledger: Book) -> None:
    """A number keeps the code of the day on which it was given."""
    regions = "region_code,name_zh,name_en,valid_to\n410300,洛阳市,Luoyang,\n410728,长垣县,Changyuan,2019-08-16\n"
    assert ledger.enter("regions", regions).applied
    report = ledger.enter("devices", f"{NEW}TD-410300-TH-000001-1,TH-1,0001\nTD-410728-TH-000001-1,TH-1,0001\n")
    assert (report.applied, [(w.row, w.column) for w in report.warnings]) == (True, [(2, "device_no")])


@pytest.mark.parametrize(
    ("noun", "text", "expected"),
    [
        ("closures", "site_no,begins_on,ends_on,kind,reason\n0001,2026-02-02,2026-02-01,holiday,x\n", "ends_on"),
        ("parties", "party_no,name,kind,site_no\nP,x,operator,0001\n", "site_no"),
        ("devices", "device_no,min_g,max_g\n0001,200,100\n", "min_g"),
        ("devices", "device_no,verified_on,verified_until\n0001,2026-02-02,2026-02-01\n", "verified_until"),
        ("code_profiles", "region_code,subject,pattern,source,valid_from\n41,site,(a+)+,x,2020-01-01\n", "pattern"),
    ],
)
def test_entries_that_contradict_themselves_are_refused(ledger: Book, noun: Noun, text: str, expected: str) -> None:
    """Whatever each cell says for itself."""
    assert [error.column for error in ledger.enter(noun, text).errors] == [expected]


def test_weights_and_years_are_read_in_the_unit_of_their_header(ledger: Book) -> None:
    """Kilograms to grams, years to months, fen to yuan."""
    sheet = "device_no,最大秤量（kg）,检定分度值(g),折旧年限(年),原值(分)\n0001,15,5,6,268050\n"
    report = ledger.enter("devices", sheet)
    assert {field.column: field.after for field in report.changed[0].fields} == {
        "max_g": 15_000,
        "interval_g": 5,
        "depreciation_months": 72,
        "original_value_yuan": pytest.approx(2680.50),
    }


def test_large_change_is_sealed_at_once_when_the_queue_was_last_seen_empty(book: Book) -> None:
    """The server's statistics of the queue are those of its emptiness, and its plan must not rest on them."""
    rows = "".join(f"410100001{number:05},{{name}}\n" for number in range(30_000))
    assert book.enter("merchants", "merchant_code,name\n" + rows.replace("{name}", "a")).applied
    book.connection.execute("ANALYZE audit_unsealed")
    book.connection.execute("SET statement_timeout = '10s'")
    assert book.enter("merchants", "merchant_code,name\n" + rows.replace("{name}", "b")).applied
    assert book.ask("SELECT count(*) FROM audit_unsealed") == [(0,)]
