"""Workbooks to tables: long ones, odd ones, and broken ones that must end in a sentence."""

import io
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.errors import SheetError
from fleet.ledger.csv_sheet import read_csv
from fleet.ledger.sheet import read_sheet
from fleet.ledger.xlsx_scan import MAX_ROW_BYTES, Scan, count_texts, scan
from tests.integration.nasty_sheets.case import HEADER_XML, SHEET_PART, archive, inline, parts_of, with_rows

BROKEN: Final = [
    '"',
    "<",
    ">",
    "/",
    "&",
    "0",
    "-1",
    "1e400",
    "nan",
    "]]>",
    "<!--",
    "<f>",
    "<c>",
    "XFD1048576",
    't="s"',
    "",
    "row>",
]


def _workbook(rows: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_workbook_and_csv_of_one_sheet_are_the_same_table() -> None:
    """To the row number and the outer blank."""
    rows: list[list[object]] = [["a", "b"], [], [" 001\u3000", "x,y"], ["", "鲜肉"], [None, None], ["z"]]
    as_csv = b'a,b\n\n 001\xe3\x80\x80,"x,y"\n,\xe9\xb2\x9c\xe8\x82\x89\n,\nz\n'
    assert read_sheet(_workbook(rows)) == read_csv(as_csv)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (2.0, "2"),
        (1.5, "1.5"),
        (-0.0, "0"),
        (22.3, "22.3"),
        (1e-7, "0.0000001"),
        (999999999999999, "999999999999999"),
        (123456789012345678, "1.23457E+17"),
        (-1e15, "-1E+15"),
        (True, "true"),
        (False, "false"),
        (date(2018, 8, 27), "2018-08-27"),
        (datetime(2018, 8, 27), "2018-08-27"),  # noqa: DTZ001 - workbooks know no zones
        (datetime(2018, 8, 27, 10, 30), "2018-08-27 10:30:00"),  # noqa: DTZ001 - workbooks know no zones
        (time(6, 30), "06:30"),
        (time(6, 30, 5), "06:30:05"),
        (timedelta(hours=30), "30:00"),
        ("007", "007"),
    ],
)
def test_cell_is_the_text_that_a_person_would_type(value: object, text: str) -> None:
    """Exact, or visibly not."""
    assert read_sheet(_workbook([["h"], [value]])).rows[0].cells == (text,)


