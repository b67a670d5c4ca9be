"""``tracefleet fleet health`` and ``health-history``: how well devices are, why, and what to do."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, LiteralString

import orjson
import typer
from psycopg import Connection
from psycopg.rows import dict_row
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.tables import print_table, table_of
from deploy.commands.words import known_kind
from fleet.business_day import today
from fleet.health import listing
from fleet.health.catalogue import BY_NAME
from fleet.health.explaining import explain
from fleet.health.score import band_of
from store.errors import TracefleetError

NAME: Final = "tracefleet fleet health"

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Row = dict[str, Any]


def health(
    device_no: Annotated[
        str | None, typer.Argument(metavar="[DEVICE_NO]", help="Explain this one; without it they are listed.")
    ] = None,
    *,
    site_no: Annotated[str | None, typer.Option("--site", help="At this site.")] = None,
    kind: Annotated[str | None, typer.Option(callback=known_kind, help="Of this kind, such as trace_scale.")] = None,
    check: Annotated[str | None, typer.Option(help="Losing points by this check, such as battery_low.")] = None,
    max_score: Annotated[int | None, typer.Option(min=0, max=100, help="With this score or a lower one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List devices by health, the worst first; or say why one is as well as it is, and what to do (健康评分)."""
    if device_no is not None:
        _explain(device_no, as_json=as_json)
        return
    if check is not None and check not in BY_NAME:
        raise typer.BadParameter(f"no check is called {check!r}; there are {', '.join(BY_NAME)}", param_hint="--check")
    asked = {"site_no": site_no, "kind": kind, "check": check, "max_score": max_score}
    rows, bands = desk.read(NAME, lambda connection: _list(connection, asked, limit))
    if as_json:
        _print_json({"bands": bands, "items": rows})
        return
    table = table_of("device", "kind, site", "score", "presence", "why", title="Health · 健康评分")
    for row in rows:
        why = "; ".join(f"{reason['name_en']} {reason['name_zh']} −{reason['points']}" for reason in row["reasons"])
        place = f"{row['kind']}\n{row['site_no']}"
        presence = f"{row['presence']}\n{row['excused_by'] or ''}".rstrip()
        cells = (row["device_no"], place, row["score"], presence, why)
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in cells))
    print_table(table, none="No device matches. 没有符合条件的设备。")
    counted = ", ".join(f"{band} {bands[band]}" for band in sorted(bands))
    typer.echo(f"{len(rows)} of {sum(bands.values())}. {counted}")


def health_history(
    device_no: Annotated[str, typer.Argument(metavar="DEVICE_NO", help="Number of the device.")],
    days: Annotated[int, typer.Option(min=1, max=750, help="So many days, today the last.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Show the last health of each day of a device, the oldest first (健康历史)."""
    last = today(datetime.now(UTC))
    asked = {"device_no": device_no, "first": last - timedelta(days=days - 1), "last": last}

    def work(connection: Connection[Any]) -> list[Row]:
        _one(connection, device_no)
        return [_told(row) for row in _rows(connection, listing.DAYS, asked)]

    rows = desk.read(NAME, work)
    if as_json:
        _print_json({"device_no": device_no, "days": rows})
        return
    table = table_of("day", "score", "presence", "why", title=f"{device_no} · 健康历史")
    for row in rows:
        why = "; ".join(reason["sentence_en"] for reason in row["reasons"])
        table.add_row(str(row["day"]), _score(row), row["presence"], escape(why))
    print_table(
        table, none="No day was kept yet: the history begins at the first midnight after fleet runs. 尚无历史。"
    )


def add_to(fleet: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    for command, name, example in (
        (health, "health", "health --site 410100001 --max-score 59"),
        (health_history, "health-history", "health-history TD-410100-SC-000001-0 --days 14"),
    ):
        fleet.command(name, epilog=f"Example: tracefleet fleet {example}")(command)


def _explain(device_no: str, *, as_json: bool) -> None:
    row = _told(desk.read(NAME, lambda connection: _one(connection, device_no)))
    if as_json:
        _print_json(row)
        return
    typer.echo(f"{device_no}: {_score(row)} ({row['band']}), {row['presence'] or 'not judged'}{_excuse(row)}")
    for reason in row["reasons"]:
        typer.echo(f"−{reason['points']:>2}  {reason['sentence_en']}. {reason['remedy_en']}.")
        typer.echo(f"     {reason['sentence_zh']}。{reason['remedy_zh']}。")
    if not row["reasons"] and row["score"] is not None:
        typer.echo("Nothing costs it points. 无扣分项。")


def _excuse(row: Mapping[str, Any]) -> str:
    return f", excused: {row['excused_by']}" if row["excused_by"] else ""


def _score(row: Mapping[str, Any]) -> str:
    return "no score" if row["score"] is None else str(row["score"])


def _list(connection: Connection[Any], asked: Mapping[str, Any], limit: int) -> tuple[list[Row], dict[str, int]]:
    rows = _rows(connection, listing.list_of(listing.where(asked)), {**asked, "rows": limit})
    bands = _rows(connection, listing.bands_of(listing.where(asked)), asked)
    return [_told(row) for row in rows], {row["band"]: row["devices"] for row in bands}


def _one(connection: Connection[Any], device_no: str) -> Row:
    rows = _rows(connection, listing.ONE, {"device_no": device_no})
    if not rows:
        raise TracefleetError(f"no device has the number {device_no!r}")
    return rows[0]


def _rows(connection: Connection[Any], query: LiteralString, asked: Mapping[str, Any]) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, asked).fetchall()


def _told(row: Row) -> Row:
    explanations = explain(row["reasons"] or [])
    return row | {"band": band_of(row["score"]), "reasons": [asdict(one) for one in explanations]}


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())
