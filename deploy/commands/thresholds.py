"""``tracefleet fleet thresholds|threshold-…``: after how long without a word a device is late, and silent."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.span import span
from deploy.commands.tables import print_table, table_of
from fleet.presence import thresholds
from fleet.presence.thresholds import Threshold

NAME: Final = "tracefleet fleet"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; the audit keeps it.")]
Late = Annotated[timedelta, typer.Option(parser=span, metavar="SPAN", help="Late after so long, such as 20m.")]
Silent = Annotated[timedelta, typer.Option(parser=span, metavar="SPAN", help="Silent after so long, such as 24h.")]


def show_thresholds(as_json: AsJson = False) -> None:
    """Show after how long without a word a device is late, and silent. The most specific row counts."""
    _print(desk.read(NAME, thresholds.thresholds), as_json=as_json)


def set_threshold(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Kind of device, such as logger.")],
    late: Late,
    silent: Silent,
    reason: Reason,
    model_no: Annotated[str | None, typer.Option("--model", help="Of this model of the kind alone.")] = None,
    site_kind: Annotated[str | None, typer.Option(help="At sites of this kind alone, such as cold_store.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set after how long devices of a kind are late, and silent, while their site is open; all that stand then."""

    def work(connection: Connection[Any]) -> list[Threshold]:
        thresholds.put(
            connection,
            kind,
            late_seconds=int(late.total_seconds()),
            silent_seconds=int(silent.total_seconds()),
            model_no=model_no,
            site_kind=site_kind,
        )
        return thresholds.thresholds(connection)

    _print(desk.change(NAME, work, reason=reason), as_json=as_json)


def remove_threshold(
    threshold_id: Annotated[int, typer.Argument(metavar="THRESHOLD", min=1, max=2**31 - 1, help="Its number.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Remove a threshold: the next general one counts again."""

    def work(connection: Connection[Any]) -> list[Threshold]:
        thresholds.remove(connection, threshold_id)
        return thresholds.thresholds(connection)

    _print(desk.change(NAME, work, reason=reason), as_json=as_json)


def add_to(fleet: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    for name, command, example in (
        ("thresholds", show_thresholds, "--json"),
        (
            "threshold-set",
            set_threshold,
            "logger --site-kind cold_store --late 20m --silent 24h --reason 冷库每十分钟上报",
        ),
        ("threshold-remove", remove_threshold, "9 --reason 与其他场所一致"),
    ):
        fleet.command(name, epilog=f"Example: {NAME} {name} {example}")(command)


def _print(found: list[Threshold], *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps([asdict(each) for each in found], option=orjson.OPT_INDENT_2).decode())
        return
    table = table_of("no.", "kind", "model", "kind of site", "late after s", "silent after s")
    for each in found:
        table.add_row(*("" if value is None else escape(str(value)) for value in asdict(each).values()))
    print_table(table, none="There is no threshold. 没有阈值。")
