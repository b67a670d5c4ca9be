"""Sheets against the ledger's columns, without a database."""

from collections.abc import Mapping
from datetime import date

import pytest

from fleet.ledger.drafts import draft_rows
from fleet.ledger.facts import Facts
from fleet.ledger.nouns import LEDGERS, Entry
from fleet.ledger.plan import plan
from fleet.ledger.report import Noun, Report, Value
from fleet.ledger.rows import Known, read_rows
from fleet.ledger.sheet import read_sheet

KNOWN: Known = {
    "regions": {"410100": "410100"},
    "sites": {"S1": "S1"},
    "models": {"ACS-15": "ACS-15"},
    "merchants": {"M1": "M1"},
    "kinds": {"trace_scale": "trace_scale", "追溯秤": "trace_scale", "kiosk": "kiosk"},
}
DEVICES = "device_no,model_no,site_no,stall_no,merchant_code,state\n"


def _report(noun: Noun, text: str, held: Mapping[tuple[Value, ...], Entry] | None = None) -> Report:
    sheet = read_sheet(text.encode())
    ledger = LEDGERS[noun]
    blank = {column.name: None for column in ledger.columns}
    whole = {key: blank | dict(entry) for key, entry in (held or {}).items()}
    reading = read_rows(sheet, ledger, KNOWN)
    drafts = draft_rows(ledger, reading, whole, bytes.decode)
    return plan(ledger, reading.errors, drafts, Facts(date(2026, 11, 25)), rows=len(sheet.rows)).report


def _errors(report: Report) -> list[tuple[int, str, str, str]]:
    return [(error.row, error.column, error.value, error.remedy) for error in report.errors]


@pytest.mark.parametrize(
    "header",
    [
        "device_no,model_no,site_no",
        "设备编号,型号,节点编号",
        " Device No ,MODEL-NO,site_no",
        "ｄｅｖｉｃｅ＿ｎｏ,型号,节点企业编号",
    ],
)
def test_header_is_known_in_either_language(header: str) -> None:
    """Whatever its case, width and gaps."""
    assert _report("devices", f"{header}\nD1,ACS-15,S1\n").created == ("D1",)


def test_unknown_header_proposes_the_nearest() -> None:
    """And its rows are still read, so their errors come in the same go."""
    report = _report("devices", "device_no,modle_no,site_no\nD/1,ACS-15,S1\n")
    assert [(error.row, error.value, error.remedy) for error in report.errors] == [
        (1, "modle_no", "did you mean model_no?"),
        (2, "D/1", "write 1 to 64 of A-Z, a-z, 0-9, - and _: it is part of an MQTT topic"),
    ]


def test_header_is_refused_when_the_key_is_missing_or_a_column_stands_twice() -> None:
    """No row can be told apart without the first, nor read with the second."""
    assert _errors(_report("devices", "型号\nACS-15\n")) == [
        (1, "device_no", "", "add the column device_no"),
        (1, "site_no", "", "add the column site_no"),
    ]
    twice = _report("devices", "device_no,model_no,型号,site_no\n")
    assert _errors(twice) == [(1, "model_no", "型号", "keep one of the two columns")]


def test_header_without_rows_changes_nothing() -> None:
    """It is a sheet, and a good one."""
    report = _report("devices", DEVICES)
    assert (report.rows, report.is_good) == (0, True)


def test_every_error_of_every_row_is_reported_at_once() -> None:
    """With row, column, value and remedy, in the order of the rows."""
    text = (
        DEVICES + "D1,ACS-16,S1,,,\n" + f"{'x' * 65},ACS-15,S2,,M1,in_servise\n" + "D2,ACS-15,,,,\n" + ",ACS-15,S1,,,\n"
    )
    code = "write 1 to 64 of A-Z, a-z, 0-9, - and _: it is part of an MQTT topic"
    assert _errors(_report("devices", text)) == [
        (2, "model_no", "ACS-16", "did you mean ACS-15?"),
        (3, "device_no", "x" * 65, code),
        (3, "site_no", "S2", "import the sites first, or correct the cell"),
        (3, "state", "in_servise", "did you mean in_service?"),
        (4, "site_no", "", "fill in site_no"),
        (5, "device_no", "", "fill in device_no"),
    ]


def test_row_with_a_bad_cell_is_told_what_else_it_lacks() -> None:
    """Also of a column the sheet has not; an entry that is there already lacks nothing."""
    text = "device_no,model_no\nD1,ACS-16\nD2,ACS-15\nD3,ACS-16\n"
    held = dict.fromkeys(("device_no", "model_no", "site_no", "stall_no", "merchant_code", "state"), "x")
    report = _report("devices", text, {("D3",): held})
    assert [(error.row, error.column) for error in report.errors] == [
        (2, "model_no"),
        (2, "site_no"),
        (3, "site_no"),
        (4, "model_no"),
    ]
    assert (report.created, report.changed, report.unchanged) == ((), (), 0)


def test_number_that_stands_twice_is_an_error_even_when_a_row_has_another() -> None:
    """It names the first row."""
    report = _report("devices", DEVICES + "D1,ACS-15,S1,,,\nD2,ACS-15,S1,,,\nD1,nothing,S1,,,\n")
    assert [(error.row, error.problem) for error in report.errors if error.column == "device_no"] == [
        (4, "stands in row 2 already")
    ]


def test_short_row_leaves_the_rest_empty_and_long_row_is_an_error() -> None:
    """Spreadsheets leave empty cells off a row's end; a cell too many is a comma nobody quoted."""
    report = _report("devices", DEVICES + "D1,ACS-15,S1\nD2,ACS-15,S1,,,,\nD3,ACS-15,S1,1,M1,停用,extra\n")
    assert report.created == ("D1", "D2")
    assert [(error.row, error.value, error.problem) for error in report.errors] == [
        (4, "extra", "has 7 cells where the header has 6")
    ]


def test_empty_cell_changes_nothing() -> None:
    """Only what is written is compared; the report tells before and after."""
    held: Entry = {
        "device_no": "D1",
        "model_no": "ACS-15",
        "site_no": "S1",
        "stall_no": "12",
        "merchant_code": None,
        "state": "faulty",
    }
    report = _report("devices", DEVICES + "D1,,,,M1,\n", {("D1",): held})
    assert [(field.column, field.before, field.after) for field in report.changed[0].fields] == [
        ("merchant_code", None, "M1")
    ]


def test_model_kind_is_known_by_its_chinese_name_and_wrong_ones_are_not() -> None:
    """Kinds are those the database knows."""
    report = _report("models", "model_no,kind,vendor\nA 1/型,追溯秤,V\nB,kiosc,V\n")
    assert report.created == ("A 1/型",)
    assert _errors(report) == [(3, "kind", "kiosc", "did you mean kiosk?")]


def test_region_may_refer_to_one_of_its_own_sheet_and_has_its_dates_checked() -> None:
    """The same code twice is two regions when their dates differ."""
    header = "region_code,name_zh,name_en,parent_code,valid_from,valid_to\n"
    rows = (
        "410700,新乡,Xinxiang,,,\n"
        "410728,长垣县,Changyuan,410700,,2019-08-16\n"
        "410783,长垣市,Changyuan,410700,2019-08-16,2019-08-16\n"
        "410728,长垣,Changyuan,510700,2020-01-01,\n"
    )
    report = _report("regions", header + rows)
    assert report.created == ("410700 1980-01-01", "410728 1980-01-01")
    assert _errors(report) == [
        (4, "valid_to", "2019-08-16", "write the first day on which the code is void"),
        (5, "parent_code", "510700", "did you mean 410700?"),
    ]
