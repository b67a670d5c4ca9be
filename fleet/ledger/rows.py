"""A sheet to the entries it names, each with the cells that say something. Pure; every complaint is collected."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from fleet.ledger.cells import CellError, Reader
from fleet.ledger.columns import Column, Ledger, Reference
from fleet.ledger.nearest import Nearest
from fleet.ledger.report import RowError, Value
from fleet.ledger.sheet import Sheet, SheetRow

# What may be written for an entry of each reference, and the key it means.
Known = Mapping[Reference, Mapping[str, str]]

# Cells of a column that are remembered: words, days and models stand in thousands of rows.
REMEMBERED: Final = 20_000
HIDDEN: Final = "***"
# So many digits at a stretch in a place where no header says what they are may be somebody's number.
_MAYBE_PERSONAL = re.compile(r"\d{11}")


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
    return [place.column for place in _places(sheet.header, ledger)[0] if place is not None]


def read_rows(sheet: Sheet, ledger: Ledger, known: Known) -> Reading:
    """The entries of *sheet*, with all that is wrong with its header and its cells.

    A sheet may refer to its own entries: *known* need not hold them, and holds what columns of the sheet refer to.
    """
    places, errors = _places(sheet.header, ledger)
    named = [None if place is None else place.column for place in places]
    missing = [name for name in _required(ledger) if ledger.column(name) not in named]
    if missing:
        return Reading((), (*errors, *_missing(sheet.header, missing, ledger, named)))
    references = _References(_with_own_keys(sheet, ledger, named, known))
    rows: list[Row] = []
    first_seen: dict[tuple[Value, ...], int] = {}
    for sheet_row in sheet.rows:
        values, masks, complaints = _values(sheet_row, places, references)
        of_the_key = _key_complaints(sheet_row, values, ledger, named, first_seen)
        errors += complaints + of_the_key
        if not of_the_key and all(name in values for name in ledger.key):
            bad = frozenset(complaint.column for complaint in complaints)
            rows.append(Row(sheet_row.number, values, bad, masks))
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


def _places(header: SheetRow, ledger: Ledger) -> tuple[list[_Place | None], list[RowError]]:
    by_name = _headers(ledger)
    nearest = Nearest(by_name)
    names = ", ".join(column.name for column in ledger.columns)
    places: list[_Place | None] = []
    taken: set[str] = set()
    errors = []
    for number, cell in enumerate(header.cells, 1):
        found = by_name.get(_folded(cell))
        if found is None:
            meant = nearest.to(_folded(cell))
            problem = "is no column known here" if cell else f"column {number} has no header"
            remedy = f"did you mean {meant}?" if meant else f"the columns of {ledger.noun} are {names}"
            shown = _unlabelled(cell)
            errors.append(RowError(header.number, shown, shown, problem, remedy))
        elif found[0].name in taken:
            errors.append(RowError(header.number, found[0].name, cell, "stands twice", "keep one of the two columns"))
            found = None
        else:
            taken.add(found[0].name)
        places.append(None if found is None else _Place(*found))
    return places, errors


def _headers(ledger: Ledger) -> dict[str, tuple[Column, Reader]]:
    """Every header of *ledger*, folded: its column, and how cells under it are read."""
    headers = {}
    for column in ledger.columns:
        for name in (column.name, *column.english, *column.chinese):
            headers[_folded(name)] = (column, column.read)
        for name, read in column.units.items():
            headers[_folded(name)] = (column, read)
    return headers


def _unlabelled(cell: str) -> str:
    """A cell that no header explains, without what may be a person's number."""
    return HIDDEN if _MAYBE_PERSONAL.search(cell) else cell


def _folded(header: str) -> str:
    """Headers are the same whatever their case, width and gaps: “Device No” is device_no."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", header).strip().casefold())


def _with_own_keys(sheet: Sheet, ledger: Ledger, columns: list[Column | None], known: Known) -> Known:
    place = columns.index(ledger.column(ledger.key[0]))
    if not any(reference == ledger.noun for reference in known):
        return known
    keys = {row.cells[place]: row.cells[place] for row in sheet.rows if place < len(row.cells)}
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
            _unlabelled(row.cells[width]),
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
