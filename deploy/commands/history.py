"""``tracefleet devices history`` and ``devices show``: what became of a device, and what it was on any past day."""

from datetime import datetime
from typing import Annotated, Any, Final

import psycopg
import typer

from deploy.commands.changes import show_changes, show_fields
from fleet.audit.reading import history_of, state_on
from fleet.business_day import SHANGHAI
from store.database import connect_once
from store.migrations import require_current_schema
from store.settings import load

NAME: Final = "tracefleet devices history"

DeviceNo = Annotated[str, typer.Argument(metavar="DEVICE_NO", help="Number of the device.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(devices: typer.Typer) -> None:
    """Put both commands into the group of *devices*."""
    devices.command("history", epilog="Example: tracefleet devices history TD-410100-SC-000001-0")(history)
    devices.command("show", epilog="Example: tracefleet devices show TD-410100-SC-000001-0 --on 2026-01-31")(show)


def history(
    device_no: DeviceNo,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Show every change of a device, of who answers for it, its holds and its credentials; the newest first."""
    with _connect() as connection:
        changes = history_of(connection, device_no, rows=limit)
    show_changes(changes, as_json=as_json)


def show(
    device_no: DeviceNo,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="At the end of this day, China time; today when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a device as the ledger had it on a day, with the numbers of its site, model and merchant of then."""
    day = (on or datetime.now(SHANGHAI)).date()
    with _connect() as connection:
        fields = state_on(connection, device_no, day)
    show_fields(fields, as_json=as_json)


def _connect() -> psycopg.Connection[Any]:
    settings = load()
    require_current_schema(settings, application_name=NAME)
    return connect_once(settings.require_database_url(), application_name=NAME)
