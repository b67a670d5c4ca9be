"""Tables of a terminal: what people copy is never cut or broken, everything else folds; too narrow, they are records.

Into a file or a pipe nothing folds at all, unless COLUMNS says how wide it is.
"""

import os
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

# Instants, by what stands above them; so is everything that is called like a column of the database: last_at.
INSTANTS: Final = frozenset(
    {
        "at",
        "began",
        "complete",
        "ended",
        "ends",
        "expires",
        "first, last",
        "last heard",
        "last log-in",
        "last used",
        "made",
        "received",
        "since",
        "when",
    }
)
# What else is never broken; device_no and found_on are not, either.
WHOLE: Final = INSTANTS | frozenset(
    {
        "case",
        "case, device",
        "day",
        "device",
        "device, case",
        "due",
        "entry",
        "first",
        "flagged",
        "found",
        "gone since",
        "host",
        "id",
        "kind, site",
        "model",
        "no.",
        "number",
        "programme",
        "row",
        "score",
        "seal",
        "site",
        "state",
        "user",
        "worker",
    }
)
_SUFFIXES: Final = ("_no", "_id", "_at", "_on")
ZONE: Final = "Times are China time (Asia/Shanghai). 时间为北京时间。"
# What a folding column needs to be read.
_FOLDED: Final = 12
# Of no terminal.
_UNBROKEN: Final = 1_000_000


def table_of(*headers: str, title: str | None = None) -> Table:
    """An empty table with these columns."""
    table = Table(title=escape(title) if title is not None else None)
    for header in headers:
        table.add_column(header, no_wrap=header in WHOLE or header.endswith(_SUFFIXES), overflow="fold")
    return table


def screen() -> Console:
    """Standard output for people: as wide as it is."""
    console = Console(highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(highlight=False, width=_UNBROKEN)


def print_table(table: Table, *, none: str) -> None:
    """Print *table*: as records where it would not be whole, and as the sentence *none* without rows."""
    console = screen()
    if not table.rows:
        console.print(none, markup=False, soft_wrap=True)
        return
    if _needed(table) <= console.width:
        console.print(table)
    else:
        _print_records(console, table)
    if any(column.header in INSTANTS or str(column.header).endswith("_at") for column in table.columns):
        console.print(ZONE, soft_wrap=True)


def _needed(table: Table) -> int:
    """The width below which something of *table* is cut, or cannot be read."""
    widths = [_widest(column) if column.no_wrap else min(_widest(column), _FOLDED) for column in table.columns]
    # A blank on each side of a cell, and a line beside each.
    return sum(widths) + 3 * len(widths) + 1


def _widest(column: Column) -> int:
    return max(line.cell_len for cell in (column.header, *column.cells) for line in _text(cell).split())


def _print_records(console: Console, table: Table) -> None:
    if table.title:
        console.print(table.title, soft_wrap=True)
    width = max(len(str(column.header)) for column in table.columns)
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        console.print()
        for column, cell in zip(table.columns, cells, strict=True):
            for number, line in enumerate(_text(cell).split() if _text(cell) else ()):
                console.print(Text(f"{'' if number else column.header:>{width}}  ").append_text(line), soft_wrap=True)


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text.from_markup(str(cell))
