"""What a nasty file is: its bytes, and exactly what an import says of it."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import openpyxl

from fleet.ledger.report import Noun

# A fixed moment, so that the same file is made every time.
_LONG_AGO: Final = (2018, 8, 27, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Case:
    """One file. What is said of it stands in `expected.json`, under its name."""

    name: str
    make: Callable[[], bytes]
    noun: Noun = "merchants"


def text(*lines: str, encoding: str = "utf-8", end: str = "\n") -> Callable[[], bytes]:
    """A file of text lines."""
    return lambda: "".join(f"{line}{end}" for line in lines).encode(encoding)


def workbook(
    rows: Iterable[Sequence[Any]], finish: Callable[[openpyxl.Workbook], None] = lambda _: None
) -> Callable[[], bytes]:
    """A workbook whose first sheet, named Sheet, holds *rows*; *finish* does the rest to it."""

    def make() -> bytes:
        book = openpyxl.Workbook()
        for row in rows:
            book.worksheets[0].append(list(row))
        finish(book)
        file = io.BytesIO()
        book.save(file)
        return file.getvalue()

    return make


def archive(parts: Mapping[str, bytes | str], *, method: int = ZIP_DEFLATED) -> bytes:
    """A ZIP file of *parts*."""
    file = io.BytesIO()
    with ZipFile(file, "w", method) as zipped:
        for name, content in parts.items():
            info = ZipInfo(name, _LONG_AGO)
            info.compress_type = method
            zipped.writestr(info, content)
    return file.getvalue()


def parts_of(content: bytes) -> dict[str, bytes]:
    """The parts of a ZIP file."""
    with ZipFile(io.BytesIO(content)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


SHEET_PART: Final = "xl/worksheets/sheet1.xml"


def with_rows(xml: str) -> Callable[[], bytes]:
    """A workbook whose sheet holds the rows of *xml*, as it is written."""

    def make() -> bytes:
        parts = parts_of(workbook([["x"]])())
        before, _, rest = parts[SHEET_PART].decode().partition("<sheetData>")
        _, _, after = rest.partition("</sheetData>")
        return archive(parts | {SHEET_PART: f"{before}<sheetData>{xml}</sheetData>{after}"})

    return make


def inline(place: str, value: str) -> str:
    """The XML of a cell of text."""
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'


HEADER_XML: Final = f'<row r="1">{inline("A1", "merchant_code")}{inline("B1", "name")}</row>'
