"""A sheet to the entries it names, each with the cells that say something. Pure; every complaint is collected."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.ledger.cells import CellError
from fleet.ledger.nearest import Nearest
from fleet.ledger.nouns import Column, Ledger, Reference
from fleet.ledger.report import RowError, Value
from fleet.ledger.table import Sheet, SheetRow

# What may be written for an entry of each reference, and the key it means.
Known = Mapping[Reference, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """The good cells of a row by column; an empty cell is absent, for it changes nothing.

    *bad* names the columns that have complaints, "" for one about the row itself: such a row is not written.
    """

    number: int
    values: Mapping[str, Value]
    bad: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of a sheet that have a key of their own, and what is wrong with its header and its cells."""

    rows: tuple[Row, ...]
    errors: tuple[RowError, ...]


class _References:
    """Looks up what cells name; the order for “did you mean” is made when the first one is unknown."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._nearest: dict[Reference, Nearest] = {}

    def resolve(self, reference: Reference, value: str) -> str:
        """The key that *value* means. Raises CellError when the ledger holds no such entry."""
        names = self._known[reference]
        if (key := names.get(value)) is not None:
            return key
        if reference not in self._nearest:
            self._nearest[reference] = Nearest(names)
        meant = self._nearest[reference].to(value)
        where = f"among the {reference} of the ledger"
        raise CellError(
            f"is not {where}",
            f"did you mean {meant}?" if meant else f"import the {reference} first, or correct the cell",
        )


def read_rows(sheet: Sheet, ledger: Ledger, known: Known) -> Reading:
    """The entries of *sheet*, with all that is wrong with its header and its cells.

    A sheet may refer to its own entries: *known* need not hold them.
    """
    columns, errors = _columns(sheet.header, ledger)
    missing = [name for name in _required(ledger) if ledger.column(name) not in columns]
    if missing:
        return Reading((), (*errors, *_missing(sheet.header, missing, ledger, columns)))
    references = _References(_with_own_keys(sheet, ledger, columns, known))
    rows: list[Row] = []
    first_seen: dict[tuple[Value, ...], int] = {}
    for sheet_row in sheet.rows:
        values, complaints = _values(sheet_row, columns, references)
        of_the_key = _key_complaints(sheet_row, values, ledger, columns, first_seen)
        errors += complaints + of_the_key
        if not of_the_key and all(name in values for name in ledger.key):
            rows.append(Row(sheet_row.number, values, frozenset(complaint.column for complaint in complaints)))
    return Reading(tuple(rows), tuple(errors))


def _required(ledger: Ledger) -> Iterator[str]:
    return (name for name in ledger.key if ledger.column(name).default is None)


def _missing(
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


def _columns(header: SheetRow, ledger: Ledger) -> tuple[list[Column | None], list[RowError]]:
    by_name = {_folded(name): column for column in ledger.columns for name in (column.name, *column.chinese)}
    nearest = Nearest(by_name)
    names = ", ".join(column.name for column in ledger.columns)
    columns: list[Column | None] = []
    errors = []
    for place, cell in enumerate(header.cells, 1):
        column = by_name.get(_folded(cell))
        if column is None:
            meant = nearest.to(_folded(cell))
            problem = "is no column known here" if cell else f"column {place} has no header"
            remedy = f"did you mean {meant}?" if meant else f"the columns of {ledger.noun} are {names}"
            errors.append(RowError(header.number, cell, cell, problem, remedy))
        elif column in columns:
            errors.append(RowError(header.number, column.name, cell, "stands twice", "keep one of the two columns"))
            column = None
        columns.append(column)
    return columns, errors


def _folded(header: str) -> str:
    """Headers are the same whatever their case, width and gaps: “Device No” is device_no."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", header).strip().casefold())


def _with_own_keys(sheet: Sheet, ledger: Ledger, columns: list[Column | None], known: Known) -> Known:
    place = columns.index(ledger.column(ledger.key[0]))
    keys = {row.cells[place]: row.cells[place] for row in sheet.rows if place < len(row.cells)}
    return {reference: dict(names) | keys if reference == ledger.noun else names for reference, names in known.items()}


def _values(
    row: SheetRow, columns: list[Column | None], references: _References
) -> tuple[dict[str, Value], list[RowError]]:
    values: dict[str, Value] = {}
    errors = []
    for column, cell in zip(columns, row.cells, strict=False):
        if column is None or not cell:
            continue
        try:
            value = column.read(cell)
            if column.refers_to is not None and isinstance(value, str):
                value = references.resolve(column.refers_to, value)
            values[column.name] = value
        except CellError as bad:
            errors.append(RowError(row.number, column.name, cell, bad.problem, bad.remedy))
    errors += _beyond_the_header(row, len(columns))
    return values, errors


def _beyond_the_header(row: SheetRow, width: int) -> Iterator[RowError]:
    if len(row.cells) > width:
        yield RowError(
            row.number,
            "",
            row.cells[width],
            f"has {len(row.cells)} cells where the header has {width}",
            "put a cell that holds a comma in quotation marks, or give the column a header",
        )


def _key_complaints(
    row: SheetRow,
    values: dict[str, Value],
    ledger: Ledger,
    columns: list[Column | None],
    first_seen: dict[tuple[Value, ...], int],
) -> list[RowError]:
    """What is wrong with the key of a row. Fills the defaults of its parts in."""
    written = {column.name for column, cell in zip(columns, row.cells, strict=False) if column is not None and cell}
    for name in ledger.key:
        default = ledger.column(name).default
        if name in values:
            continue
        if name in written:
            return []  # a bad cell, which has its complaint
        if default is None:
            return [RowError(row.number, name, "", "is empty: it says which entry the row is about", f"fill in {name}")]
        values[name] = default
    key = ledger.key_of(values)
    first = first_seen.setdefault(key, row.number)
    if first != row.number:
        shown = " ".join(map(str, key))
        problem = f"stands in row {first} already"
        return [RowError(row.number, ledger.key[0], shown, problem, "keep one of the two rows")]
    return []
