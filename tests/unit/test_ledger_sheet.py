"""Bytes to header and rows: encodings, quoting, and what is no sheet at all."""

import pytest

from fleet.errors import SheetError
from fleet.ledger.sheet import read_sheet

TEXT = "商户编码,商户名称\nM001,张记鲜肉\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_sheet_is_read_in_every_encoding_people_save(encoding: str) -> None:
    """The same text comes out of each."""
    sheet = read_sheet(TEXT.encode(encoding))
    assert sheet.header.cells == ("商户编码", "商户名称")
    assert [row.cells for row in sheet.rows] == [("M001", "张记鲜肉")]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_sheet_is_read_with_any_line_end(line_end: str) -> None:
    """Those of Unix, Windows and the old Macintosh."""
    sheet = read_sheet(line_end.join(["merchant_code,name", "M1,a", "M2,b"]).encode())
    assert [row.cells for row in sheet.rows] == [("M1", "a"), ("M2", "b")]


def test_rows_keep_the_number_a_spreadsheet_shows_when_some_are_empty() -> None:
    """Empty rows are left out, and counted; a line break inside quotes makes no row."""
    sheet = read_sheet(b'merchant_code,name\n\n,,\nM1,"two\nlines"\nM2,b\n')
    assert [row.number for row in sheet.rows] == [4, 5]


def test_cells_stay_text_when_they_look_like_numbers() -> None:
    """Leading zeros and 18 digits survive."""
    sheet = read_sheet(b"merchant_code,name\n000123,410101199001011234\n")
    assert sheet.rows[0].cells == ("000123", "410101199001011234")


def test_cells_lose_their_outer_blanks_when_read() -> None:
    """Spaces, the full-width and the no-break one; inner ones stay."""
    sheet = read_sheet("merchant_code,name\n M1 \t,\u3000a b\u00a0\n".encode())
    assert sheet.rows[0].cells == ("M1", "a b")


def test_quotes_commas_and_line_breaks_stay_when_quoted() -> None:
    """What the format allows inside quotation marks."""
    sheet = read_sheet(b'merchant_code,name\nM1,"a ""b"", c"\n')
    assert sheet.rows[0].cells == ("M1", 'a "b", c')


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\n\n,,,\n", "the file is empty"),
        (b"PK\x03\x04rest", "the workbook is damaged"),
        ("a,b".encode("utf-16"), "UTF-16"),
        (b"merchant_code,name\nM1,\xff\xff\n", "line 2 is neither UTF-8 nor GB18030"),
        (b'merchant_code,name\nM1,"open\nM2,b\n', r"row 2 .* is no CSV: unexpected end"),
        (b'merchant_code,name\nM1,"a"b\n', r"row 2 .* is no CSV"),
        (b"merchant_code;name\nM1;a\n", "separated by semicolons"),
        (b"merchant_code\tname\nM1\ta\n", "separated by tabs"),
        (b"merchant_code,name\nM1," + b"x" * 20_000, "a cell of 20000 characters"),
        (b"merchant_code,name\nM1," + b"x" * 200_000, "is no CSV: field larger"),
    ],
)
def test_file_is_refused_when_it_is_no_sheet(content: bytes, sentence: str) -> None:
    """Each with what it is and what to do."""
    with pytest.raises(SheetError, match=sentence):
        read_sheet(content)
