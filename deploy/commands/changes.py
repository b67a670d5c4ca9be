"""Changes of the ledger on a terminal: one table, one way to write a value."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
import typer
from rich.markup import escape

from deploy.commands.tables import print_table, table_of
from fleet.audit.differences import Difference
from fleet.audit.history import Change
from fleet.business_day import SHANGHAI

# A terminal is no place for all columns of a new device; --json has them all.
FIELDS_SHOWN: Final = 12


def show_changes(changes: Sequence[Change], *, as_json: bool) -> None:
    """Print *changes* as a table, or all of them as JSON."""
    if as_json:
        typer.echo(orjson.dumps(list(changes), option=orjson.OPT_INDENT_2).decode())
        return
    table = table_of("seal", "when", "who, from where", "what", "changed", "why")
    for change in changes:
        table.add_row(
            "waits" if change.seal_no is None else str(change.seal_no),
            f"{change.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}",
            _text(f"{change.actor}, {change.origin}"),
            _text(f"{change.action} {change.entity} {change.label}"),
            _text(_told(change.differences)),
            _text(change.reason or ""),
        )
    print_table(table, none="Nothing was changed. 没有变更。")


def show_fields(fields: dict[str, Any], *, as_json: bool) -> None:
    """Print the fields of an entry, those without a value left out, or all of them as JSON."""
    if as_json:
        typer.echo(orjson.dumps(fields, option=orjson.OPT_INDENT_2).decode())
        return
    for name, value in fields.items():
        if value is not None:
            typer.echo(f"{name:>24}: {_printable(str(value))}")


def _told(fields: Sequence[Difference]) -> str:
    lines = [_line(field) for field in fields if field.hidden or not (field.before is field.after is None)]
    more = len(lines) - FIELDS_SHOWN
    return "\n".join([*lines[:FIELDS_SHOWN], *([f"… {more} more"] if more > 0 else [])])


def _line(field: Difference) -> str:
    if field.hidden:
        return f"{field.field} (not shown)"
    if field.before is None:
        return f"{field.field} = {field.after}"
    return f"{field.field}: {field.before} → {'' if field.after is None else field.after}"


def _text(value: str) -> str:
    return escape("\n".join(map(_printable, value.split("\n"))))


def _printable(value: str) -> str:
    """What anybody wrote into the database is shown, never obeyed by the terminal."""
    return value if value.isprintable() else repr(value)[1:-1]
