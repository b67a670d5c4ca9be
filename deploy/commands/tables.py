"""Tables of a terminal: numbers that people copy are never cut or broken, everything else folds."""

from typing import Final

from rich.markup import escape
from rich.table import Table

# By what stands above them.
WHOLE: Final = frozenset(
    {
        "device",
        "device_no",
        "case",
        "case_no",
        "number",
        "programme",
        "programme_no",
        "score",
        "case, device",
        "kind, site",
        "due",
        "device, case",
        "first, last",
    }
)


def table_of(*headers: str, title: str | None = None) -> Table:
    """An empty table with these columns."""
    table = Table(title=escape(title) if title is not None else None)
    for header in headers:
        table.add_column(header, no_wrap=header in WHOLE, overflow="fold")
    return table
