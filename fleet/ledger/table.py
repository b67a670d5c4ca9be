"""A table as it was written, whatever the file: a header, rows, and text in every cell. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fleet.errors import SheetError

MAX_ROWS: Final = 200_000
MAX_COLUMNS: Final = 256
MAX_CELL_CHARACTERS: Final = 10_000
# What a cell is framed by when it was typed or exported: spaces, the full-width one and the no-break one among them.
BLANKS: Final = " \t\u00a0\u3000"


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


def sheet_of(rows: Iterator[SheetRow]) -> Sheet:
    """The table of *rows*, the first of which is its header. Raises SheetError when there is not even one."""
    header = next(rows, None)
    if header is None:
        raise SheetError("the file is empty. Its first row has to be the header.")
    return Sheet(header, tuple(_limited(rows)))


def row_of(number: int, cells: Sequence[str]) -> SheetRow:
    """The row of *cells*. Spreadsheets write rows with and without the empty cells at their end: those say nothing.

    Raises SheetError for a row that is wider, or a cell that is longer, than any of a ledger.
    """
    trimmed = [cell.strip(BLANKS) for cell in cells]
    while trimmed and not trimmed[-1]:
        trimmed.pop()
    if len(trimmed) > MAX_COLUMNS:
        raise SheetError(
            f"row {number} has {len(trimmed)} columns; {MAX_COLUMNS} are accepted. Delete the columns that no header "
            f"names, also those that only look empty."
        )
    if trimmed and max(map(len, trimmed)) > MAX_CELL_CHARACTERS:
        column, cell = next((at, cell) for at, cell in enumerate(trimmed, 1) if len(cell) > MAX_CELL_CHARACTERS)
        raise SheetError(
            f"row {number}, column {column}: a cell of {len(cell)} characters; {MAX_CELL_CHARACTERS} are accepted. "
            f"Is a quotation mark missing?"
        )
    return SheetRow(number, tuple(trimmed))


def _limited(rows: Iterator[SheetRow]) -> Iterator[SheetRow]:
    for count, row in enumerate(rows, 1):
        if count > MAX_ROWS:
            raise SheetError(f"the sheet has more than {MAX_ROWS} rows. Split it, and import one part after the other.")
        yield row
