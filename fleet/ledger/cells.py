"""The text of a cell to a value of the ledger, or to what is wrong with it and how to mend it. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from fleet.ledger.nearest import Nearest
from fleet.ledger.report import Value

Reader = Callable[[str], Value]

MAX_TEXT: Final = 128
MAX_LONG_TEXT: Final = 500
# ="00123" is how a spreadsheet is told to leave the zeros alone.
_QUOTED = re.compile(r'="([^"]*)"')
_SPREADSHEET_ERRORS: Final = frozenset({"#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!"})
_SCIENTIFIC = re.compile(r"\d(\.\d+)?E\+?\d+", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DAY = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")


class CellError(Exception):
    """A cell that cannot be taken: *problem* and *remedy*, for the person who has the sheet open."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def text(cell: str, at_most: int = MAX_TEXT) -> str:
    """The cell as it is written. Raises CellError for what a spreadsheet left behind, and for what no screen shows."""
    # Nearly every cell ends here. A printable one holds no control character.
    if cell[:1] not in "=#" and len(cell) <= at_most and cell.isprintable():
        return cell
    quoted = _QUOTED.fullmatch(cell)
    if quoted is not None:
        cell = quoted[1]
    if cell in _SPREADSHEET_ERRORS:
        raise CellError("is an error value of the spreadsheet", "mend the formula, or type the value")
    if cell.startswith("="):
        raise CellError("is a formula", "paste the column as values")
    if _CONTROL.search(cell) is not None:
        raise CellError("holds a control character (line break, tab or NUL)", "type the value anew in one line")
    if len(cell) > at_most:
        raise CellError(f"has {len(cell)} characters", f"use at most {at_most}")
    return cell


def long_text(cell: str) -> str:
    """A sentence or two: an address, a reason, a source."""
    return text(cell, MAX_LONG_TEXT)


def code(pattern: str, expected: str) -> Reader:
    """A reader of codes that match *pattern*; *expected* tells people what that is."""
    compiled = re.compile(pattern)

    def read(cell: str) -> str:
        value = text(cell)
        if compiled.fullmatch(value) is not None:
            return value
        if _SCIENTIFIC.fullmatch(value):
            raise CellError(
                "is a number that the spreadsheet has rounded", "format the column as text and type the code again"
            )
        raise CellError("is not a valid code", f"write {expected}")

    return read


def choice(names: Mapping[str, str]) -> Reader:
    """A reader of one of *names* (what may be written, to what it means)."""
    folded = {name.casefold(): meaning for name, meaning in names.items()}
    nearest = Nearest(names)

    def read(cell: str) -> str:
        value = text(cell)
        meaning = folded.get(value.casefold())
        if meaning is None:
            meant = nearest.to(value)
            hint = f"did you mean {meant}?" if meant else f"write one of {', '.join(dict.fromkeys(names.values()))}"
            raise CellError("is none of the words known here", hint)
        return meaning

    return read


def day(cell: str) -> date:
    """A calendar day: 2026-11-23, 2026/11/23 or 2026.11.23."""
    found = _DAY.fullmatch(text(cell))
    try:
        if found is not None:
            return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        pass
    raise CellError("is not a day of the calendar", "write it as year-month-day: 2026-11-23")


_YES_NO = choice(
    {"yes": "yes", "是": "yes", "true": "yes", "1": "yes", "no": "no", "否": "no", "false": "no", "0": "no"}
)


def yes_no(cell: str) -> bool:
    """是 or 否, yes or no, true or false, 1 or 0."""
    return _YES_NO(cell) == "yes"
