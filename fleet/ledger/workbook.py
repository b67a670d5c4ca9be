"""Workbooks that are written: their formats, and what makes a spreadsheet program leave alone what is typed."""

from collections.abc import Iterable
from types import TracebackType
from typing import IO, Any, Final, Literal, Self, TypeAlias

import xlsxwriter

from fleet.ledger.columns import Column, Ledger

Language = Literal["zh", "en"]
# A sheet of xlsxwriter, which has no types.
Tab: TypeAlias = Any

# Widths of columns, in digits of the spreadsheet's font.
_NARROW: Final = 12
_WIDE: Final = 24
_HEADER: Final = {"bold": True, "bg_color": "#E7EEF7", "bottom": 1, "num_format": "@"}


class Book:
    """A workbook under way, complete in its file when the block ends. *streamed*: rows in order, none goes back."""

    def __init__(self, file: IO[bytes], *, streamed: bool) -> None:
        self._workbook = xlsxwriter.Workbook(file, {"constant_memory": streamed, "in_memory": not streamed})
        self.text = self._workbook.add_format({"num_format": "@"})
        self.day = self._workbook.add_format({"num_format": "yyyy-mm-dd"})
        self.header = self._workbook.add_format(_HEADER)
        self.needed = self._workbook.add_format(_HEADER | {"bg_color": "#FFE08A"})
        self.wrapped = self._workbook.add_format({"text_wrap": True, "valign": "top", "num_format": "@"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workbook.close()

    def sheet(self, name: str) -> Tab:
        """A new sheet."""
        tab: Tab = self._workbook.add_worksheet(name)
        return tab

    def sheet_of(self, ledger: Ledger, language: Language, *, marked: Iterable[Column] = ()) -> Tab:
        """A new sheet with the header of *ledger*: codes stay text, and days are days, whoever types them.

        The headers of the columns in *marked* stand out.
        """
        sheet = self.sheet(ledger.noun)
        sheet.freeze_panes(1, 1)
        stand_out = {column.name for column in marked}
        for place, column in enumerate(ledger.columns):
            header = header_of(column, language)
            form = {"text": self.text, "boolean": self.text, "date": self.day}.get(column.sql_type)
            sheet.set_column(place, place, _width(column, header), form)
            sheet.write_string(0, place, header, self.needed if column.name in stand_out else self.header)
        return sheet


def header_of(column: Column, language: Language) -> str:
    """The header of *column* in a language, one of those that an import knows."""
    return column.chinese[0] if language == "zh" else column.name


def _width(column: Column, header: str) -> int:
    least = _WIDE if column.sql_type == "text" and column.words is None else _NARROW
    # A Chinese character is as wide as two digits, and the filter's arrow wants room.
    return max(least, sum(1 if character.isascii() else 2 for character in header) + 4)
