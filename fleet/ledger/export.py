"""Entries of the ledger to a CSV file or a workbook that an import takes back without a change."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import IO, Any, Final, Literal

from psycopg import Connection

from fleet.errors import RefusedError
from fleet.ledger.columns import Column, Entry, Ledger
from fleet.ledger.entries import read_entries
from fleet.ledger.harmless import harmless, harmless_typed
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun, Value
from fleet.ledger.workbook import Book, Language, Tab, header_of

FileFormat = Literal["csv", "xlsx"]

MEDIA_TYPES: Final[Mapping[FileFormat, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# Besides the header, in the format itself; what is written below is lost without a word.
WORKBOOK_ROWS: Final = 1_048_575
YES_NO: Final[Mapping[Language, Mapping[bool, str]]] = {
    "zh": {True: "是", False: "否"},
    "en": {True: "yes", False: "no"},
}


def export(
    connection: Connection[Any],
    noun: Noun,
    file: IO[bytes],
    *,
    form: FileFormat,
    language: Language,
    keys: Sequence[str] | None = None,
) -> int:
    """Write the entries of *noun* to *file*, in the order of their keys; how many there were.

    With *keys*, those whose first key is one of these. Personal data is masked. Takes the memory of a few thousand
    entries, whatever their number; a workbook is gathered in a temporary file besides. What others change meanwhile is
    not seen.
    """
    entries = _Counted(read_entries(connection, noun, keys))
    with connection.transaction():
        if form == "csv":
            write_csv(LEDGERS[noun], entries, language, file)
        else:
            write_xlsx(LEDGERS[noun], entries, language, file)
    return entries.count


class _Counted:
    """An iteration that knows how far it came."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self.count = 0

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.count += 1
            yield entry


def write_csv(ledger: Ledger, entries: Iterable[Entry], language: Language, file: IO[bytes]) -> None:
    """CSV in UTF-8 with a byte-order mark, without which spreadsheet programs take it for GB18030 or Latin."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow([header_of(column, language) for column in ledger.columns])
        writer.writerows(
            [_written(column, entry[column.name], language) for column in ledger.columns] for entry in entries
        )
    finally:
        # The file is the caller's, and stays open.
        text.detach()


def _written(column: Column, value: Value | None, language: Language) -> str:
    shown = _shown(column, value, language)
    match shown:
        case None:
            return ""
        case str():
            return harmless(shown)
        case float():
            return format(Decimal(repr(shown)), "f")
        case _:
            return str(shown)


def _shown(column: Column, value: Value | None, language: Language) -> str | float | Decimal | date | None:
    """A value in the words of *language*."""
    if isinstance(value, bool):
        return YES_NO[language][value]
    if column.words is not None and language == "zh" and isinstance(value, str):
        return column.words.get(value, value)
    return value


def write_xlsx(ledger: Ledger, entries: Iterable[Entry], language: Language, file: IO[bytes]) -> None:
    """A workbook of one sheet: texts as texts, whatever they look like, days as days and numbers as numbers.

    Raises RefusedError when there are more entries than a sheet has rows.
    """
    with Book(file, streamed=True) as book:
        sheet = book.sheet_of(ledger, language)
        number = 0
        for number, entry in enumerate(entries, 1):
            if number > WORKBOOK_ROWS:
                raise RefusedError(f"a workbook holds {WORKBOOK_ROWS} rows, and there are more {ledger.noun}: use CSV.")
            for place, column in enumerate(ledger.columns):
                _write(book, sheet, number, place, _shown(column, entry[column.name], language))
        sheet.autofilter(0, 0, number, len(ledger.columns) - 1)


def _write(book: Book, sheet: Tab, row: int, place: int, value: str | float | Decimal | date | None) -> None:
    match value:
        case None | "":
            return
        case str():
            sheet.write_string(row, place, harmless_typed(value), book.text)
        case date():
            sheet.write_datetime(row, place, value, book.day)
        case float() if float(f"{value:.16G}") != value:
            # A workbook keeps no more digits of a number than these.
            sheet.write_string(row, place, repr(value))
        case _:
            sheet.write_number(row, place, value)
