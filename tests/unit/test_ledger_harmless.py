"""The apostrophe before what a spreadsheet would run: there when it has to be, and gone again on the way back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.ledger.cells import CellError, text
from fleet.ledger.harmless import harmless, harmless_typed, unled
from fleet.ledger.sheet import read_sheet

TEXTS = st.text(alphabet="'=+-@＝＋－＠\t\r\n019.E,\"aé鲜 ", max_size=12)


@given(TEXTS)
def test_every_text_comes_back_as_it_was(value: str) -> None:
    """Also one that began with an apostrophe by itself."""
    assert unled(harmless(value)) == value
    assert unled(harmless_typed(value)) == value


@given(TEXTS)
def test_no_text_begins_as_a_formula(value: str) -> None:
    """But for negative numbers, whose value as a formula is the number."""
    led = harmless(value)
    assert led[:1] not in set("=+@\t\r\n＝＋－＠")
    assert not led.startswith("-") or float(led) < 1


@given(TEXTS)
def test_text_that_an_import_takes_is_the_same_after_a_round_through_csv(value: str) -> None:
    """What an import does not take is refused on the way back, and never becomes another text."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["name", "x"], [harmless(value), "x"]])
    cell = read_sheet(file.getvalue().encode("utf-8-sig")).rows[0].cells[0]
    try:
        taken = text(cell)
    except CellError:
        return
    assert taken == value.strip(" \t\u00a0\u3000") or value.strip() != value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+8613800138000", "'+8613800138000"),
        ("-5", "-5"),
        ("-5.25", "-5.25"),
        ("-5+3", "'-5+3"),
        ("-A1", "'-A1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1", "'＝1"),
        ("\t=1", "'\t=1"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_apostrophe_leads_what_would_run(value: str, expected: str) -> None:
    """And nothing else."""
    assert harmless(value) == expected
