"""Templates: what people see in them, and that they come in as nothing until somebody fills them in."""

import io

import openpyxl
import pytest

from fleet.ledger.explanations import EXPLAINED, explained, form_of
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun
from fleet.ledger.sheet import read_sheet
from fleet.ledger.template import template
from fleet.ledger.workbook import Language, header_of


@pytest.mark.parametrize("noun", LEDGERS)
def test_every_column_is_explained_by_an_example_that_is_taken(noun: Noun) -> None:
    """In both languages; an example that an import refuses would teach the wrong thing."""
    for column in LEDGERS[noun].columns:
        meant = explained(LEDGERS[noun], column)
        column.read(meant.example)
        assert all((meant.chinese, meant.english, *form_of(column)))


def test_no_explanation_is_left_over() -> None:
    """Each is of a column that there is."""
    names = {
        name
        for ledger in LEDGERS.values()
        for column in ledger.columns
        for name in (column.name, f"{ledger.noun}.{column.name}")
    }
    assert set(EXPLAINED) <= names


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("noun", LEDGERS)
def test_untouched_template_has_headers_and_no_rows(noun: Noun, language: Language) -> None:
    """The examples stand on the other sheet, which no import reads."""
    sheet = read_sheet(template(noun, language))
    assert sheet.header.cells == tuple(header_of(column, language) for column in LEDGERS[noun].columns)
    assert sheet.rows == ()


def test_template_offers_words_and_keeps_zeros_and_days() -> None:
    """Lists in the language of the headers, text for codes, days for days, and a sheet of explanations."""
    book = openpyxl.load_workbook(io.BytesIO(template("devices", "zh")))
    assert book.sheetnames == ["devices", "栏目说明"]
    sheet = book["devices"]
    places = {str(cell.value): place for place, cell in enumerate(sheet[1], 1)}
    lists = {
        cells.min_col: each.formula1
        for each in sheet.data_validations.dataValidation
        for cells in each.sqref.ranges
        if each.type == "list"
    }
    assert lists[places["是否公平秤"]] == '"是,否"'
    assert lists[places["状态"]].startswith('"草稿,在库,在用,')
    # Neighbours of one width and format are written as one.
    formats = {
        place: str(group.number_format)
        for group in sheet.column_dimensions.values()
        for place in range(group.min or 0, (group.max or 0) + 1)
    }
    names = ("设备编号", "出厂编号", "取得日期", "最大秤量(g)")
    assert [formats[places[name]] for name in names] == ["@", "@", "yyyy-mm-dd", "General"]
    rows = [[cell.value for cell in row] for row in book["栏目说明"].iter_rows()]
    assert rows[0][:3] == ["栏目", "column", "必填 required"]
    assert rows[1][:3] == ["设备编号", "device_no", "必填 yes"]
    assert len(rows) == len(LEDGERS["devices"].columns) + 1
