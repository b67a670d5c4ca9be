"""``tracefleet devices import FILE`` and its siblings: spreadsheets into the ledger, a group of commands a noun."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from deploy.commands import sheets
from deploy.commands.acting import actor
from deploy.commands.files import content_of
from deploy.commands.import_progress import progress
from deploy.commands.tables import screen, table_of
from fleet.acting import acting
from fleet.errors import SheetError
from fleet.keys import Keys
from fleet.ledger.imports import import_sheet
from fleet.ledger.nouns import LEDGERS, Ledger
from fleet.ledger.report import Noun, Report, RowError
from store.database import connect_once
from store.migrations import require_current_schema
from store.settings import load

# A terminal is no place for more; --json has them all.
SHOWN: Final = 500

Sheet = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A workbook (XLSX), or CSV in UTF-8 or GB18030; its first row is the header."),
]
Apply = Annotated[bool, typer.Option("--apply", help="Write it. Without this, it is only said what would be done.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit and the history of each entry.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _app(noun: Noun) -> typer.Typer:
    command = command_of(noun)
    columns = "\n    ".join(_columns(LEDGERS[noun]))
    app = typer.Typer(no_args_is_help=True, help=f"The {_plural(noun)} of the ledger.")
    what = f"""Import {_plural(noun)} from a sheet: all rows or none.

    Says what would be created, changed and left alone, and every error of every row; an empty cell changes nothing.

    Of a workbook, the one visible sheet that has something in it is read, hidden rows and columns included.

    Columns in any order, by either header; those with * are required for new {_plural(noun)}:

    \b
    {columns}
    """

    # An empty callback keeps `import` a command of its own while it is the only one.
    @app.callback()
    def _group() -> None: ...

    @app.command("import", help=what, epilog=f"Example: tracefleet {command} import {command}.csv --apply")
    def _import(file: Sheet, apply: Apply = False, reason: Reason = "", as_json: AsJson = False) -> None:
        report = _run(noun, file, apply=apply, reason=reason)
        if as_json:
            typer.echo(json.dumps(dataclasses.asdict(report), ensure_ascii=False, default=str))
        else:
            _show(report, file)
        if not report.is_good:
            raise typer.Exit(1)

    sheets.attach(app, noun, command)
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
        elif column.default == "":
            continue
        elif column.default is not None:
            yield f"{'':<{width}}    {column.default} (a new one, when empty)"


def _run(noun: Noun, file: Path, *, apply: bool, reason: str) -> Report:
    content = content_of(file)
    settings = load()
    keys = Keys.of(settings)
    name = f"tracefleet {command_of(noun)} import"
    require_current_schema(settings, application_name=name)
    try:
        with connect_once(settings.require_database_url(), application_name=name) as connection, progress() as watch:
            if not apply:
                return import_sheet(connection, noun, content, apply=False, keys=keys, watch=watch)
            with acting(connection, actor(), keys=keys, reason=reason):
                report = import_sheet(connection, noun, content, apply=True, keys=keys, watch=watch)
                watch("sealing", 0, 0)
            return report
    except SheetError as error:
        raise SheetError(f"{file}: {error}") from error


def _show(report: Report, file: Path) -> None:
    console = screen()
    for title, complaints in (("Errors", report.errors), ("Warnings", report.warnings)):
        if complaints:
            console.print(_complaints(title, complaints))
    if report.changed:
        console.print(_changes(report))
    rest = max(len(report.errors), len(report.warnings), len(report.changed)) - SHOWN
    if rest > 0:
        console.print(f"… and more: the first {SHOWN} are shown, --json prints all.")
    console.print(escape(_summary(report, file)), highlight=False)


def _complaints(title: str, complaints: Sequence[RowError]) -> Table:
    table = table_of("row", "column", "value", "what is wrong", "what to do", title=title)
    for error in complaints[:SHOWN]:
        value = error.value if error.value.isprintable() else repr(error.value)
        table.add_row(str(error.row), *map(escape, (error.column, value, error.problem, error.remedy)))
    return table


def _changes(report: Report) -> Table:
    table = table_of("row", "entry", "column", "before", "after", title="Changes")
    for change in report.changed[:SHOWN]:
        for field in change.fields:
            before, after = ("" if value is None else str(value) for value in (field.before, field.after))
            table.add_row(str(change.row), *map(escape, (change.key, field.column, before, after)))
    return table


def _summary(report: Report, file: Path) -> str:
    if not report.rows and report.is_good:
        return f"{file} has a header and no rows: there is nothing to import."
    counts = (
        f"{_counted(report.rows, 'row')} of {_plural(report.noun)}: {len(report.created)} new, "
        f"{len(report.changed)} changed, {report.unchanged} left alone, "
        f"{_counted(len(report.warnings), 'warning') + ', ' if report.warnings else ''}"
        f"{_counted(len(report.errors), 'error')}."
    )
    if report.errors:
        return f"{counts} Nothing was written: correct the rows above and import {file} again."
    if report.applied:
        return f"{counts} Written."
    return f"{counts} Nothing was written yet: add --apply to write it."


def _counted(number: int, singular: str) -> str:
    return f"{number} {singular}{'' if number == 1 else 's'}"


def command_of(noun: Noun) -> str:
    """The group of commands of *noun*, as it is typed."""
    return noun.replace("_", "-")


def _plural(noun: Noun) -> str:
    return noun.replace("_", " ")


GROUPS: Final[Mapping[str, typer.Typer]] = {command_of(noun): _app(noun) for noun in LEDGERS}
regions: Final = GROUPS["regions"]
sites: Final = GROUPS["sites"]
merchants: Final = GROUPS["merchants"]
models: Final = GROUPS["models"]
devices: Final = GROUPS["devices"]
