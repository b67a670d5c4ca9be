"""What the reader of workbooks does not tell of a sheet, found in its XML: formulas, error values, and how far it goes.

Searched and not parsed, in pieces, at hundreds of megabytes a second. Pure.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from fleet.errors import SheetError
from fleet.ledger.table import MAX_COLUMNS, MAX_ROWS

# Memory is taken for the whole rectangle that a sheet spans, whatever stands in it.
MAX_CELLS: Final = 12_000_000
# Texts are kept once for all cells that have them. None of a ledger's sheets has so many different ones.
MAX_TEXTS: Final = 5_000_000
MAX_FORMULAS: Final = 100_000
# Longer than any row of the ledger; a row is looked at as a whole.
MAX_ROW_BYTES: Final = 8 * 1024 * 1024
SHOWN_CHARACTERS: Final = 60

# Where the reader sees a cell begin, or more often than that.
_CELL: Final = re.compile(rb"<(?!/)(?:[^\s<>:]*:)?c[\s/>]")
# What a cell has to look like, in the form that most programs write and in every form. The reader takes memory for the
# rectangle that spans all places, and ends the process when there is none: no place may be other than it is seen here.
# Of the letters a column and of the digits a row: there may be millions, so no match objects.
_AS_USUAL: Final = rb"<c r=\"%s\"(?: (?!r=)[a-z]+=\"[^\"<>&]*\")*/?>"
_ATTRIBUTES: Final = rb"(?:\s+(?!r\s*=)[\w:]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'))*"
_ANYHOW: Final = rb"<(?:\w+:)?c" + _ATTRIBUTES + rb"\s+r\s*=\s*[\"']%s[\"']" + _ATTRIBUTES + rb"\s*/?>"
# The same of cells that are not empty: only those take memory, and are asked for when the others go too far.
_FILLED: Final = _ANYHOW.removesuffix(rb"/?>") + rb"(?<!/)>(?!\s*</)"
_COLUMN: Final = rb"([A-Z]{1,6})[1-9][0-9]{0,6}"
_ROW: Final = rb"[A-Z]{1,6}([1-9][0-9]{0,6})"
_PLACE: Final = re.compile(rb"\sr\s*=\s*[\"']([A-Za-z]{1,3})([0-9]{1,7})[\"']")
_FORMULA: Final = re.compile(rb"<(?:\w+:)?c(\s[^<>]*)>\s*<(?:\w+:)?f(?:\s[^<>]*)?(?:/>|>([^<]*)<)")
_ERROR: Final = re.compile(
    rb"<(?:\w+:)?c(\s[^<>]*\bt\s*=\s*[\"']e[\"'][^<>]*)>\s*(?:<(?:\w+:)?f(?:\s[^<>]*/>|[^<]*</[^<]*>)\s*)?"
    rb"<(?:\w+:)?v>([^<]*)<"
)
# A number, and not the place of a text among the shared ones.
_PLAIN: Final = re.compile(rb"(?!.*\bt\s*=\s*[\"'](?!n[\"']))")
_MERGED: Final = re.compile(rb"<(?:[^\s<>:]*:)?mergeCell\s[^<>]*\bref\s*=\s*[\"']([A-Z0-9:]{1,24})")
_TEXT: Final = re.compile(rb"<(?!/)(?:[^\s<>:]*:)?si[\s/>]")
MERGED_LISTED: Final = 1_000
MERGED_SHOWN: Final = 5
_ROW_END: Final = b"row>"
_NO_ROW_BYTES: Final = 64 * 1024
_TAG_BYTES: Final = 1024
_VALUE: Final = re.compile(rb"<(?:\w+:)?(?:v|is|f)[\s/>]")


@dataclass(slots=True)
class Scan:
    """What was found. *odd* holds the text to take for a cell, by row and column from 1 on."""

    has_cells: bool = False
    rows: int = 0
    columns: int = 0
    cells: int = 0
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
        if len(left) > _NO_ROW_BYTES and _CELL.search(left) is None:
            # Below the rows there may be much else: links, conditions, lists.
            left = left[-_TAG_BYTES:]
        _look(name, whole := seen[: len(seen) - len(left)], found)
        _pad(whole, found, padded, widths)
        if len(left) > MAX_ROW_BYTES:
            raise SheetError(f"a row of the sheet “{name}” takes {MAX_ROW_BYTES // 1024 // 1024} MiB. Is it a sheet?")
    _look(name, left, found)
    _pad(left, found, padded, widths)


def _look(name: str, xml: bytes, found: Scan) -> None:
    found.has_cells = found.has_cells or _VALUE.search(xml) is not None
    count = len(_CELL.findall(xml))
    form = next((form for form in (_AS_USUAL, _ANYHOW) if len(_places(form, _COLUMN, xml)) == count), None)
    if form is None:
        raise SheetError(
            f"the sheet “{name}” has cells that do not say where they stand. Open the workbook in a spreadsheet "
            f"program, save it anew and import that."
        )
    found.cells += count
    columns, rows = _last_column(_places(form, _COLUMN, xml)), _last_row(_places(form, _ROW, xml))
    if columns > MAX_COLUMNS:
        columns = _last_column(_places(_FILLED, _COLUMN, xml))
    if rows > MAX_ROWS + 1:
        rows = _last_row(_places(_FILLED, _ROW, xml))
    found.columns, found.rows = max(found.columns, columns), max(found.rows, rows)
    _collect(xml, found)
    _require_modest(name, found)
    _require_unmerged(name, xml)


def _places(form: bytes, part: bytes, xml: bytes) -> list[bytes]:
    # re keeps what it has compiled.
    return re.findall(form % part, xml)


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


def count_texts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass *chunks* of the XML of a workbook's texts on. Raises SheetError when there are too many of them."""
    count = 0
    before = b""
    for chunk in chunks:
        yield chunk
        count += len(_TEXT.findall(before + chunk))
        # Enough for one that two pieces share, and too little for a whole one to be counted twice.
        before = chunk[-2:]
        if count > MAX_TEXTS:
            raise SheetError(
                f"the workbook has more than {MAX_TEXTS} different texts. Split it into several workbooks."
            )


def _require_unmerged(name: str, xml: bytes) -> None:
    merged = [match[1].decode() for match in islice(_MERGED.finditer(xml), MERGED_LISTED)]
    merged.sort(key=lambda area: [int(digits or 0) for digits in re.split(r"\D+", area)])
    if merged:
        shown = ", ".join(merged[:MERGED_SHOWN]) + (" and more" if len(merged) > MERGED_SHOWN else "")
        raise SheetError(
            f"cells of the sheet “{name}” are merged: {shown}. Only the first cell of those has a value: unmerge them "
            f"and fill in every cell."
        )


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
    if max(found.cells, found.rows * found.columns) > MAX_CELLS:
        raise SheetError(
            f"the sheet “{name}” spans {found.rows} rows and {found.columns} columns; {MAX_CELLS} cells are accepted. "
            f"Delete empty rows and columns, or split the sheet."
        )
    if found.formulas > MAX_FORMULAS:
        raise SheetError(f"the sheet “{name}” has more than {MAX_FORMULAS} formulas. Paste its cells as values.")
