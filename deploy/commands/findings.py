"""``tracefleet fleet findings|flags|explain|evaluate``: which devices no longer serve, and why."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, LiteralString

import orjson
import typer
from psycopg import Connection
from psycopg.rows import dict_row
from rich.markup import escape
from rich.table import Table

from deploy.commands import desk
from deploy.commands.tables import print_table, table_of
from deploy.commands.words import known_kind, known_rule
from fleet.business_day import today
from fleet.days.due import is_whole
from fleet.obsolescence import reading
from fleet.obsolescence.evaluating import Evaluation, evaluate, rehearse
from fleet.obsolescence.reading import FIRST_PAGE
from store.errors import TracefleetError

NAME: Final = "tracefleet fleet findings"

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
Site = Annotated[str | None, typer.Option("--site", help="At this site.")]
Kind = Annotated[str | None, typer.Option(callback=known_kind, help="Of this kind, such as kiosk.")]
Region = Annotated[str | None, typer.Option("--region", help="In this region: two, four or six digits.")]


def findings(
    rule: Annotated[str | None, typer.Option(callback=known_rule, help="Of this rule.")] = None,
    *,
    device_no: Annotated[str | None, typer.Option("--device", help="Of this device.")] = None,
    site_no: Site = None,
    kind: Kind = None,
    region_code: Region = None,
    cleared: Annotated[bool, typer.Option("--cleared", help="Those that are cleared instead.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List what the rules found, the newest first (淘汰判定依据)."""
    asked: dict[str, Any] = {
        "rule": rule,
        "device_no": device_no,
        "site_no": site_no,
        "kind": kind,
        "region_code": region_code,
    }
    asked |= {"open": not cleared, "cleared": cleared}
    query = reading.listing(reading.FINDINGS, reading.FINDING_CLAUSES, "f.finding_id", asked)
    rows = _rows(query, asked | {"rows": limit, "below": FIRST_PAGE})
    if as_json:
        _print_json({"items": rows})
        return
    table = table_of("number", "device", "rule", "found", "gone since", "why", title="Findings · 判定")
    for row in rows:
        why = f"{row['sentence_zh']}\n{row['sentence_en']}"
        _row(table, row["finding_id"], row["device_no"], row["rule"], row["found_on"], row["gone_since"], why)
    print_table(table, none="Nothing was found. 没有判定依据。")


def flags(
    site_no: Site = None,
    kind: Kind = None,
    region_code: Region = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the devices that ought to go, the newest first (建议淘汰的设备)."""
    asked: dict[str, Any] = {"site_no": site_no, "kind": kind, "region_code": region_code, "open": True}
    query = reading.listing(reading.FLAGS, reading.FLAG_CLAUSES, "f.flag_id", asked)
    rows = _rows(query, asked | {"rows": limit, "below": FIRST_PAGE})
    if as_json:
        _print_json({"items": rows})
        return
    table = table_of("device", "site", "flagged", "score", "why", title="Flags · 建议淘汰")
    for row in rows:
        why = f"{row['sentence_zh']}\n{row['sentence_en']}"
        _row(table, row["device_no"], row["site_no"], row["flagged_on"], row["score"], why)
    print_table(table, none="No device ought to go. 没有建议淘汰的设备。")


def explain(
    device_no: Annotated[str, typer.Argument(metavar="DEVICE_NO", help="Number of the device.")],
    as_json: AsJson = False,
) -> None:
    """Say why a device ought to go, or why not (判定说明)."""
    told = desk.read(NAME, lambda connection: reading.explanation(connection, device_no))
    if as_json:
        _print_json(asdict(told))
        return
    typer.echo(f"{told.device_no}: {told.verdict}, score {told.score}, judged on {told.judged_on or 'no day yet'}")
    typer.echo(f"  {told.sentence_zh}\n  {told.sentence_en}")
    for ground in told.grounds:
        gone = f", gone since {ground['gone_since']}" if ground["gone_since"] else ""
        weight = "mandatory" if ground["is_mandatory"] else f"+{ground['weight']}"
        typer.echo(f"  {ground['name_zh']} {ground['name_en']} ({weight}, found on {ground['found_on']}{gone})")


def evaluate_day(
    day: Annotated[
        datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="The day; yesterday unless told.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it. Without this, it is only said.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge the whole fleet as of a day, as the fleet process does every night (立即评估)."""
    now = datetime.now(UTC)
    asked = day.date() if day is not None else today(now) - timedelta(days=1)
    if asked >= today(now):
        raise TracefleetError(f"{asked} is not over: only days that are can be judged.")

    def write(connection: Connection[Any]) -> Evaluation:
        _require_whole(connection, asked)
        return evaluate(connection, day=asked, now=now)

    def say(connection: Connection[Any]) -> Evaluation:
        _require_whole(connection, asked)
        return rehearse(connection, day=asked, now=now)

    told = desk.change(NAME, write, reason=f"obsolescence rules for {asked}") if apply else desk.read(NAME, say)
    if as_json:
        _print_json(asdict(told) | {"applied": apply})
        return
    typer.echo(
        f"{asked}: {told.devices} devices judged; {told.opened} findings opened, {told.gone} gone, {told.cleared} "
        f"cleared; {told.flagged} devices flagged, {told.held_back} held back, {told.ended} flags ended."
    )
    for rule, found in sorted(told.by_rule.items()):
        typer.echo(f"  {rule}: {found}")
    typer.echo("Done." if apply else "Nothing was written: --apply does it.")


def add_to(app: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    for name, command, example in (
        ("findings", findings, "findings --rule dormant --region 4101"),
        ("flags", flags, "flags --kind kiosk"),
        ("explain", explain, "explain TD-410100-SC-000001-0"),
        ("evaluate", evaluate_day, "evaluate --day 2026-11-24 --apply"),
    ):
        app.command(name, epilog=f"Example: tracefleet fleet {example}")(command)


def _require_whole(connection: Connection[Any], day: date) -> None:
    if not is_whole(connection, day):
        raise TracefleetError(
            f"{day} is not rolled up, so nothing is known of what devices did on it: run `tracefleet fleet roll --day "
            f"{day}` first."
        )


def _rows(query: LiteralString, asked: Mapping[str, object]) -> list[dict[str, Any]]:
    def work(connection: Connection[Any]) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, asked).fetchall()

    return desk.read(NAME, work)


def _row(table: Table, *cells: date | str | int | None) -> None:
    table.add_row(*(escape("" if cell is None else str(cell)) for cell in cells))


def _print_json(told: Mapping[str, Any]) -> None:
    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
