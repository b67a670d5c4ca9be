"""The header of a sheet to the columns it names, and to what is wrong with it. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from fleet.ledger.cells import Reader
from fleet.ledger.columns import Column, Ledger
from fleet.ledger.nearest import Nearest
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import RowError
from fleet.ledger.table import Sheet, SheetRow

# A column, and how cells under the header that names it are read.
Named = tuple[Column, Reader]

HIDDEN: Final = "***"
# So far below may the headers be for a sheet to be told that they are.
TITLE_ROWS: Final = 10
# So many digits at a stretch in a place where no header says what they are may be somebody's number.
_MAYBE_PERSONAL = re.compile(r"\d{11}")


def named(header: SheetRow, ledger: Ledger) -> tuple[list[Named | None], list[RowError]]:
    """The column that each cell of *header* names, None where it names none, and what is wrong with it."""
    by_name = headers_of(ledger)
    nearest = Nearest(by_name)
    names = ", ".join(column.name for column in ledger.columns)
    columns: list[Named | None] = []
    taken: set[str] = set()
    errors = []
    for number, cell in enumerate(header.cells, 1):
        found = by_name.get(_folded(cell))
        if found is None:
            meant = nearest.to(_folded(cell))
            problem = "is no column known here" if cell else f"column {number} has no header"
            remedy = f"did you mean {meant}?" if meant else f"the columns of {ledger.noun} are {names}"
            shown = unlabelled(cell)
            errors.append(RowError(header.number, shown, shown, problem, remedy))
        elif found[0].name in taken:
            errors.append(RowError(header.number, found[0].name, cell, "stands twice", "keep one of the two columns"))
            found = None
        else:
            taken.add(found[0].name)
        columns.append(found)
    return columns, errors


def missing(
    header: SheetRow, of_the_key: list[str], ledger: Ledger, columns: list[Column | None]
) -> Iterator[RowError]:
    """The columns without which no row can be told apart, and in the same go those that new entries will ask for."""
    for column in ledger.columns:
        if column.name in of_the_key:
            problem = "is missing: it says which entry a row is about"
        elif column.needed and column not in columns:
            problem = f"is missing: new {ledger.noun} need it"
        else:
            continue
        yield RowError(header.number, column.name, "", problem, f"add the column {column.name}")


def mistaken(sheet: Sheet, ledger: Ledger) -> RowError | None:
    """What to say of a sheet whose header names no column at all, when it can be told why."""
    return _below(sheet, ledger) or _of_another(sheet, ledger)


def _below(sheet: Sheet, ledger: Ledger) -> RowError | None:
    """What to say when the headers stand under a title, as in a sheet that was made for printing."""
    known = headers_of(ledger)
    for row in sheet.rows[:TITLE_ROWS]:
        if sum(_folded(cell) in known for cell in row.cells) * 2 > len(row.cells):
            return RowError(
                sheet.header.number,
                "",
                unlabelled(sheet.header.cells[0]),
                f"is no row of headers, and row {row.number} is",
                f"delete the rows above row {row.number}",
            )
    return None


def _of_another(sheet: Sheet, ledger: Ledger) -> RowError | None:
    """What to say of the sheet of another noun."""
    cells = [_folded(cell) for cell in sheet.header.cells if cell]
    for other in LEDGERS.values():
        known = headers_of(other)
        if cells and other.noun != ledger.noun and all(cell in known for cell in cells):
            problem = f"is a column of {other.noun}, as are all the others"
            return RowError(
                sheet.header.number, "", sheet.header.cells[0], problem, f"import the sheet as {other.noun}"
            )
    return None


def headers_of(ledger: Ledger) -> dict[str, tuple[Column, Reader]]:
    """Every header of *ledger*, folded: its column, and how cells under it are read."""
    headers = {}
    for column in ledger.columns:
        for name in (column.name, *column.english, *column.chinese):
            headers[_folded(name)] = (column, column.read)
        for name, read in column.units.items():
            headers[_folded(name)] = (column, read)
    return headers


def unlabelled(cell: str) -> str:
    """A cell that no header explains, without what may be a person's number."""
    return HIDDEN if _MAYBE_PERSONAL.search(cell) else cell


def _folded(header: str) -> str:
    """Headers are the same whatever their case, width and gaps: “Device No” is device_no."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", header).strip().casefold())
