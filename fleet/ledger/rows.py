"""A sheet to the entries it names, each with the cells that say something. Pure; every complaint is collected."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from fleet.ledger import headers
from fleet.ledger.cells import CellError, Reader
from fleet.ledger.columns import Column, Ledger, Reference
from fleet.ledger.harmless import unled
from fleet.ledger.headers import HIDDEN
from fleet.ledger.nearest import Nearest
from fleet.ledger.report import RowError, Value
from fleet.ledger.table import Sheet, SheetRow

# What may be written for an entry of each reference, and the key it means.
Known = Mapping[Reference, Mapping[str, str]]

# Cells of a column that are remembered: words, days and models stand in thousands of rows.
REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Row:
    """The good cells of a row by column; an empty cell is absent, for it changes nothing.

    *bad* names the columns that have complaints, "" for one about the row itself: such a row is not written.
    *masks* are cells of personal columns that hold no value but what an export shows of one.
    *emptied* names columns that are to hold nothing; no sheet can ask for that.
    """

    number: int
    values: Mapping[str, Value]
    bad: frozenset[str] = frozenset()
    masks: Mapping[str, str] = field(default_factory=dict)
    emptied: frozenset[str] = frozenset()


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


class _Place:
    """A column where it stands in a sheet: how its cells are read there, and what they were found to mean."""

    def __init__(self, column: Column, read: Reader) -> None:
        self.column = column
        self._read = read
        self._seen: dict[str, Value] = {}

    def read(self, cell: str, references: _References) -> Value:
        """The value of *cell*. Raises CellError."""
        if (seen := self._seen.get(cell)) is not None:
            return seen
        value = self._read(cell)
        if self.column.refers_to is not None and isinstance(value, str):
            value = references.resolve(self.column.refers_to, value)
        if len(self._seen) < REMEMBERED:
            self._seen[cell] = value
        return value


def columns_of(sheet: Sheet, ledger: Ledger) -> list[Column]:
    """The columns of *ledger* that the header of *sheet* names."""
    return [found[0] for found in headers.named(sheet.header, ledger)[0] if found is not None]


def names_personal(sheet: Sheet, ledger: Ledger) -> bool:
    """Whether the header names a personal column: what such a sheet changes tells what the ledger holds."""
    return any(column.personal is not None for column in columns_of(sheet, ledger))


def read_rows(sheet: Sheet, ledger: Ledger, known: Known) -> Reading:
    """The entries of *sheet*, with all that is wrong with its header and its cells.

    A sheet may refer to its own entries: *known* need not hold them, and holds what columns of the sheet refer to.
    """
    found, errors = headers.named(sheet.header, ledger)
    if not any(found) and (why := headers.mistaken(sheet, ledger)) is not None:
        return Reading((), (why,))
    columns = [None if each is None else each[0] for each in found]
    of_the_key = [name for name in _required(ledger) if ledger.column(name) not in columns]
    if of_the_key:
        return Reading((), (*errors, *headers.missing(sheet.header, of_the_key, ledger, columns)))
    places = [None if each is None else _Place(*each) for each in found]
    references = _References(_with_own_keys(sheet, ledger, columns, known))
    rows: list[Row] = []
    first_seen: dict[tuple[Value, ...], int] = {}
    for sheet_row in sheet.rows:
        values, masks, complaints = _values(sheet_row, places, references)
        about_the_key = _key_complaints(sheet_row, values, ledger, columns, first_seen)
        errors += complaints + about_the_key
        if not about_the_key and all(name in values for name in ledger.key):
            bad = frozenset(complaint.column for complaint in complaints)
            rows.append(Row(sheet_row.number, values, bad, masks))
    return Reading(tuple(rows), tuple(errors))


def _required(ledger: Ledger) -> Iterator[str]:
    return (name for name in ledger.key if ledger.column(name).default is None)


def _with_own_keys(sheet: Sheet, ledger: Ledger, columns: list[Column | None], known: Known) -> Known:
    place = columns.index(ledger.column(ledger.key[0]))
    if not any(reference == ledger.noun for reference in known):
        return known
    own = (unled(row.cells[place]) for row in sheet.rows if place < len(row.cells))
    keys = {key: key for key in own}
    return {reference: dict(names) | keys if reference == ledger.noun else names for reference, names in known.items()}


def _values(
    row: SheetRow, places: list[_Place | None], references: _References
) -> tuple[dict[str, Value], dict[str, str], list[RowError]]:
    values: dict[str, Value] = {}
    masks: dict[str, str] = {}
    errors: list[RowError] = []
    for place, cell in zip(places, row.cells, strict=False):
        if place is None or not cell:
            continue
        column = place.column
        if column.personal is not None and "*" in cell:
            masks[column.name] = cell
            continue
        try:
            values[column.name] = place.read(cell, references)
        except CellError as bad:
            shown = HIDDEN if column.personal is not None else cell
            errors.append(RowError(row.number, column.name, shown, bad.problem, bad.remedy))
    errors += _beyond_the_header(row, len(places))
    return values, masks, errors


def _beyond_the_header(row: SheetRow, width: int) -> Iterator[RowError]:
    if len(row.cells) > width:
        yield RowError(
            row.number,
            "",
            headers.unlabelled(row.cells[width]),
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
    for name in ledger.key:
        if name in values:
            continue
        default = ledger.column(name).default
        if _is_written(row, columns, name):
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


def _is_written(row: SheetRow, columns: list[Column | None], name: str) -> bool:
    return any(column.name == name for column, cell in zip(columns, row.cells, strict=False) if column and cell)
