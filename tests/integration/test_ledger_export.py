"""What is exported comes back without a change, and is what people and spreadsheet programs expect."""

import io
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import openpyxl
import psycopg
import pytest
from openpyxl.utils import get_column_letter

from fleet.keys import Keys
from fleet.ledger.choosing import Chosen, choose
from fleet.ledger.export import FileFormat, export
from fleet.ledger.imports import import_sheet
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun
from fleet.ledger.sheet import read_sheet
from fleet.ledger.workbook import Language
from tests.integration.full_ledger import fill

FORMS: Final[tuple[FileFormat, ...]] = ("csv", "xlsx")
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def keys(connection: Connection, tmp_path: Path) -> Keys:
    """The keys of a ledger with something in every column."""
    return fill(connection, tmp_path)


def _exported(
    connection: Connection, noun: Noun, form: FileFormat, language: Language = "en", keys: list[str] | None = None
) -> bytes:
    file = io.BytesIO()
    count = export(connection, noun, file, form=form, language=language, keys=keys)
    assert len(read_sheet(file.getvalue()).rows) == count
    return file.getvalue()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("form", FORMS)
def test_import_changes_nothing_when_it_gets_what_was_exported(
    connection: Connection, keys: Keys, form: FileFormat, language: Language
) -> None:
    """Of every noun: no error, nothing new, nothing changed, in both languages and both formats."""
    for noun in LEDGERS:
        content = _exported(connection, noun, form, language)
        report = import_sheet(connection, noun, content, apply=False, keys=keys)
        assert (noun, report.errors, report.created, report.changed) == (noun, (), (), ())
        assert report.unchanged == report.rows > 0


def test_personal_data_leaves_masked_and_comes_back_as_unchanged(connection: Connection, keys: Keys) -> None:
    """In both formats; what is sealed is not even read."""
    for form in FORMS:
        content = _exported(connection, "merchants", form)
        row = dict(zip(read_sheet(content).header.cells, read_sheet(content).rows[0].cells, strict=False))
        assert (row["phone"], row["identity_no"]) == ("138****8000", "1101**********002X")
        assert import_sheet(connection, "merchants", content, apply=False, keys=keys).unchanged == 2


@pytest.mark.usefixtures("keys")
def test_csv_is_what_spreadsheet_programs_open(connection: Connection) -> None:
    """A byte-order mark, CRLF, and an apostrophe before what would run; numbers that are negative stay as they are."""
    lines = _exported(connection, "sites", "csv", "zh").decode("utf-8").split("\r\n")
    assert lines[0].startswith("\ufeff节点编号,中文名称,英文名称,节点类型,行政区划代码")
    assert lines[1].startswith("000123,金水市场,Jinshui,菜市场,410105,文化路1号,34.7657,-113.66,")
    assert lines[2] == "000124,'=北门市场,'-North,超市,410105,,-0.5,,,暂停,1-5 06:00-12:30; 6 22:00-02:00"


@pytest.mark.usefixtures("keys")
def test_workbook_has_texts_numbers_and_days_of_their_own_types(connection: Connection) -> None:
    """Codes are texts that keep their zeros, a formula is none, and people can filter at once."""
    book = openpyxl.load_workbook(io.BytesIO(_exported(connection, "devices", "xlsx")))
    sheet = book["devices"]
    header = [cell.value for cell in sheet[1]]
    row = dict(zip(header, sheet[2], strict=True))
    assert (row["device_no"].value, row["device_no"].data_type) == ("-0001", "s")
    assert (row["factory_no"].value, row["factory_no"].number_format) == ("000456", "@")
    assert (row["original_value_yuan"].value, row["max_g"].value) == (3600.5, 15000)
    assert (row["acquired_on"].value, row["acquired_on"].number_format) == (datetime(2018, 6, 1), "yyyy-mm-dd")  # noqa: DTZ001
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("B2", f"A1:{get_column_letter(len(header))}3")
    models = openpyxl.load_workbook(io.BytesIO(_exported(connection, "models", "xlsx")))["models"]
    assert (models["D2"].value, models["D2"].data_type) == ("'=15 kg", "s")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Chosen(), ["-0001", "GW-0001"]),
        (Chosen(kind="gateway"), ["GW-0001"]),
        (Chosen(site_no="000124"), []),
        (Chosen(state="in_service", region_code="4101"), ["-0001", "GW-0001"]),
        (Chosen(region_code="4102"), []),
        (Chosen(q="GW"), ["GW-0001"]),
    ],
)
@pytest.mark.usefixtures("keys")
def test_devices_are_those_that_were_chosen(connection: Connection, chosen: Chosen, expected: list[str]) -> None:
    """By site, kind, state, region and the beginning of the number; in the order of their numbers."""
    content = _exported(connection, "devices", "xlsx", keys=choose(connection, chosen))
    assert [row.cells[0] for row in read_sheet(content).rows] == expected


def test_entries_are_fetched_a_few_at_a_time(connection: Connection) -> None:
    """More than are fetched at once, in order, none twice."""
    connection.execute(
        "INSERT INTO merchants (merchant_code, name)"
        " SELECT lpad(n::text, 6, '0'), 'm' FROM generate_series(1, 5000) AS n"
    )
    rows = read_sheet(_exported(connection, "merchants", "csv")).rows
    assert [row.cells[0] for row in rows] == [f"{number:06}" for number in range(1, 5001)]


def test_export_of_nothing_is_a_header(connection: Connection) -> None:
    """Which an import takes as no rows."""
    for form in FORMS:
        assert read_sheet(_exported(connection, "parties", form)).rows == ()
