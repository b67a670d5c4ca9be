"""``tracefleet fleet security`` and ``security-settle``: retired identities that speak, and what was done."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
import typer
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.clock import clock
from deploy.commands.tables import print_table, table_of
from fleet.security.attempts import Channel
from fleet.security.events import REMEDY_EN, REMEDY_ZH, look, settle

NAME: Final = "tracefleet fleet security"
# Two lines an event, for 80 columns.
COLUMNS: Final = ("id", "device, case", "channel", "tries", "first, last", "settled by")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def security(
    *,
    device_no: Annotated[str | None, typer.Option("--device", metavar="DEVICE_NO", help="Of this device.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Where it was refused.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were settled, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show retired identities that speak (已注销设备仍在尝试): refused, counted, and open until they are settled.

    Exit status 1 when one is open.
    """
    chosen = {"device_no": device_no, "channel": channel, "open": None if everything else True, "rows": limit}
    rows = desk.read(NAME, lambda connection: look(connection, **chosen))
    is_open = any(row["settled_at"] is None for row in rows)
    if as_json:
        _print_json({"items": rows, "remedy": {"zh": REMEDY_ZH, "en": REMEDY_EN}})
    else:
        _print_table(rows)
        if rows:
            typer.echo(f"{REMEDY_EN}\n{REMEDY_ZH}")
    if is_open:
        raise typer.Exit(1)


def security_settle(
    security_event_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the event.")],
    note: Annotated[str, typer.Option(help="What was found and done; the audit keeps it.")],
    as_json: AsJson = False,
) -> None:
    """Settle a security event. What the device tries from now on is another one."""
    settled = desk.change(
        NAME,
        lambda connection: settle(connection, security_event_id, note, now=datetime.now(UTC)),
        reason=note,
    )
    if as_json:
        _print_json(settled)
    else:
        typer.echo(f"The security event {security_event_id} of {settled['device_no']} is settled.")


def add_to(fleet: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    fleet.command(epilog=f"Example: {NAME} --json")(security)
    fleet.command("security-settle", epilog=f"Example: {NAME}-settle 17 --note 已断电封存")(security_settle)


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = table_of(*COLUMNS, title="Retired identities that speak · 已注销设备仍在尝试")
    for row in rows:
        cells = (
            str(row["security_event_id"]),
            f"{row['device_no']}\n{row['case_no'] or ''}",
            str(row["channel"]),
            str(row["attempts"]),
            f"{clock(row['first_at'], seconds=True)}\n{clock(row['last_at'], seconds=True)}",
            row["settled_by"] or "",
        )
        table.add_row(*map(escape, cells))
    print_table(table, none="No retired identity speaks. 没有已注销设备在尝试。")


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())
