"""An empty workbook for a noun's entries: its headers, words to choose from, and a sheet that explains each column."""

import io
from typing import Any, Final

from fleet.ledger.columns import Column, Ledger
from fleet.ledger.explanations import explained, form_of
from fleet.ledger.export import YES_NO
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun
from fleet.ledger.table import MAX_ROWS
from fleet.ledger.workbook import Book, Language
from fleet.ledger.xlsx_sheet import EXPLANATIONS

_TITLES: Final = (
    ("栏目", 20),
    ("column", 22),
    ("必填 required", 14),
    ("含义", 32),
    ("meaning", 40),
    ("填写格式", 36),
    ("what to write", 44),
    ("示例 example", 36),
)
# Of what a spreadsheet program shows beside a cell.
_MESSAGE_CHARACTERS: Final = 255
_LIST_CHARACTERS: Final = 255


def template(noun: Noun, language: Language) -> bytes:
    """A workbook to fill in. As it is, an import says that it has no rows: the examples are on the other sheet."""
    ledger = LEDGERS[noun]
    file = io.BytesIO()
    with Book(file, streamed=False) as book:
        needed = [column for column in ledger.columns if column.needed]
        sheet = book.sheet_of(ledger, language, marked=needed)
        for place, column in enumerate(ledger.columns):
            sheet.data_validation(1, place, MAX_ROWS, place, _guidance(ledger, column, language))
        _explain(book, EXPLANATIONS[language], ledger)
    return file.getvalue()


def _guidance(ledger: Ledger, column: Column, language: Language) -> dict[str, Any]:
    """What the program shows beside a cell, and the words it offers."""
    meant, form = explained(ledger, column), form_of(column)
    chinese = language == "zh"
    told = f"{meant.chinese}。{form[0]}" if chinese else f"{meant.english}. {form[1]}"
    guidance = {"validate": "any", "input_message": told[:_MESSAGE_CHARACTERS], "ignore_blank": True}
    words = _words(column, language)
    if words and len(",".join(words)) <= _LIST_CHARACTERS:
        return guidance | {"validate": "list", "source": words, "error_type": "warning"}
    return guidance


def _words(column: Column, language: Language) -> list[str]:
    if column.sql_type == "boolean":
        return list(YES_NO[language].values())
    if column.words is None:
        return []
    return list(column.words.values() if language == "zh" else column.words)


def _explain(book: Book, name: str, ledger: Ledger) -> None:
    sheet = book.sheet(name)
    sheet.freeze_panes(1, 0)
    for place, (title, width) in enumerate(_TITLES):
        sheet.set_column(place, place, width)
        sheet.write_string(0, place, title, book.header)
    for row, column in enumerate(ledger.columns, 1):
        meant, form = explained(ledger, column), form_of(column)
        required = "必填 yes" if column.needed else ""
        texts = (column.chinese[0], column.name, required, meant.chinese, meant.english, *form, meant.example)
        for place, text in enumerate(texts):
            sheet.write_string(row, place, text, book.wrapped)
