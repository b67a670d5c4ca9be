"""Sheets into a real ledger."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from fleet.ledger.imports import import_sheet
from fleet.ledger.report import Noun, Report

Connection = psycopg.Connection[tuple[object, ...]]

SHEETS: dict[Noun, str] = {
    "regions": "region_code,name_zh,name_en,parent_code\n410000,河南省,Henan,\n410100,郑州市,Zhengzhou,410000\n",
    "sites": "site_no,name_zh,name_en,kind,region_code\n0001,一号市场,Market 1,菜市场,410100\n",
    "merchants": "merchant_code,name\n000000000000000012,张记鲜肉\n",
    "models": "model_no,kind,vendor\nACS-15,trace_scale,V\nTH-1,温湿度记录仪,V\n",
    "devices": (
        "device_no,model_no,site_no,stall_no,merchant_code,state\n"
        "0001,ACS-15,0001,A-01,000000000000000012,\n0002,TH-1,0001,,,停用\n"
    ),
}
DEVICES = """
SELECT device_no, model_no, site_no, stall_no, merchant_code, state
FROM devices JOIN models USING (model_id) JOIN sites USING (site_id) LEFT JOIN merchants USING (merchant_id)
ORDER BY device_no"""
SITES = "site_no,name_zh,name_en,kind,region_code\n"
NEW = "device_no,model_no,site_no\n"


def _import(connection: Connection, noun: Noun, text: str, *, apply: bool = True) -> Report:
    return import_sheet(connection, noun, text.encode(), apply=apply)


def _all(connection: Connection, noun: Noun) -> list[tuple[object, ...]]:
    """The rows of a noun with the transaction that wrote each."""
    query = sql.SQL("SELECT xmin::text, entry::text FROM {} AS entry ORDER BY entry").format(sql.Identifier(noun))
    return connection.execute(query).fetchall()


@pytest.fixture
def ledger(connection: Connection) -> Connection:
    """A connection to a ledger that holds SHEETS."""
    for noun, text in SHEETS.items():
        assert _import(connection, noun, text).errors == ()
    return connection


def test_import_fills_the_ledger_when_applied_in_order(ledger: Connection) -> None:
    """Numbers stay text, Chinese words become ours, empty cells get their defaults."""
    assert ledger.execute(DEVICES).fetchall() == [
        ("0001", "ACS-15", "0001", "A-01", "000000000000000012", "in_service"),
        ("0002", "TH-1", "0001", None, None, "suspended"),
    ]
    assert ledger.execute("SELECT kind FROM sites").fetchall() == [("wet_market",)]
    assert ledger.execute("SELECT DISTINCT valid_from::text, valid_to FROM regions").fetchall() == [
        ("1980-01-01", None)
    ]


@pytest.mark.parametrize("noun", list(SHEETS))
def test_import_changes_nothing_when_applied_again(ledger: Connection, noun: Noun) -> None:
    """No row is written, so not even updated_at moves."""
    before = _all(ledger, noun)
    report = _import(ledger, noun, SHEETS[noun])
    assert (report.created, report.changed, report.unchanged) == ((), (), len(before))
    assert _all(ledger, noun) == before


@pytest.mark.parametrize("noun", list(SHEETS))
def test_import_writes_nothing_when_it_is_a_dry_run(connection: Connection, noun: Noun) -> None:
    """The report is the one that applying gives, but for its last word."""
    for before, text in SHEETS.items():
        if before == noun:
            break
        _import(connection, before, text)
    dry = _import(connection, noun, SHEETS[noun], apply=False)
    assert _all(connection, noun) == []
    applied = _import(connection, noun, SHEETS[noun])
    assert (dry.applied, applied.applied) == (False, True)
    assert replace(dry, applied=True) == applied


def test_import_writes_nothing_when_one_row_of_many_is_wrong(ledger: Connection) -> None:
    """All or nothing, and the report still says what the good rows would do."""
    before = ledger.execute(DEVICES).fetchall()
    rows = "".join(f"N{number},ACS-15,0001\n" for number in range(100))
    report = _import(ledger, "devices", f"device_no,model_no,site_no\n{rows}N100,ACS-15,0009\n")
    assert (len(report.created), len(report.errors), report.applied) == (100, 1, False)
    assert ledger.execute(DEVICES).fetchall() == before


def test_import_changes_only_the_cells_that_are_filled(ledger: Connection) -> None:
    """The others keep what they have; the report tells each field before and after."""
    report = _import(ledger, "devices", "设备编号,摊位号,状态\n0001,,faulty\n0002,B-02,\n")
    assert [(change.key, change.fields[0].before, change.fields[0].after) for change in report.changed] == [
        ("0001", "in_service", "faulty"),
        ("0002", None, "B-02"),
    ]
    assert ledger.execute(DEVICES).fetchall() == [
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
        ("devices", f"{NEW}D1,ACS-15,1\n", ("site_no", "import the sites first, or correct the cell")),
    ],
)
def test_import_explains_what_is_wrong(ledger: Connection, noun: Noun, text: str, expected: tuple[str, str]) -> None:
    """The column and the remedy, from what the ledger holds."""
    report = _import(ledger, noun, text)
    assert (report.errors[0].column, report.errors[0].remedy) == expected


def test_import_stays_in_the_transaction_of_the_caller(ledger: Connection) -> None:
    """A rollback of the caller's takes it along."""
    with ledger.transaction(force_rollback=True):
        assert _import(ledger, "merchants", "merchant_code,name\nM9,x\n").applied
    assert ledger.execute("SELECT count(*) FROM merchants WHERE merchant_code = 'M9'").fetchone() == (0,)


def test_import_takes_a_few_statements_when_the_sheet_is_large(ledger: Connection, database_url: str) -> None:
    """20,000 devices in one go; ingest is woken by one notification."""
    rows = "".join(f"D{number:06},ACS-15,0001,{number % 80}\n" for number in range(20_000))
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("LISTEN tracefleet_registry")
        report = _import(ledger, "devices", f"device_no,model_no,site_no,stall_no\n{rows}")
        told = [note.payload for note in listener.notifies(timeout=5, stop_after=1)]
        told += [note.payload for note in listener.notifies(timeout=0)]
    assert len(report.created) == 20_000
    assert ledger.execute("SELECT count(*) FROM devices").fetchone() == (20_002,)
    assert told == ["devices"]
