"""Bytes of a workbook (XLSX) to a table of text, as a CSV of the same sheet would give. Pure.

The reader is given an archive of our own making, of parts that were measured and searched before (`archive`,
`xlsx_scan`): what it is handed cannot be larger, or of another kind, than what was judged.
Hidden rows and columns are read as all others: a filter that was left on must not decide what is imported.
"""

import io
import math
import posixpath
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from xml.etree import ElementTree as ET

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from fleet.errors import SheetError
from fleet.ledger.archive import Parts, damaged
from fleet.ledger.table import Sheet, SheetRow, row_of, sheet_of
from fleet.ledger.xlsx_scan import Scan, count_texts, scan

# The sheet that explains the columns of a template, by the template's language: it is no content.
EXPLANATIONS: Final = {"zh": "栏目说明", "en": "Columns"}
# A spreadsheet holds no more digits of a number than these.
EXACT_BELOW: Final = 10**15
STYLES: Final = "xl/styles.xml"
TEXTS: Final = re.compile(r"xl/sharedStrings\.xml", re.IGNORECASE)
# What the reader needs besides the sheets and their texts.
_ALWAYS: Final = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|xl/_rels/workbook\.xml\.rels|xl/(?:workbook|styles)\.xml", re.IGNORECASE
)
# A format of numbers that shows zeros where the number has none: 000000.
_ZEROS: Final = re.compile(r"(0{2,40})(?:$|[_; \\])")

_Value = str | float | bool | date | datetime | time | timedelta


@dataclass(frozen=True, slots=True)
class _Tab:
    """One sheet of a workbook, and what its XML tells."""

    name: str
    part: str
    visible: bool
    found: Scan = field(default_factory=Scan)


def read_xlsx(content: bytes) -> Sheet:
    """The table in the only visible sheet of a workbook that has anything in it.

    A cell that is a formula, or an error value, is handed on as a CSV shows it. Raises SheetError when there is no
    such sheet or several, when cells are merged, and when the file is none that is safe to read.
    """
    parts = Parts(content)
    tabs = [tab for tab in _tabs(parts) if tab.visible and tab.name not in EXPLANATIONS.values()]
    clean = _repacked(parts, tabs)
    tab = _only(tabs)
    try:
        with CalamineWorkbook.from_filelike(clean) as workbook:
            sheet = workbook.get_sheet_by_name(tab.name)
            return sheet_of(_rows(sheet, tab.found))
    except CalamineError as error:
        raise damaged() from error


def _tabs(parts: Parts) -> Iterator[_Tab]:
    """The worksheets in the order of the workbook; diagrams and the like, which have sheets of their own, are not."""
    workbook, relations = _parsed(parts, "xl/workbook.xml"), _parsed(parts, "xl/_rels/workbook.xml.rels")
    targets = {
        relation.get("Id"): posixpath.normpath(posixpath.join("/xl", relation.get("Target", "")))[1:]
        for relation in relations
        if relation.get("Type", "").endswith("/worksheet")
    }
    for sheet in workbook.iter():
        if not sheet.tag.endswith("}sheet"):
            continue
        reference = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), None)
        part = targets.get(reference)
        if part is not None:
            if part not in parts.names:
                raise damaged()
            yield _Tab(sheet.get("name", ""), part, visible=sheet.get("state", "visible") == "visible")


def _parsed(parts: Parts, name: str) -> ET.Element:
    try:
        return ET.fromstring(parts.small(name))  # noqa: S314 - `archive` has refused document types, and large parts
    except (ET.ParseError, LookupError, ValueError) as error:
        # The last two for encodings that there are not.
        raise damaged() from error


def _widths(parts: Parts) -> dict[str, int]:
    """How many digits the styles show that fill numbers up with zeros, by the number of the style."""
    if STYLES not in parts.names:
        return {}
    styles = _parsed(parts, STYLES)
    zeros = {
        each.get("numFmtId"): len(found[1])
        for each in styles.iterfind("{*}numFmts/{*}numFmt")
        if (found := _ZEROS.match(each.get("formatCode", "")))
    }
    formats = [each.get("numFmtId") for each in styles.iterfind("{*}cellXfs/{*}xf")]
    return {str(number): zeros[each] for number, each in enumerate(formats) if each in zeros}


def _repacked(parts: Parts, tabs: Sequence[_Tab]) -> io.BytesIO:
    """An archive of what the reader needs, which is measured and searched on the way."""
    of_sheets = {tab.part: tab for tab in tabs}
    widths = _widths(parts)
    clean = io.BytesIO()
    with zipfile.ZipFile(clean, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in parts.names:
            chunks = parts.chunks(name)
            if name in of_sheets:
                chunks = scan(of_sheets[name].name, chunks, of_sheets[name].found, widths)
            elif TEXTS.fullmatch(name):
                chunks = count_texts(chunks)
            elif not _ALWAYS.fullmatch(name):
                continue
            with archive.open(name, "w", force_zip64=True) as part:
                for chunk in chunks:
                    part.write(chunk)
    clean.seek(0)
    return clean


def _only(tabs: Sequence[_Tab]) -> _Tab:
    filled = [tab for tab in tabs if tab.found.has_cells]
    if len(filled) == 1:
        return filled[0]
    if filled:
        raise SheetError(
            f"the workbook has several sheets with something in them: {', '.join(tab.name for tab in filled)}. "
            f"Delete or hide all but the one to import."
        )
    raise SheetError(
        "the workbook is empty: no visible sheet has anything in it. Show the sheet to import, or fill it."
    )


def _rows(sheet: CalamineSheet, found: Scan) -> Iterator[SheetRow]:
    """The rows with something in them. The reader leaves out columns before the first cell, and knows no formulas."""
    before = [""] * (sheet.start[1] if sheet.start else 0)
    number = 0
    for number, values in enumerate(sheet.iter_rows(), 1):
        row = _row(number, before + [_text(value) for value in values], found)
        if row.cells:
            yield row
    for beyond in sorted(at for at in found.odd if at > number):
        yield _row(beyond, [], found)


def _row(number: int, cells: list[str], found: Scan) -> SheetRow:
    for column, text in found.odd.get(number, {}).items():
        cells += [""] * (column - len(cells))
        cells[column - 1] = text
    return row_of(number, cells)


def _text(value: _Value) -> str:
    """What a cell says, exactly: 2 for 2.0, 2018-08-27 for a date, 1.23457E+17 for a number that lost digits."""
    # A boolean is an integer and a datetime a date, so those come first.
    match value:
        case str():
            text = value
        case bool():
            text = "true" if value else "false"
        case int() | float():
            text = _number(value)
        case datetime():
            text = value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
        case timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            text = f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
        case time():
            text = value.isoformat("seconds" if value.second else "minutes")
        case date():
            text = value.isoformat()
    return text


def _number(value: float) -> str:
    if not math.isfinite(value):
        # What a spreadsheet shows of a number that is too large for it.
        return "#NUM!"
    if abs(value) >= EXACT_BELOW:
        # As the spreadsheet shows it. More digits would look like the code that was typed, and are not it.
        mantissa, exponent = f"{value:.5E}".split("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"
    if value == int(value):
        return str(int(value))
    return format(Decimal(repr(value)), "f")
