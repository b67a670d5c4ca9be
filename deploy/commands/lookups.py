"""``tracefleet fleet lookups-import``: look-ups of the QR page from a sheet."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.files import content_of
from deploy.commands.tables import print_table, table_of
from fleet.business_day import day_of
from fleet.lookups.lookup import Outcome
from fleet.lookups.sheet import lookups_sheet

NAME: Final = "tracefleet fleet lookups-import"
SHOWN: Final = 500


def lookups_import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or XLSX: site_no, day, channel, lookups.")],
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without this, it is only checked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take over look-ups a day of sites by qr, web or wechat (二维码查询量). The same file twice changes nothing."""
    content, today = content_of(file), day_of(datetime.now(UTC))

    def work(connection: Connection[Any]) -> Outcome:
        return lookups_sheet(connection, content, today=today, apply=apply)

    outcome = desk.change(NAME, work, reason=f"look-ups from {file.name}") if apply else desk.read(NAME, work)
    if as_json:
        typer.echo(orjson.dumps(asdict(outcome), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(outcome)
    if not outcome.is_good:
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """The command, into the group of the fleet."""
    app.command("lookups-import", epilog="Example: tracefleet fleet lookups-import lookups.csv --apply")(lookups_import)


def _show(outcome: Outcome) -> None:
    if outcome.errors:
        table = table_of("row", "column", "what is wrong, and what to do", title="Errors · 错误")
        for error in outcome.errors[:SHOWN]:
            table.add_row(str(error.row), escape(error.column), escape(error.sentence))
        print_table(table, none="Nothing is wrong. 没有问题。")
        typer.echo(f"{outcome.told} rows, {len(outcome.errors)} errors. Nothing was changed · 未作任何变更")
    elif outcome.applied:
        typer.echo(
            f"{outcome.told} rows: {outcome.created} new, {outcome.changed} changed, {outcome.unchanged} as they were."
        )
    else:
        typer.echo(f"{outcome.told} rows are good: add --apply to take them over · 尚未变更，加 --apply 执行")
