"""What the reader of workbooks does not tell of a sheet, found in its XML: formulas, error values, and how far it goes.

Searched and not parsed, in pieces, at hundreds of megabytes a second. Pure.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from fleet.errors import SheetError
from fleet.ledger.table import MAX_COLUMNS, MAX_ROWS

# Memory is taken for the whole rectangle that a sheet spans, whatever stands in it.
MAX_CELLS: Final = 12_000_000
MAX_FORMULAS: Final = 100_000
# Longer than any row of the ledger; a row is looked at as a whole.
MAX_ROW_BYTES: Final = 8 * 1024 * 1024
SHOWN_CHARACTERS: Final = 60

_CELL: Final = re.compile(rb"<(?:\w+:)?c[\s/>]")
# The places of cells, of the letters a column and of the digits a row. There may be millions, so no match objects.
_COLUMNS: Final = re.compile(rb"\sr\s*=\s*[\"']([A-Za-z]+)")
_ROWS: Final = re.compile(rb"\sr\s*=\s*[\"'][A-Za-z]*([0-9]+)")
# The same of cells that are not empty: only those take memory, and are asked for when the others go too far.
_FILLED_COLUMNS: Final = re.compile(
    rb"<(?:\w+:)?c\s(?:[^<>]*?\s)?r\s*=\s*[\"']([A-Za-z]+)[0-9]+[\"'](?:[^<>]*[^<>/])?>"
)
_FILLED_ROWS: Final = re.compile(rb"<(?:\w+:)?c\s(?:[^<>]*?\s)?r\s*=\s*[\"'][A-Za-z]+([0-9]+)[\"'](?:[^<>]*[^<>/])?>")
_PLACE: Final = re.compile(rb"\sr\s*=\s*[\"']([A-Za-z]{1,3})([0-9]{1,7})[\"']")
_FORMULA: Final = re.compile(rb"<(?:\w+:)?c(\s[^<>]*)>\s*<(?:\w+:)?f(?:\s[^<>]*)?(?:/>|>([^<]*)<)")
_ERROR: Final = re.compile(
    rb"<(?:\w+:)?c(\s[^<>]*\bt\s*=\s*[\"']e[\"'][^<>]*)>\s*(?:<(?:\w+:)?f(?:\s[^<>]*/>|[^<]*</[^<]*>)\s*)?"
    rb"<(?:\w+:)?v>([^<]*)<"
)
# A number, and not the place of a text among the shared ones.
_PLAIN: Final = re.compile(rb"(?!.*\bt\s*=\s*[\"'](?!n[\"']))")
_ROW_END: Final = b"row>"
_VALUE: Final = re.compile(rb"<(?:\w+:)?(?:v|is|f)[\s/>]")


@dataclass(slots=True)
class Scan:
    """What was found. *odd* holds the text to take for a cell, by row and column from 1 on."""

    has_cells: bool = False
    rows: int = 0
    columns: int = 0
    formulas: int = 0
    odd: dict[int, dict[int, str]] = field(default_factory=dict)


def scan(name: str, chunks: Iterable[bytes], found: Scan, widths: Mapping[str, int]) -> Iterator[bytes]:
    """Pass *chunks* of the XML of the sheet *name* on, and fill *found* on the way.

    *widths* are those of the styles that show a number with zeros before it, by the style's number.
    Raises SheetError as soon as the sheet is larger than any of a ledger.
    """
    left = b""
    padded = _padded(widths)
    for chunk in chunks:
        yield chunk
        seen = left + chunk
        # Nothing but the row that is not complete waits for the next piece.
        _, _, left = seen.rpartition(_ROW_END)
        _look(name, whole := seen[: len(seen) - len(left)], found)
        _pad(whole, found, padded, widths)
        if len(left) > MAX_ROW_BYTES:
            raise SheetError(f"a row of the sheet “{name}” takes {MAX_ROW_BYTES // 1024 // 1024} MiB. Is it a sheet?")
    _look(name, left, found)
    _pad(left, found, padded, widths)


def _look(name: str, xml: bytes, found: Scan) -> None:
    found.has_cells = found.has_cells or _VALUE.search(xml) is not None
    letters = _COLUMNS.findall(xml)
    if len(letters) < len(_CELL.findall(xml)):
        raise SheetError(
            f"the sheet “{name}” has cells that do not say where they stand. Open the workbook in a spreadsheet "
            f"program, save it anew and import that."
        )
    columns, rows = _last_column(letters), _last_row(_ROWS.findall(xml))
    if columns > MAX_COLUMNS:
        columns = _last_column(_FILLED_COLUMNS.findall(xml))
    if rows > MAX_ROWS + 1:
        rows = _last_row(_FILLED_ROWS.findall(xml))
    found.columns, found.rows = max(found.columns, columns), max(found.rows, rows)
    _collect(xml, found)
    _require_modest(name, found)


def _collect(xml: bytes, found: Scan) -> None:
    # An error value that a formula has is told as a formula, so those come last.
    for pattern, lead, signs in ((_ERROR, "", (b'"e"', b"'e'")), (_FORMULA, "=", (b"<f", b":f"))):
        if not any(sign in xml for sign in signs):
            continue
        for attributes, text in pattern.findall(xml):
            place = _PLACE.search(attributes)
            if place is not None:
                found.odd.setdefault(int(place[2]), {})[_number(place[1])] = lead + _readable(text)
                found.formulas += 1


def _padded(widths: Mapping[str, int]) -> re.Pattern[bytes] | None:
    if not widths:
        return None
    styles = "|".join(widths).encode()
    return re.compile(
        rb"<(?:\w+:)?c(\s(?:[^<>]*\s)?s\s*=\s*[\"'](" + styles + rb")[\"'][^<>]*)>\s*<(?:\w+:)?v>([0-9]{1,15})<"
    )


def _pad(xml: bytes, found: Scan, padded: re.Pattern[bytes] | None, widths: Mapping[str, int]) -> None:
    """Numbers that are shown as 000123 and kept as 123: what people see is the code that they mean."""
    for attributes, style, digits in padded.findall(xml) if padded is not None else ():
        place = _PLACE.search(attributes)
        if place is not None and _PLAIN.match(attributes):
            shown = digits.decode().zfill(widths[style.decode()])
            found.odd.setdefault(int(place[2]), {}).setdefault(_number(place[1]), shown)


def _last_column(letters: list[bytes]) -> int:
    return max(map(_number, {*letters}), default=0)


def _last_row(digits: list[bytes]) -> int:
    return max(map(int, {*digits}), default=0)


def _number(letters: bytes) -> int:
    """The number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _readable(text: bytes) -> str:
    shown = html.unescape(text.decode(errors="replace"))
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"


def _require_modest(name: str, found: Scan) -> None:
    if found.columns > MAX_COLUMNS:
        raise SheetError(
            f"the sheet “{name}” has {found.columns} columns; {MAX_COLUMNS} are accepted. Delete the columns that no "
            f"header names, also those that only look empty."
        )
    if found.rows > MAX_ROWS + 1:
        raise SheetError(
            f"the sheet “{name}” goes down to row {found.rows}; {MAX_ROWS} rows are accepted. Delete what stands below "
            f"the last row, or split the sheet."
        )
    if found.rows * found.columns > MAX_CELLS:
        raise SheetError(
            f"the sheet “{name}” spans {found.rows} rows and {found.columns} columns; {MAX_CELLS} cells are accepted. "
            f"Delete empty rows and columns, or split the sheet."
        )
    if found.formulas > MAX_FORMULAS:
        raise SheetError(f"the sheet “{name}” has more than {MAX_FORMULAS} formulas. Paste its cells as values.")
