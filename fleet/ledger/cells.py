"""The text of a cell to a value of the ledger, or to what is wrong with it and how to mend it. Pure."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from fleet.ledger.harmless import is_led
from fleet.ledger.nearest import Nearest
from fleet.ledger.report import Value

Reader = Callable[[str], Value]

MAX_TEXT: Final = 128
MAX_LONG_TEXT: Final = 500
# ="00123" is how a spreadsheet is told to leave the zeros alone.
_QUOTED = re.compile(r'="([^"]*)"')
_SPREADSHEET_ERROR = re.compile(
    r"#(?:N/A|REF!|NAME\?|VALUE!|DIV/0!|NULL!|NUM!|SPILL!|CALC!|FIELD!|BLOCKED!|UNKNOWN!|GETTING_DATA)"
)
_TOO_NARROW = re.compile(r"#{3,}")
_SCIENTIFIC = re.compile(r"\d(\.\d+)?E\+?\d+", re.IGNORECASE)
# As spreadsheets show it and people do not type it: with a sign, and two digits at least.
_ROUNDED = re.compile(r"-?\d(\.\d+)?E\+\d{2,3}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LOST: Final = "\ufffd"
# The blank as wide as a Chinese character is one that people see and type.
_WIDE_BLANK: Final = "\u3000"
_DAY = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[ T]0?0:00(?::00(?:\.0+)?)?)?", re.ASCII)
_CHINESE_DAY = re.compile(r"(\d{4})()年(\d{1,2})月(\d{1,2})日", re.ASCII)
_DAY_AND_TIME = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2})[ T]\d{1,2}:\d{2}.*", re.ASCII)
# Days since the last of 1899, as spreadsheets count them: those from 1927 to 2173.
_DAY_NUMBER = re.compile(r"[1-9]\d{4}", re.ASCII)
_DAY_BEFORE_THE_FIRST: Final = date(1899, 12, 30)
_EIGHT_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)


class CellError(Exception):
    """A cell that cannot be taken: *problem* and *remedy*, for the person who has the sheet open."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def text(cell: str, at_most: int = MAX_TEXT) -> str:
    """The cell as it is written. Raises CellError for what a spreadsheet left behind, and for what no screen shows."""
    # Nearly every cell ends here. A printable one holds no control character, and none that is invisible.
    if cell[:1] not in "=#'" and "E+" not in cell and len(cell) <= at_most and cell.isprintable() and _LOST not in cell:
        return cell
    quoted = _QUOTED.fullmatch(cell)
    if quoted is not None:
        cell = quoted[1]
    if is_led(cell):
        cell = cell[1:]
    elif cell.startswith("="):
        raise CellError("is a formula", "paste the column as values")
    _refuse_remains(cell)
    _refuse_invisible(cell)
    if len(cell) > at_most:
        raise CellError(f"has {len(cell)} characters", f"use at most {at_most}")
    return cell


def _refuse_remains(cell: str) -> None:
    if _SPREADSHEET_ERROR.fullmatch(cell):
        raise CellError("is an error value of the spreadsheet", "mend the formula, or type the value")
    if _TOO_NARROW.fullmatch(cell):
        raise CellError("is what a spreadsheet shows in a narrow column", "widen the column and save the sheet again")
    if _ROUNDED.fullmatch(cell):
        raise CellError(
            "is a number that the spreadsheet has rounded", "format the column as text and type the number again"
        )


def _refuse_invisible(cell: str) -> None:
    if _CONTROL.search(cell) is not None:
        raise CellError("holds a control character (line break, tab or NUL)", "type the value anew in one line")
    if _LOST in cell:
        raise CellError("holds a �: a character was lost when the file was converted", "type the value anew")
    for place, character in enumerate(cell, 1):
        # Cf shows nothing, or turns the direction of what follows; Zs is a blank of another width.
        if unicodedata.category(character) in ("Cf", "Zs") and character not in (" ", _WIDE_BLANK):
            raise CellError(
                f"holds an invisible character (U+{ord(character):04X}, the {_ordinal(place)})", "type the value anew"
            )


def _ordinal(number: int) -> str:
    last = number % 100
    suffix = "th" if last in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(last % 10, "th")
    return f"{number}{suffix}"


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
                "is a number that the spreadsheet has rounded", "format the column as text and type the number again"
            )
        if value[0] in "'’‘":
            raise CellError("begins with an apostrophe", "delete it: in this file it is part of the value")
        half_width = unicodedata.normalize("NFKC", value)
        if half_width != value and compiled.fullmatch(half_width) is not None:
            raise CellError("has full-width characters", f"write {half_width}")
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
    """A calendar day: 2026-11-23, 2026/11/23, 2026.11.23 or 2026年11月23日; at midnight, when there is a time."""
    written = unicodedata.normalize("NFKC", text(cell))
    found = _DAY.fullmatch(written) or _CHINESE_DAY.fullmatch(written)
    if found is not None and (known := _day_of(found[1], found[3], found[4])) is not None:
        return known
    if _DAY_NUMBER.fullmatch(written):
        meant = _DAY_BEFORE_THE_FIRST + timedelta(days=int(written))
        raise CellError("is a number, not a day", f"format the column as date, or write {meant}")
    eight = _EIGHT_DIGITS.fullmatch(written)
    if eight is not None and (known := _day_of(*eight.groups())) is not None:
        raise CellError("is a number, not a day", f"write {known}")
    timed = _DAY_AND_TIME.fullmatch(written)
    if timed is not None:
        raise CellError("has a time of day", f"write the day alone: {timed[1]}")
    raise CellError("is not a day of the calendar", "write it as year-month-day: 2026-11-23")


def _day_of(year: str, month: str, of_month: str) -> date | None:
    try:
        return date(int(year), int(month), int(of_month))
    except ValueError:
        return None


_YES_NO = choice(
    {"yes": "yes", "是": "yes", "true": "yes", "1": "yes", "no": "no", "否": "no", "false": "no", "0": "no"}
)


def yes_no(cell: str) -> bool:
    """是 or 否, yes or no, true or false, 1 or 0."""
    return _YES_NO(cell) == "yes"
