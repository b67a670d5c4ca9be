"""Cells to values, and what their complaints say."""

from datetime import date

import pytest

from fleet.ledger import cells
from fleet.ledger.cells import CellError
from fleet.ledger.nearest import Nearest
from fleet.ledger.nouns import LEDGERS

STATE = LEDGERS["devices"].column("state").read
DEVICE_NO = LEDGERS["devices"].column("device_no").read
REGION = LEDGERS["regions"].column("region_code").read


@pytest.mark.parametrize("cell", ["SC-0001", "-dash", "_", "0" * 64, '="00123"'])
def test_device_number_is_taken_when_a_topic_can_hold_it(cell: str) -> None:
    """Letters, digits, dash and underscore; also as a spreadsheet protects zeros."""
    assert DEVICE_NO(cell) == cell.removeprefix('="').removesuffix('"')


@pytest.mark.parametrize("cell", ["0" * 65, "a/b", "a#", "a b", "设备1", "ＳＣ１", "a\x00", "$SYS", "a.b", "=1+1"])
def test_device_number_is_refused_when_a_topic_cannot_hold_it(cell: str) -> None:
    """Too long, a separator, a wildcard, blanks, other scripts, full-width digits."""
    with pytest.raises(CellError):
        DEVICE_NO(cell)


def test_code_says_so_when_the_spreadsheet_has_rounded_it() -> None:
    """4.101E+17 was a number of 18 digits once."""
    with pytest.raises(CellError) as caught:
        REGION("4.10101E+17")
    assert caught.value.remedy == "format the column as text and type the number again"


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("=SUM(A1:A9)", "is a formula"),
        ("#REF!", "is an error value of the spreadsheet"),
        ("a\x00b", "holds a control character (line break, tab or NUL)"),
        ("two\nlines", "holds a control character (line break, tab or NUL)"),
        ("x" * 129, "has 129 characters"),
        ("########", "is what a spreadsheet shows in a narrow column"),
        ("1.23457E+17", "is a number that the spreadsheet has rounded"),
        ("张\ufffd", "holds a �: a character was lost when the file was converted"),
        ("a\u200bb", "holds an invisible character (U+200B, the 2nd)"),
        ("a\u00a0b", "holds an invisible character (U+00A0, the 2nd)"),
        ("\u202eabc", "holds an invisible character (U+202E, the 1st)"),
    ],
)
def test_text_is_refused_when_it_is_what_a_spreadsheet_left(cell: str, problem: str) -> None:
    """Formulas, error values, control characters, novels."""
    with pytest.raises(CellError) as caught:
        cells.text(cell)
    assert caught.value.problem == problem


@pytest.mark.parametrize("cell", ["+86 wholesale", "-1 号楼", "@home", "张三", "𠮷野家", "x" * 128])
def test_text_stays_as_written_when_it_only_looks_dangerous(cell: str) -> None:
    """Names may begin with a sign; making them harmless is the exporter's business."""
    assert cells.text(cell) == cell


@pytest.mark.parametrize("cell", ["张　三", "1E5", "1.5E-3", "#1 scale", "E+", "𠮷\ue000"])
def test_text_stays_as_written_when_it_only_looks_spoilt(cell: str) -> None:
    """A blank as wide as a character, codes with an E, a number sign, characters of a font of one's own."""
    assert cells.text(cell) == cell


@pytest.mark.parametrize(("cell", "text"), [("'=a", "=a"), ("''=a", "'=a"), ("'＋1", "＋1"), ("'tis", "'tis")])
def test_apostrophe_of_an_export_is_taken_off(cell: str, text: str) -> None:
    """One, and only where an export would have put it."""
    assert cells.text(cell) == text


@pytest.mark.parametrize(
    ("cell", "problem", "remedy"),
    [
        ("４１０１００", "has full-width characters", "write 410100"),
        ("'410100", "begins with an apostrophe", "delete it: in this file it is part of the value"),
        ("41010", "is not a valid code", "write the 6 digits of GB/T 2260, such as 410100"),
    ],
)
def test_code_says_what_is_wrong_with_it(cell: str, problem: str, remedy: str) -> None:
    """A code identifies, so it is never mended by guessing."""
    with pytest.raises(CellError) as caught:
        REGION(cell)
    assert (caught.value.problem, caught.value.remedy) == (problem, remedy)


@pytest.mark.parametrize(
    ("cell", "state"), [("in_service", "in_service"), ("In_Service", "in_service"), ("停用", "suspended")]
)
def test_state_is_read_when_written_in_either_language(cell: str, state: str) -> None:
    """English whatever the case, and Chinese."""
    assert STATE(cell) == state


def test_state_proposes_the_nearest_when_unknown() -> None:
    """One letter off."""
    with pytest.raises(CellError) as caught:
        STATE("in_servise")
    assert caught.value.remedy == "did you mean in_service?"


@pytest.mark.parametrize(
    "cell",
    [
        "2019-08-16",
        "2019/8/16",
        "2019.08.16",
        "2019年8月16日",
        "２０１９-08-16",
        "2019/8/16 0:00",
        "2019-08-16T00:00:00.000",
    ],
)
def test_day_is_read_when_written_as_people_do(cell: str) -> None:
    """Year first, whatever stands between."""
    assert cells.day(cell) == date(2019, 8, 16)


@pytest.mark.parametrize("cell", ["2019-02-30", "16/8/2019", "43693", "2019-8/16", "tomorrow", "0000-01-01"])
def test_day_is_refused_when_it_is_none(cell: str) -> None:
    """No such day, another order, a spreadsheet's day number."""
    with pytest.raises(CellError):
        cells.day(cell)


@pytest.mark.parametrize(
    ("cell", "problem", "remedy"),
    [
        ("43693", "is a number, not a day", "format the column as date, or write 2019-08-16"),
        ("20190816", "is a number, not a day", "write 2019-08-16"),
        ("2019-08-16 10:30", "has a time of day", "write the day alone: 2019-08-16"),
        ("20191316", "is not a day of the calendar", "write it as year-month-day: 2026-11-23"),
    ],
)
def test_day_says_what_was_probably_meant(cell: str, problem: str, remedy: str) -> None:
    """A spreadsheet's day number, digits without dashes, a moment."""
    with pytest.raises(CellError) as caught:
        cells.day(cell)
    assert (caught.value.problem, caught.value.remedy) == (problem, remedy)


def test_nearest_finds_an_error_at_either_end() -> None:
    """Among many alike, both directions are looked at; nothing near is nothing."""
    nearest = Nearest(f"SITE-{number:05}" for number in range(50_000))
    assert nearest.to("SITE-0421").__class__ is str
    assert nearest.to("zITE-04217") == "SITE-04217"
    assert nearest.to("SITE-04217x") == "SITE-04217"
    assert nearest.to("郑州") is None
