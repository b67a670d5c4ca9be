"""A sheet of moves, one a row under a header, to the moves it asks for and what is wrong with the rest."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from psycopg import Connection

from fleet.ledger.cells import CellError, text
from fleet.ledger.nearest import Nearest
from fleet.ledger.sheet import read_sheet
from fleet.ledger.table import Sheet, SheetRow
from fleet.lifecycle.move import CHINESE, SORTS, Move, MoveKind
from fleet.lifecycle.moves import carry_out
from fleet.lifecycle.report import Complaint, Report
from fleet.lifecycle.states import NAMES

_STATES: Final = {name: state for state, (chinese, _) in NAMES.items() for name in (state, chinese)}
_DIGITS: Final = re.compile(r"[0-9]{1,15}")


def move_sheet(connection: Connection[Any], kind: MoveKind, content: bytes, *, apply: bool) -> Report:
    """What the moves of a sheet come to; with *apply*, and when nothing is wrong with any row, they are made.

    Raises SheetError when *content* is no sheet at all.
    """
    sheet = read_sheet(content)
    moves, complaints = read_moves(sheet, kind)
    report = carry_out(connection, kind, moves, apply=apply and not complaints)
    errors = sorted((*complaints, *report.errors), key=lambda error: error.row)
    return replace(report, moves=len(sheet.rows), errors=tuple(errors))


def read_moves(sheet: Sheet, kind: MoveKind) -> tuple[list[Move], list[Complaint]]:
    """The moves of the rows that can be read, and the complaints about the header and the others. Pure."""
    columns, complaints = _columns(sheet.header, kind)
    moves = []
    # A column that is missing or misspelt would be a complaint of each row besides.
    for row in sheet.rows if not complaints else ():
        values: dict[str, Any] = {}
        of_the_row = list(_read(row, columns, values))
        if "device_no" not in values and not of_the_row:
            of_the_row.append(Complaint(row.number, "", "device_no", "the row names no device"))
        complaints += of_the_row
        if not of_the_row:
            moves.append(Move(**{"reason": ""} | values, row=row.number))
    return moves, complaints


def _columns(header: SheetRow, kind: MoveKind) -> tuple[list[str], list[Complaint]]:
    sort = SORTS[kind]
    known = {_folded(word): name for name in sort.fields for word in (name, CHINESE[name])}
    nearest = Nearest(known)
    columns: list[str] = []
    complaints = []
    for cell in header.cells:
        name = known.get(_folded(cell))
        if name is None:
            meant = nearest.to(_folded(cell))
            hint = (
                f"did you mean {meant}?" if meant else f"the columns of a {sort.name_en} are {', '.join(sort.fields)}"
            )
            complaints.append(Complaint(header.number, "", cell, f"{cell!r} is no column known here: {hint}"))
        elif name in columns:
            complaints.append(Complaint(header.number, "", name, f"the column {name} stands twice: keep one"))
        columns.append(name or "")
    complaints += (
        Complaint(header.number, "", name, f"the column {name} is missing: add it")
        for name in sort.needs
        if name not in columns
    )
    return columns, complaints


def _folded(header: str) -> str:
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", header).strip().casefold())


def _read(row: SheetRow, columns: list[str], values: dict[str, Any]) -> Iterator[Complaint]:
    """Fill *values* from the cells; what is wrong with them."""
    device_no = row.cells[columns.index("device_no")] if len(row.cells) > columns.index("device_no") else ""
    if len(row.cells) > len(columns):
        sentence = f"{len(row.cells)} cells where the header has {len(columns)}: quote a cell that holds a comma"
        yield Complaint(row.number, device_no, "", sentence)
    for name, cell in zip(columns, row.cells, strict=False):
        if not cell:
            continue
        try:
            values[name] = _value(name, text(cell))
        except CellError as bad:
            yield Complaint(row.number, device_no, name, f"{cell[:128]!r} {bad.problem}: {bad.remedy}")


def _value(name: str, cell: str) -> str | int:
    if name == "to":
        # What is no state is refused with the states that may follow, which only the device tells.
        return _STATES.get(cell, cell)
    if name == "cost_fen":
        if _DIGITS.fullmatch(cell) is None:
            raise CellError("is no amount in fen", "write whole fen, 12.50 yuan as 1250")
        return int(cell)
    return cell
