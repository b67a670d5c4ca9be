"""``tracefleet fleet outages|outage-…|roll``: when nobody could be heard, and the days it changes."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection
from psycopg.rows import class_row
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.clock import clock
from deploy.commands.tables import print_table, table_of
from fleet.business_day import SHANGHAI, day_of
from fleet.days.rolling import roll
from fleet.errors import RefusedError
from fleet.presence import outages
from fleet.presence.outage import Outage, Scope

NAME: Final = "tracefleet fleet"
FORMATS: Final = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]


def _said(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why: it is empty")
    return reason


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[int, typer.Argument(metavar="OUTAGE", help="Number of the outage, as the list has it.")]
Reason = Annotated[str, typer.Option(callback=_said, help="Why; the audit keeps it.")]
Site = Annotated[str | None, typer.Option("--site", help="Number of the site. Without, of the platform.")]
When = Annotated[datetime | None, typer.Option(formats=FORMATS, help="In Asia/Shanghai unless it has an offset.")]


def show_outages(
    site_no: Annotated[str | None, typer.Option("--site", help="Of the site with this number alone.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Those that last alone.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show outages (中断), those entered last first: of a site, or of the platform."""
    asked = {"scope": None, "site_no": site_no, "open": open_only or None, "since": None, "after": None, "rows": limit}

    def work(connection: Connection[Any]) -> list[Outage]:
        with connection.cursor(row_factory=class_row(Outage)) as cursor:
            return cursor.execute(outages.LIST.encode(), asked).fetchall()

    found = desk.read(NAME, work)
    if as_json:
        _print_json([asdict(outage) for outage in found])
        return
    table = table_of("no.", "whose", "began", "ended", "found by", "why")
    for each in found:
        ended = "dismissed" if each.dismissed_at else "lasts" if each.ended_at is None else clock(each.ended_at)
        table.add_row(str(each.outage_id), each.subject, clock(each.began_at), ended, each.source, escape(each.reason))
    print_table(table, none="No outage is on record. 没有中断记录。")


def declare(
    reason: Reason, began: When = None, ended: When = None, site_no: Site = None, as_json: AsJson = False
) -> None:
    """Declare an outage; what is expected in its time counts for nobody. Without --ended it lasts until it is ended."""
    now = datetime.now(UTC)
    scope: Scope = "platform" if site_no is None else "site"
    declared = desk.change(
        NAME,
        lambda connection: outages.declare(
            connection, scope, site_no, _instant(began) or now, _instant(ended), reason, now=now
        ),
        reason=reason,
    )
    _tell(declared, f"The outage {declared.outage_id} of {declared.subject} is on record.", as_json=as_json)


def end(outage_id: Number, reason: Reason, ended: When = None, as_json: AsJson = False) -> None:
    """End an outage, now or at a time that has passed."""
    now = datetime.now(UTC)
    over = desk.change(
        NAME,
        lambda connection: outages.end(connection, outage_id, ended_at=_instant(ended), now=now),
        reason=reason,
    )
    _tell(over, f"The outage {outage_id} of {over.subject} is over.", as_json=as_json)


def dismiss(outage_id: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Dismiss an outage that was none: it excuses nobody any more. It stays on record."""
    now = datetime.now(UTC)
    gone = desk.change(NAME, lambda connection: outages.dismiss(connection, outage_id, now=now), reason=reason)
    _tell(gone, f"The outage {outage_id} of {gone.subject} is dismissed.", as_json=as_json)


def roll_day(
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day, of Asia/Shanghai.")],
    present_hours: Annotated[
        bool, typer.Option("--present-hours", help="By hours and status of sites as they are now: they were wrong.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Reckon a day again: outages in it, what was expected of each device, and what became of it."""
    now = datetime.now(UTC)
    if day.date() > day_of(now):
        raise RefusedError(f"{day:%Y-%m-%d} is still to come.")
    written = desk.change(
        NAME,
        lambda connection: roll(connection, day.date(), now=now, present_hours=present_hours),
        reason=f"day {day:%Y-%m-%d} reckoned again",
    )
    if as_json:
        _print_json({"day": f"{day:%Y-%m-%d}", "changed": written})
    else:
        typer.echo(f"{day:%Y-%m-%d} is reckoned; the days of {written} devices changed.")


def add_to(fleet: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    for name, command, example in (
        ("outages", show_outages, "--open"),
        ("outage-declare", declare, "--site 410100001 --began 2026-11-25T08:00 --reason 停电"),
        ("outage-end", end, "17 --reason 来电恢复"),
        ("outage-dismiss", dismiss, "17 --reason 市场提前收市"),
        ("roll", roll_day, "--day 2026-11-24"),
    ):
        fleet.command(name, epilog=f"Example: {NAME} {name} {example}")(command)


def _instant(given: datetime | None) -> datetime | None:
    return given.replace(tzinfo=SHANGHAI) if given is not None and given.tzinfo is None else given


def _tell(outage: Outage, sentence: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(asdict(outage))
    else:
        typer.echo(sentence)


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