def test_formulas_and_errors_are_found_wherever_they_stand_in_a_long_sheet() -> None:
    """The XML is looked at in pieces, and none is lost where two of them meet."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for row in range(30_000):
            sheet.write_string(row, 0, f"row {row} {'x' * (row % 97)}")
            if row % 7 == 1:
                sheet.write_formula(row, 1, f"=A{row}&1", None, "1")
            else:
                sheet.write_string(row, 1, "plain")
    assert len(parts_of(file.getvalue())[SHEET_PART]) > 3 * 1024 * 1024
    rows = read_sheet(file.getvalue()).rows
    assert [row.number for row in rows] == list(range(2, 30_001))
    assert {row.number: row.cells[1] for row in rows if row.cells[1] != "plain"} == {
        row + 1: f"=A{row}&1" for row in range(1, 30_000) if row % 7 == 1
    }


def test_attributes_of_cells_may_stand_in_any_order() -> None:
    """As other programs write them."""
    xml = HEADER_XML.replace("<c r=", "<x:c \n s='0'  r = ").replace("</c>", "</x:c>")
    content = with_rows(f'{xml}<row r="2"><c t="str" r="A2"><v>N1</v></c>{inline("B2", "a")}</row>')()
    parts = parts_of(content)
    sheet = parts[SHEET_PART].replace(
        b"<worksheet ", b'<worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    )
    assert read_sheet(archive(parts | {SHEET_PART: sheet})).rows[0].cells == ("N1", "a")


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="A2" r="XFD1048576"><v>1</v></c>',
        '<c\x0br="XFD1048576"><v>1</v></c>',
        '<c a="row>" r="XFD1048576"><v>1</v></c>',
        '<c r="A&#50;"><v>1</v></c>',
        '<c r="A0"><v>1</v></c>',
        '<c r="a2"><v>1</v></c>',
        "<c><v>1</v></c>",
    ],
)
def test_cell_whose_place_could_be_read_in_two_ways_is_refused(cell: str) -> None:
    """What we see and the reader does not, or the other way round, decides about memory."""
    with pytest.raises(SheetError, match=r"do not say where they stand|16384 columns"):
        read_sheet(with_rows(f'{HEADER_XML}<row r="2">{cell}</row>')())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_broken_workbook_is_a_table_or_a_sentence(data: st.DataObject) -> None:
    """Whatever a bad disk, or a bad person, does to its parts: never another error, never the end of the process."""
    parts = parts_of(_workbook([["merchant_code", "name"], ["N1", 1.5], ["=A1", True]]))
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(parts)))
        begin = data.draw(st.integers(0, len(parts[name])))
        end = begin + data.draw(st.integers(0, 12))
        parts[name] = parts[name][:begin] + data.draw(st.sampled_from(BROKEN)).encode() + parts[name][end:]
    with suppress(SheetError):
        read_sheet(archive(parts))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_sentence(content: bytes) -> None:
    """And so are those that begin like an archive."""
    for each in (content, b"PK\x03\x04" + content):
        with suppress(SheetError):
            read_sheet(each)


def test_parts_that_are_of_no_use_are_not_unpacked() -> None:
    """A picture that is no longer whole costs nobody the sheet."""
    file = io.BytesIO(_workbook([["h"], ["x"]]))
    with ZipFile(file, "a", ZIP_DEFLATED) as zipped:
        zipped.writestr("xl/media/image1.png", bytes(range(256)) * 64)
    content = bytearray(file.getvalue())
    start = content.rindex(b"xl/media/image1.png", 0, content.rindex(b"xl/media/image1.png")) + 60
    content[start : start + 20] = bytes(20)
    assert read_sheet(bytes(content)).rows[0].cells == ("x",)


def test_much_else_below_the_rows_costs_nobody_the_sheet() -> None:
    """Ten megabytes of conditions, as bloated workbooks have them."""
    parts = parts_of(_workbook([["h"], ["x"]]))
    conditions = b"".join(
        b'<conditionalFormatting sqref="A%d"><cfRule type="expression" priority="1"><formula>TRUE</formula></cfRule>'
        b"</conditionalFormatting>" % number
        for number in range(1, 90_000)
    )
    sheet = parts[SHEET_PART].replace(b"</sheetData>", b"</sheetData>" + conditions)
    assert len(sheet) > MAX_ROW_BYTES
    assert read_sheet(archive(parts | {SHEET_PART: sheet}, method=ZIP_STORED)).rows[0].cells == ("x",)


@pytest.mark.parametrize(
    ("piece", "times", "sentence"),
    [
        (b'<row r="1"><c r="A1" t="str"><v>' + b"x" * 2**20, 9, "a row of the sheet “s” takes 8 MiB"),
        (b'<row r="2">' + b'<c r="A2"/>' * 100_000 + b"</row>", 121, "12000000 cells are accepted"),
        (b'<row r="2">' + b'<c r="A2"><f>1</f></c>' * 10_000 + b"</row>", 11, "more than 100000 formulas"),
    ],
)
def test_sheet_is_refused_when_reading_it_would_take_too_much(piece: bytes, times: int, sentence: str) -> None:
    """A row without an end, more cells than places, more formulas than people make."""
    with pytest.raises(SheetError, match=sentence):
        list(scan("s", [piece] * times, Scan(), {}))


def test_texts_are_counted() -> None:
    """Each costs memory whether a cell has it or not."""
    piece = b"<si/><x:si><x:t>a</x:t></x:si>" * 10_000
    with pytest.raises(SheetError, match="more than 5000000 different texts"):
        list(count_texts([piece] * 251))
    assert len(list(count_texts([piece] * 249))) == 249
