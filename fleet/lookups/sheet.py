"""A sheet of look-ups, one a row under a header, to what it tells and what is wrong with the rest."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from psycopg import Connection

from fleet.ledger.cells import CellError, choice, day, text
from fleet.ledger.sheet import read_sheet
from fleet.ledger.table import Sheet, SheetRow
from fleet.lookups.lookup import CHANNEL_NAMES, Lookups, Outcome, RowComplaint, tell

_CHANNEL: Final = choice({name: name for name in CHANNEL_NAMES} | {zh: name for name, zh in CHANNEL_NAMES.items()})
_COUNT: Final = re.compile(r"\d{1,15}", re.ASCII)


def _count(cell: str) -> int:
    written = text(cell)
    if _COUNT.fullmatch(written) is None:
        raise CellError("is no whole number", "write the number of look-ups in digits alone")
    return int(written)


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "site_no": text,
    "day": day,
    "channel": _CHANNEL,
    "lookups": _count,
}
_HEADERS: Final = {name: name for name in _READERS} | {
    "节点编号": "site_no",
    "日期": "day",
    "渠道": "channel",
    "查询量": "lookups",
    "查询次数": "lookups",
}


def lookups_sheet(connection: Connection[Any], content: bytes, *, today: date, apply: bool) -> Outcome:
    """What a sheet comes to; with *apply*, and when nothing is wrong with any row, it is written.

    Raises SheetError when *content* is no sheet at all.
    """
    sheet = read_sheet(content)
    told, errors = read_lookups(sheet)
    outcome = tell(connection, told, today=today, apply=apply and not errors)
    every = tuple(sorted((*errors, *outcome.errors), key=lambda error: error.row))
    return replace(outcome, told=len(sheet.rows), errors=every)


def read_lookups(sheet: Sheet) -> tuple[list[Lookups], list[RowComplaint]]:
    """The rows that can be read, and what is wrong with the header and the others. Pure."""
    columns, errors = _columns(sheet.header)
    told = []
    for row in sheet.rows if not errors else ():
        values, wrong = _read(row, columns)
        errors += wrong
        if not wrong:
            told.append(Lookups(**values, row=row.number))
    return told, errors


def _columns(header: SheetRow) -> tuple[list[str], list[RowComplaint]]:
    columns = [_HEADERS.get(cell.strip().casefold(), "") for cell in header.cells]
    errors = [
        RowComplaint(header.number, cell, f"{cell!r} is no column known here: they are {', '.join(_READERS)}")
        for cell, name in zip(header.cells, columns, strict=True)
        if not name
    ]
    errors += [
        RowComplaint(
            header.number, name, f"the column {name} has to stand there once, and stands {columns.count(name)} times"
        )
        for name in _READERS
        if columns.count(name) != 1
    ]
    return columns, errors


def _read(row: SheetRow, columns: Sequence[str]) -> tuple[dict[str, Any], list[RowComplaint]]:
    values: dict[str, Any] = {}
    errors = []
    for place, name in enumerate(columns):
        cell = row.cells[place] if place < len(row.cells) else ""
        try:
            if not cell:
                raise CellError("is empty", "fill it in")  # noqa: TRY301 - as its reader would
            values[name] = _READERS[name](cell)
        except CellError as bad:
            errors.append(RowComplaint(row.number, name, f"{cell[:64]!r} {bad.problem}: {bad.remedy}"))
    if len(row.cells) > len(columns):
        errors.append(RowComplaint(row.number, "", f"{len(row.cells)} cells where the header has {len(columns)}"))
    return values, errors
