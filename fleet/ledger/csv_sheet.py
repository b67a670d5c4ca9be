"""Bytes of a CSV file to a table. Pure, and knows nothing of the ledger.

Cells stay text from the first byte to the last: a number with leading zeros or 18 digits is never a number here.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from fleet.errors import SheetError
from fleet.ledger.table import Sheet, SheetRow, row_of, sheet_of

_AGAIN: Final = "Save the sheet as “CSV UTF-8” and import that."
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD_BYTES: Final = 8
# Chinese in UTF-8. The same six bytes are three characters of GB18030, hardly ever three that stand together.
_CHINESE_UTF8: Final = re.compile(rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){2,}")
# One line in so many may look like UTF-8 by accident in a file that is GB18030 throughout.
_ACCIDENTS: Final = 1000
# What some spreadsheets put above the header, to tell others the separator.
_SEPARATOR_HINT: Final = ("sep=",)
_SEPARATORS: Final = ((";", "semicolons"), ("\t", "tabs"), ("，", "full-width commas"), ("|", "vertical bars"))


def read_csv(content: bytes) -> Sheet:
    """The table in *content*: comma-separated, UTF-8 (with or without byte-order mark) or GB18030.

    Empty rows are left out, empty cells at the end of a row as well.
    Raises SheetError when the bytes are no such file.
    """
    return sheet_of(_from_the_header(_rows(_decode(content))))


def _decode(content: bytes) -> str:
    if content.startswith(_UTF16) or _is_unmarked_utf16(content):
        raise SheetError(f"the file is UTF-16 (“Unicode text”). {_AGAIN}")
    marked = content.startswith(codecs.BOM_UTF8)
    for encoding in ("utf-8-sig",) if marked else ("utf-8", "gb18030"):
        try:
            decoded = content.decode(encoding)
        except UnicodeDecodeError as error:
            at = error.start
            continue
        if encoding == "gb18030":
            _refuse_mixtures(content)
        return decoded
    if not marked:
        _refuse_mixtures(content)
    line = content.count(b"\n", 0, at) + 1
    neither = "not UTF-8, as the file's byte-order mark says" if marked else "neither UTF-8 nor GB18030"
    raise SheetError(f"line {line} is {neither}. {_AGAIN}")


def _is_unmarked_utf16(content: bytes) -> bool:
    """Whether every second byte at the beginning is NUL, as that of Latin letters is in UTF-16."""
    head = content[:_HEAD_BYTES]
    return len(head) == _HEAD_BYTES and any(not any(head[start::2]) for start in (0, 1))


def _refuse_mixtures(content: bytes) -> None:
    """Two files of different encodings, one pasted below the other, would be half gibberish in either."""
    as_utf8: list[int] = []
    not_utf8: list[int] = []
    lines = content.splitlines()
    for number, line in enumerate(lines, 1):
        if line.isascii():
            continue
        try:
            line.decode()
        except UnicodeDecodeError:
            not_utf8.append(number)
        else:
            as_utf8 += [number] * bool(_CHINESE_UTF8.search(line))
    if not_utf8 and len(as_utf8) > len(lines) / _ACCIDENTS:
        raise SheetError(
            f"the file mixes encodings: line {as_utf8[0]} is UTF-8 and line {not_utf8[0]} is not. "
            f"Open both parts by themselves, copy the rows into one sheet, and save that as “CSV UTF-8”."
        )


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
        row = row_of(number, cells)
        if row.cells:
            yield row


def _from_the_header(rows: Iterator[SheetRow]) -> Iterator[SheetRow]:
    for row in rows:
        if row.number == 1 and row.cells == _SEPARATOR_HINT:
            continue
        _require_commas(row)
        yield row
        break
    yield from rows


def _require_commas(header: SheetRow) -> None:
    only = header.cells[0]
    for separator, name in _SEPARATORS:
        if len(header.cells) == 1 and separator in only:
            raise SheetError(f"the cells of the file are separated by {name}. Save the sheet with commas.")
