"""Texts that a spreadsheet program would run as a formula, led by an apostrophe on the way out and without it again.

The apostrophe goes before a text that is dangerous, or is one that already has it: so each text comes back as it was.
"""

import re
from typing import Final

# What spreadsheet programs take for the beginning of a formula, in the width of either language.
_DANGEROUS: Final = r"[=+\-@\t\r\n＝＋－＠]"
_TO_LEAD: Final = re.compile(rf"'*{_DANGEROUS}")
_LED: Final = re.compile(rf"'+{_DANGEROUS}")
# A negative number is one: a formula that it could be has the same value.
_NUMBER: Final = re.compile(r"-\d+(?:\.\d+)?", re.ASCII)
# In the cells of a workbook a text is a text. Only here it is asked whether somebody meant a formula.
_MEANT: Final = re.compile(rf"=|'+{_DANGEROUS}")


def harmless(text: str) -> str:
    """*text* for a file whose cells have no types, as CSV."""
    return f"'{text}" if _TO_LEAD.match(text) and not _NUMBER.fullmatch(text) else text


def harmless_typed(text: str) -> str:
    """*text* for a file whose cells have types, where it cannot run: only what would not come back is led."""
    return f"'{text}" if _MEANT.match(text) else text


def unled(cell: str) -> str:
    """The text of a cell that may be led."""
    return cell[1:] if is_led(cell) else cell


def is_led(cell: str) -> bool:
    """Whether the first character of *cell* is the apostrophe of :func:`harmless`, and no part of the text."""
    return _LED.match(cell) is not None
