"""A sheet of cases or devices, one a row under a header, to the orders it gives and what is wrong with the rest."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from psycopg import Connection

from fleet.ledger import cells
from fleet.ledger.cells import CellError, text
from fleet.ledger.nearest import Nearest
from fleet.ledger.sheet import read_sheet
from fleet.ledger.table import Sheet, SheetRow
from fleet.retirement.cases import carry_out
from fleet.retirement.opening import Opening, open_cases
from fleet.retirement.order import CHINESE, Order, Paper
from fleet.retirement.report import Complaint, Report
from fleet.retirement.states import APPRAISALS, METHODS, REPLACEMENTS, STEPS, StepName

OPENING: Final = ("device_no", "reason", "programme_no")
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    field: {word: value for value, (chinese, english) in names.items() for word in (value, chinese, english)}
    for field, names in (("appraisal", APPRAISALS), ("method", METHODS), ("replacement", REPLACEMENTS))
}
T = TypeVar("T")
_DIGITS: Final = re.compile(r"[0-9]{1,15}")


def step_sheet(
    connection: Connection[Any],
    name: StepName,
    content: bytes,
    *,
    now: datetime,
    apply: bool,
    actor: str | None = None,
    papers: tuple[Paper, ...] = (),
) -> Report:
    """What the orders of a sheet come to; with *apply*, and when nothing is wrong with any row, they are made.

    *papers* are laid with every case of it. Raises SheetError when *content* is no sheet at all.
    """
    step = STEPS[name]
    fields = ("case_no", "device_no", *step.needs, *step.may_have)
    sheet = read_sheet(content)
    read, complaints = _read_rows(sheet, fields, lambda row, values: Order(row=row, papers=papers, **values))
    report = carry_out(connection, name, read, now=now, apply=apply and not complaints, actor=actor)
    return _together(report, sheet, complaints)


def opening_sheet(connection: Connection[Any], content: bytes, *, now: datetime, apply: bool) -> Report:
    """What the openings of a sheet come to, in the same way."""
    sheet = read_sheet(content)

    def opening(row: int, values: Mapping[str, Any]) -> Opening:
        return Opening(row=row, **{"device_no": "", **values})

    read, complaints = _read_rows(sheet, OPENING, opening)
    report = open_cases(connection, read, now=now, apply=apply and not complaints)
    return _together(report, sheet, complaints)


def _together(report: Report, sheet: Sheet, complaints: Sequence[Complaint]) -> Report:
    errors = sorted((*complaints, *report.errors), key=lambda error: error.row)
    return replace(report, orders=len(sheet.rows), errors=tuple(errors))


def _read_rows(
    sheet: Sheet, fields: Sequence[str], made: Callable[[int, Mapping[str, Any]], T]
) -> tuple[list[T], list[Complaint]]:
    """What is made of the rows that can be read, and the complaints about the header and the others."""
    columns, complaints = _columns(sheet.header, fields)
    read = []
    # A column that is misspelt would be a complaint of each row besides.
    for row in sheet.rows if not complaints else ():
        values: dict[str, Any] = {}
        of_the_row = list(_read(row, columns, values))
        complaints += of_the_row
        if not of_the_row:
            read.append(made(row.number, values))
    return read, complaints


def _columns(header: SheetRow, fields: Sequence[str]) -> tuple[list[str], list[Complaint]]:
    known = {_folded(word): name for name in fields for word in (name, CHINESE.get(name, name))}
    nearest = Nearest(known)
    columns: list[str] = []
    complaints = []
    for cell in header.cells:
        name = known.get(_folded(cell))
        if name is None:
            meant = nearest.to(_folded(cell))
            hint = f"did you mean {meant}?" if meant else f"the columns are {', '.join(fields)}"
            complaints.append(_complaint(header, cell, f"{cell!r} is no column known here: {hint}"))
        elif name in columns:
            complaints.append(_complaint(header, name, f"the column {name} stands twice: keep one"))
        columns.append(name or "")
    if not complaints and not {"case_no", "device_no"} & set(columns):
        complaints.append(_complaint(header, "case_no", "neither case_no nor device_no is a column: add one"))
    return columns, complaints


def _complaint(row: SheetRow, column: str, sentence: str, *, case_no: str = "", device_no: str = "") -> Complaint:
    return Complaint(row.number, case_no, device_no, column, sentence)


def _folded(header: str) -> str:
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", header).strip().casefold())


def _read(row: SheetRow, columns: Sequence[str], values: dict[str, Any]) -> Iterator[Complaint]:
    """Fill *values* from the cells; what is wrong with them."""
    if len(row.cells) > len(columns):
        sentence = f"{len(row.cells)} cells where the header has {len(columns)}: quote a cell that holds a comma"
        yield _complaint(row, "", sentence)
    for name, cell in zip(columns, row.cells, strict=False):
        if not cell:
            continue
        try:
            values[name] = _value(name, text(cell))
        except CellError as bad:
            sentence = f"{cell[:128]!r} {bad.problem}: {bad.remedy}"
            yield _complaint(row, name, sentence, device_no=str(values.get("device_no", "")))


def _value(name: str, cell: str) -> Any:  # noqa: ANN401 - whatever the field takes
    if name in _WORDS:
        # What is no such word is refused by the guard, with all there are.
        return _WORDS[name].get(cell, cell)
    if name == "kept_until":
        return cells.day(cell)
    if name == "income_fen":
        if _DIGITS.fullmatch(cell) is None:
            raise CellError("is no amount in fen", "write whole fen, 12.50 yuan as 1250")
        return int(cell)
    return cell
