"""One entry at a time, through the very rules of sheets: what is written becomes a sheet of one row."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from fleet.errors import RefusedError, SheetError, UnknownEntryError
from fleet.keys import Keys
from fleet.ledger.entries import read_held
from fleet.ledger.imports import import_rows
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun, Report
from fleet.ledger.rows import columns_of
from fleet.ledger.table import BLANKS, Sheet, row_of

HEADER_ROW = 1


def register(
    connection: Connection[Any], noun: Noun, cells: Mapping[str, str], *, keys: Keys, apply: bool = True
) -> Report:
    """The report of a new entry of *cells*; with *apply* and no error, it is there.

    Raises RefusedError when it was there before: the caller's transaction has to end with it.
    """
    key = cells.get(LEDGERS[noun].key[0], "")
    if read_held(connection, noun, [key]):
        raise RefusedError(f"The {noun} hold {key} already: change that entry, or give the new one its own number.")
    report = import_rows(connection, noun, sheet_of(cells), apply=apply, keys=keys)
    # And by what came of it: the key may stand under any of its headers, and between blanks.
    if report.is_good and not report.created:
        raise RefusedError(f"The {noun} hold this entry already: change it, or give the new one a number of its own.")
    return report


def amend(connection: Connection[Any], noun: Noun, key: str, cells: Mapping[str, str | None], *, keys: Keys) -> Report:
    """The report of changing the entry *key* by *cells*; None empties a column.

    Raises UnknownEntryError when there is none, RefusedError for another key among *cells*.
    """
    ledger = LEDGERS[noun]
    name_of_key = ledger.key[0]
    if not read_held(connection, noun, [key]):
        raise UnknownEntryError(f"The {noun} hold no {key}.")
    if cells.get(name_of_key, key) != key:
        raise RefusedError(f"The {name_of_key} of an entry never changes: register another one.")
    emptied = frozenset(name for name, cell in cells.items() if cell is None)
    if unknown := emptied - {column.name for column in ledger.columns}:
        raise RefusedError(f"The {noun} have no column {', '.join(sorted(unknown))}.")
    sheet = sheet_of({name: cell for name, cell in cells.items() if cell is not None} | {name_of_key: key})
    if twice := emptied & {column.name for column in columns_of(sheet, ledger)}:
        raise RefusedError(f"{', '.join(sorted(twice))} is both emptied and given a value: say one of the two.")
    return import_rows(connection, noun, sheet, apply=True, keys=keys, emptied=emptied)


def sheet_of(cells: Mapping[str, str]) -> Sheet:
    """The sheet of one row. Raises RefusedError when it would be none."""
    if not all(name.strip(BLANKS) for name in cells) or not cells:
        raise RefusedError("A column has no name: name every value by the column of the sheet that it belongs to.")
    try:
        # An empty text says nothing, as in a sheet.
        return Sheet(row_of(HEADER_ROW, list(cells)), (row_of(HEADER_ROW + 1, list(cells.values())),))
    except SheetError as error:
        raise RefusedError(str(error)) from error
