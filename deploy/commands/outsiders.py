"""``tracefleet outsiders …`` and ``devices adopt|delete|retired-numbers``: who is not in the ledger, or no more."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection
from psycopg.rows import dict_row
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.clock import clock
from deploy.commands.tables import print_table, table_of
from fleet.identity.outsiders import LISTINGS, ListName, look
from fleet.keys import Keys
from fleet.ledger.deleting import TOMBSTONES, delete_draft
from fleet.ledger.registering import register
from fleet.ledger.report import Report
from ingest.replay import Replayed, replay, waiting
from store.database import connect_service
from store.settings import load

NAME: Final = "tracefleet outsiders"
COMMANDS: Final[dict[str, ListName]] = {
    "strangers": "strangers",
    "ghosts": "ghosts",
    "shared-credentials": "shared_credentials",
    "client-ids": "client_ids",
    "retired": "retired",
}

app = typer.Typer(
    no_args_is_help=True,
    help="Who speaks and is not in the ledger, who is in it and silent (未登记与从未上线).",
)

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DeviceNo = Annotated[str, typer.Argument(metavar="DEVICE_NO", help="Number of the device.")]
Reason = Annotated[str, typer.Option(help="Why; the audit keeps it.")]


def _add(command: str, name: ListName) -> None:
    listing = LISTINGS[name]

    @app.command(command, help=f"{listing.title_en} ({listing.title_zh}).", epilog=f"Example: {NAME} {command} --json")
    def _show_list(limit: Limit = 50, as_json: AsJson = False) -> None:
        seen = desk.read(NAME, lambda connection: look(connection, name, limit=limit))
        if as_json:
            remedy = {"zh": listing.remedy_zh, "en": listing.remedy_en}
            _print_json({"total": seen.total, "items": seen.rows, "remedy": remedy})
            return
        _table(f"{listing.title_en} · {listing.title_zh}", seen.rows)
        if seen.rows:
            typer.echo(f"{len(seen.rows)} of {seen.total}.")
            typer.echo(f"{listing.remedy_en}\n{listing.remedy_zh}")


for _command, _name in COMMANDS.items():
    _add(_command, _name)


def adopt(
    device_no: DeviceNo,
    model_no: Annotated[str, typer.Option("--model", help="Number of its model.")],
    site_no: Annotated[str, typer.Option("--site", help="Number of the site where it stands.")],
    *,
    stall_no: Annotated[str | None, typer.Option("--stall")] = None,
    acquired_on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A kiosk or trace scale needs it, or the next.")
    ] = None,
    exemption_document: Annotated[str | None, typer.Option(help="Number of the exemption document.")] = None,
    reason: Reason = "",
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without this, it is only said.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a device that speaks already, and store what it said meanwhile (登记并重放隔离数据)."""
    given = {"model_no": model_no, "site_no": site_no, "stall_no": stall_no, "exemption_document": exemption_document}
    cells = {"device_no": device_no} | {name: value for name, value in given.items() if value is not None}
    if acquired_on is not None:
        cells["acquired_on"] = acquired_on.date().isoformat()
    keys = Keys.of(load())

    def work(connection: Connection[Any]) -> Report:
        return register(connection, "devices", cells, keys=keys, apply=apply)

    report = desk.change(NAME, work, reason=reason) if apply else desk.read(NAME, work)
    replayed = asyncio.run(_replay(device_no)) if report.applied else None
    if as_json:
        told = asdict(replayed) if replayed is not None else None
        _print_json({"report": asdict(report), "replay": told})
    else:
        _tell(device_no, report, replayed)
    if not report.is_good:
        raise typer.Exit(1)


def delete(device_no: DeviceNo, reason: Reason) -> None:
    """Delete a draft. Whatever was more leaves the books by recovery and disposal, or as lost."""
    desk.change(NAME, lambda connection: delete_draft(connection, device_no), reason=reason)
    typer.echo(f"{device_no} is deleted; the audit keeps what it was.")


def retired_numbers(limit: Limit = 500, after: str | None = None, as_json: AsJson = False) -> None:
    """Show numbers that are never issued again: of what was disposed of, lost or deleted."""

    def work(connection: Connection[Any]) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(TOMBSTONES, {"after": after, "rows": limit}).fetchall()

    rows = desk.read(NAME, work)
    if as_json:
        _print_json(rows)
    else:
        _table("Retired numbers · 已注销编号", rows)


def add_to(devices: typer.Typer) -> None:
    """The commands about one device, into the group of the devices."""
    for name, command, example in (
        ("adopt", adopt, "TD-410100-TH-000777-6 --model SL-TH20 --site 410100002 --apply"),
        ("delete", delete, "TD-410100-TH-000777-6 --reason 重复登记"),
        ("retired-numbers", retired_numbers, "--json"),
    ):
        devices.command(name, epilog=f"Example: tracefleet devices {name} {example}")(command)


async def _replay(device_no: str) -> Replayed:
    url = load().require_database_url()
    async with await connect_service(url, application_name=NAME) as connection:
        return await replay(connection, waiting(device_no=device_no))


def _tell(device_no: str, report: Report, replayed: Replayed | None) -> None:
    rows = [asdict(error) for error in (*report.errors, *report.warnings)]
    if rows:
        _table("What is wrong · 问题", rows)
    if not report.is_good:
        typer.echo(f"{device_no} was not registered.")
    elif replayed is None:
        typer.echo(f"{device_no} can be registered; --apply does it, and replays what it said meanwhile.")
    else:
        typer.echo(
            f"{device_no} is registered. Dead letters replayed: {replayed.letters}, records stored: {replayed.stored}, "
            f"refused again: {replayed.refused_again}."
        )


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    table = table_of(*(rows[0] if rows else ()), title=title)
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row.values()))
    print_table(table, none=f"{title}: none · 无")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return clock(value, seconds=True) if isinstance(value, datetime) else str(value)


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())
