"""Bytes of a CSV file to a header and rows. Pure, and knows nothing of the ledger.

Cells stay text from the first byte to the last: a number with leading zeros or 18 digits is never a number here.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fleet.errors import SheetError

MAX_CELL_CHARACTERS: Final = 10_000
# What a cell is framed by when it was typed or exported: spaces, the full-width one and the no-break one among them.
BLANKS: Final = " \t\u00a0\u3000"
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ZIP: Final = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row with something in it; *number* is the one a spreadsheet shows beside it (the header is 1)."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as it was written: header and rows, outer blanks removed, nothing else judged."""

    header: SheetRow
    rows: tuple[SheetRow, ...]


def read_sheet(content: bytes) -> Sheet:
    """The sheet in *content*: comma-separated, UTF-8 (with or without byte-order mark) or GB18030.

    Empty rows are left out, empty cells at the end of a row as well.
    Raises SheetError when the bytes are no such file.
    """
    rows = _rows(_decode(content))
    header = next(rows, None)
    if header is None:
        raise SheetError("the file is empty. Its first row has to be the header.")
    _require_commas(header)
    return Sheet(header, tuple(rows))


def _decode(content: bytes) -> str:
    if content.startswith(_ZIP):
        raise SheetError("the file is a workbook (XLSX) or an archive. Save the sheet as “CSV UTF-8” and import that.")
    if content.startswith(_UTF16):
        raise SheetError("the file is UTF-16 (“Unicode text”). Save the sheet as “CSV UTF-8” and import that.")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            at = error.start
    line = content.count(b"\n", 0, at) + 1
    raise SheetError(f"line {line} is neither UTF-8 nor GB18030. Save the sheet as “CSV UTF-8” and import that.")


def _rows(text: str) -> Iterator[SheetRow]:
    # strict: a quotation mark that is never closed would otherwise swallow the rest of the file as one cell.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise SheetError(
                f"row {number} (line {reader.line_num}) is no CSV: {error}. A quotation mark inside a cell is written "
                f'twice (""), and a cell that holds one, a comma or a line break stands in quotation marks.'
            ) from error
        if cells is None:
            return
        row = _trimmed(number, cells)
        if row.cells:
            yield row


def _trimmed(number: int, cells: list[str]) -> SheetRow:
    """Spreadsheets write rows with and without the empty cells at their end, so those say nothing."""
    trimmed = [cell.strip(BLANKS) for cell in cells]
    while trimmed and not trimmed[-1]:
        trimmed.pop()
    for column, cell in enumerate(trimmed, 1):
        if len(cell) > MAX_CELL_CHARACTERS:
            raise SheetError(
                f"row {number}, column {column}: a cell of {len(cell)} characters; {MAX_CELL_CHARACTERS} are accepted. "
                f"Is a quotation mark missing?"
            )
    return SheetRow(number, tuple(trimmed))


def _require_commas(header: SheetRow) -> None:
    only = header.cells[0]
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("，", "full-width commas")):
        if len(header.cells) == 1 and separator in only:
            raise SheetError(f"the cells of the file are separated by {name}. Save the sheet with commas.")
