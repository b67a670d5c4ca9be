"""``tracefleet regions|sites|merchants|models|devices import FILE``: spreadsheets into the ledger."""

import dataclasses
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.commands import sheets
from fleet.errors import SheetError
from fleet.ledger.imports import import_sheet
from fleet.ledger.nouns import LEDGERS, Ledger
from fleet.ledger.report import Noun, Report
from store.database import connect_once
from store.errors import TracefleetError
from store.migrations import require_current_schema
from store.settings import load

# A terminal is no place for more; --json has them all.
SHOWN: Final = 500

Sheet = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A workbook (XLSX), or CSV in UTF-8 or GB18030; its first row is the header."),
]
Apply = Annotated[bool, typer.Option("--apply", help="Write it. Without this, it is only said what would be done.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _app(noun: Noun) -> typer.Typer:
    columns = "\n    ".join(_columns(LEDGERS[noun]))
    app = typer.Typer(no_args_is_help=True, help=f"The {noun} of the ledger.")
    what = f"""Import {noun} from a sheet: all rows or none.

    Says what would be created, changed and left alone, and every error of every row; an empty cell changes nothing.

    Of a workbook, the one visible sheet that has something in it is read, hidden rows and columns included.

    Columns in any order, by either header; those with * are required for new {noun}:

    \b
    {columns}
    """

    # An empty callback keeps `import` a command of its own while it is the only one.
    @app.callback()
    def _group() -> None: ...

    @app.command("import", help=what, epilog=f"Example: tracefleet {noun} import {noun}.csv --apply")
    def _import(file: Sheet, apply: Apply = False, as_json: AsJson = False) -> None:
        report = _run(noun, file, apply=apply)
        if as_json:
            typer.echo(json.dumps(dataclasses.asdict(report), ensure_ascii=False, default=date.isoformat))
        else:
            _show(report, file)
        if not report.is_good:
            raise typer.Exit(1)

    sheets.attach(app, noun, noun)
    return app


def _columns(ledger: Ledger) -> Iterator[str]:
    """A line for each column: its headers, whether a new entry needs it, and what may be written."""
    width = max(len(column.name) for column in ledger.columns) + 2
    for column in ledger.columns:
        yield f"{column.name + (' *' if column.needed else ''):<{width}}  {' / '.join(column.chinese)}"
        if column.words is not None:
            for word, chinese in column.words.items():
                yield f"{'':<{width}}    {word} {chinese}{' (a new one, when empty)' if word == column.default else ''}"
        elif column.refers_to is not None:
            yield f"{'':<{width}}    one of the {column.refers_to}"
        elif column.default is not None:
            yield f"{'':<{width}}    {column.default} (a new one, when empty)"


def _run(noun: Noun, file: Path, *, apply: bool) -> Report:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise TracefleetError(
            f"{file} cannot be read: {error.strerror}. Check the path and its permissions."
        ) from error
    settings = load()
    name = f"tracefleet {noun} import"
    require_current_schema(settings, application_name=name)
    try:
        with connect_once(settings.require_database_url(), application_name=name) as connection:
            return import_sheet(connection, noun, content, apply=apply)
    except SheetError as error:
        raise SheetError(f"{file}: {error}") from error


def _show(report: Report, file: Path) -> None:
    console = Console()
    if report.errors:
        console.print(_errors(report))
    if report.changed:
        console.print(_changes(report))
    rest = max(len(report.errors), len(report.changed)) - SHOWN
    if rest > 0:
        console.print(f"… and more: the first {SHOWN} are shown, --json prints all.")
    console.print(escape(_summary(report, file)), highlight=False)


def _errors(report: Report) -> Table:
    table = Table("row", "column", "value", "what is wrong", "what to do", title="Errors")
    for error in report.errors[:SHOWN]:
        value = error.value if error.value.isprintable() else repr(error.value)
        table.add_row(str(error.row), *map(escape, (error.column, value, error.problem, error.remedy)))
    return table


def _changes(report: Report) -> Table:
    table = Table("row", "entry", "column", "before", "after", title="Changes")
    for change in report.changed[:SHOWN]:
        for field in change.fields:
            before = "" if field.before is None else str(field.before)
            table.add_row(str(change.row), *map(escape, (change.key, field.column, before, str(field.after))))
    return table


def _summary(report: Report, file: Path) -> str:
    if not report.rows and report.is_good:
        return f"{file} has a header and no rows: there is nothing to import."
    counts = (
        f"{_counted(report.rows, 'row')} of {report.noun}: {len(report.created)} new, {len(report.changed)} changed, "
        f"{report.unchanged} left alone, {_counted(len(report.errors), 'error')}."
    )
    if report.errors:
        return f"{counts} Nothing was written: correct the rows above and import {file} again."
    if report.applied:
        return f"{counts} Written."
    return f"{counts} Nothing was written yet: add --apply to write it."


def _counted(number: int, singular: str) -> str:
    return f"{number} {singular}{'' if number == 1 else 's'}"


regions: Final = _app("regions")
sites: Final = _app("sites")
merchants: Final = _app("merchants")
models: Final = _app("models")
devices: Final = _app("devices")
