"""``tracefleet fleet programmes|programme|…``: campaigns of retirement, on any day, and their sheets."""

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.sheets import written
from deploy.commands.tables import print_table, screen, table_of
from fleet.business_day import today
from fleet.ledger.export import FileFormat
from fleet.ledger.workbook import Language
from fleet.programmes import programme as programmes
from fleet.programmes.export import export
from fleet.programmes.programme import Programme, require_past
from fleet.programmes.progress import Figures, Progress, figures_of, progress

NAME: Final = "tracefleet fleet programmes"

Number = Annotated[str, typer.Argument(metavar="NO", help="Number of the programme.")]
On = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="At the end of this day; today when left out.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def list_programmes(on: On = None, as_json: AsJson = False) -> None:
    """List the programmes with their progress (淘汰任务)."""

    def work(connection: Connection[Any]) -> list[tuple[Programme, Figures]]:
        day = _day(on)
        found = programmes.programmes(connection, day)
        return list(zip(found, figures_of(connection, found, day), strict=True))

    rows = desk.read(NAME, work)
    if as_json:
        _print_json([{"programme": asdict(one), "figures": asdict(figures)} for one, figures in rows])
        return
    table = table_of(
        "number", "name", "due", "devices", "target", "retired", "remaining", "%", title="Programmes · 淘汰任务"
    )
    for one, figures in rows:
        numbers = (figures.devices, figures.target, figures.retired, figures.remaining)
        name = f"{one.name_zh} {one.name_en}"
        table.add_row(one.programme_no, escape(name), str(one.due_on), *map(str, numbers), _rate(figures))
    print_table(table, none="There is no programme yet. 还没有淘汰任务。")


def show(number: Number, on: On = None, as_json: AsJson = False) -> None:
    """Show how far a programme is, what holds it up and when it will be done."""

    def work(connection: Connection[Any]) -> tuple[Programme, Progress]:
        day = _day(on)
        found = programmes.programme(connection, number, day)
        return found, progress(connection, found, day)

    found, told = desk.read(NAME, work)
    if as_json:
        _print_json({"programme": asdict(found), **asdict(told)})
        return
    _show(found, told)


def create(
    number: Number,
    *,
    name_zh: Annotated[str, typer.Option(help="Its name in Chinese.")],
    name_en: Annotated[str, typer.Option(help="Its name in English.")],
    region: Annotated[str, typer.Option(help="2, 4 or 6 digits: that region and below.")],
    kind: Annotated[list[str], typer.Option(help="Kind of device; may be given several times.")],
    begins_on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Its first day.")],
    due_on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day by which it is to be done.")],
    site_kind: Annotated[list[str] | None, typer.Option(help="Kind of site; every kind when left out.")] = None,
    target: Annotated[int | None, typer.Option(min=1, help="How many are to go; all when left out.")] = None,
    basis: Annotated[str | None, typer.Option(help="Number of the document that orders it.")] = None,
    reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")] = "",
) -> None:
    """Make a programme: all kiosks of a prefecture by a day, say."""
    new = Programme(
        programme_no=number,
        name_zh=name_zh,
        name_en=name_en,
        region_code=region,
        kinds=tuple(kind),
        site_kinds=tuple(site_kind or ()),
        begins_on=begins_on.date(),
        due_on=due_on.date(),
        target=target,
        basis=basis,
    )
    desk.change(NAME, lambda connection: programmes.create(connection, new), reason=reason)
    last = _day(None)
    held = desk.read(
        NAME, lambda connection: progress(connection, programmes.programme(connection, number, last), last)
    )
    typer.echo(f"{number} is made; devices in it: {held.figures.devices}. See `tracefleet fleet programme {number}`.")


def change(
    number: Number,
    *,
    name_zh: Annotated[str | None, typer.Option(help="Its name in Chinese.")] = None,
    name_en: Annotated[str | None, typer.Option(help="Its name in English.")] = None,
    region: Annotated[str | None, typer.Option(help="2, 4 or 6 digits; only before it begins.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Kind of device; only before it begins.")] = None,
    site_kind: Annotated[list[str] | None, typer.Option(help="Kind of site; only before it begins.")] = None,
    begins_on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Its first day; only before it begins.")
    ] = None,
    due_on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day by which it is to be done.")
    ] = None,
    target: Annotated[int | None, typer.Option(min=0, help="How many are to go; 0: all of them.")] = None,
    basis: Annotated[str | None, typer.Option(help="Number of the document that orders it.")] = None,
    reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")] = "",
) -> None:
    """Change a programme; what is left out stays as it is."""
    given = {
        "name_zh": name_zh,
        "name_en": name_en,
        "region_code": region,
        "kinds": tuple(kind) if kind else None,
        "site_kinds": tuple(site_kind) if site_kind else None,
        "begins_on": begins_on.date() if begins_on else None,
        "due_on": due_on.date() if due_on else None,
        "basis": basis,
    }
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if target is not None:
        fields["target"] = target or None
    if not fields:
        raise typer.BadParameter("nothing is to be another: give at least one option besides --reason.")
    desk.change(NAME, lambda connection: programmes.change(connection, number, fields, today=today()), reason=reason)
    typer.echo(f"{number} is changed: see it with `tracefleet fleet programme {number}`.")


def end(number: Number, reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")] = "") -> None:
    """End a programme today: the figures of today stay its last."""
    ended = desk.change(NAME, lambda connection: programmes.end(connection, number, today=today()), reason=reason)
    typer.echo(f"{number} ended on {ended.ended_on}.")


def export_one(
    number: Number,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to; - is the standard output.")],
    on: On = None,
    form: Annotated[
        FileFormat | None, typer.Option("--format", help="csv or xlsx; by the file's name when left out.")
    ] = None,
    language: Annotated[Language, typer.Option("--language", help="Of headers and words.")] = "zh",
) -> None:
    """Write a programme's figures and devices of a day, for the reporting line. The same day gives the same file."""
    used: FileFormat = form or ("xlsx" if out.suffix.lower() == ".xlsx" else "csv")

    def work(connection: Connection[Any]) -> int:
        day = _day(on)
        found = programmes.programme(connection, number, day)
        with written(out, used) as file:
            return export(connection, found, day, file, form=used, language=language)

    count = desk.read(NAME, work)
    if str(out) != "-":
        typer.echo(f"{count} devices written to {out}.")


def add_to(app: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    what = "--name-zh 郑州查询机淘汰 --name-en Kiosks --region 4101 --kind kiosk"
    made = f"{what} --begins-on 2026-03-01 --due-on 2026-12-31"
    for name, command, example in (
        ("programmes", list_programmes, "--json"),
        ("programme", show, "KS-4101-2026 --on 2026-06-30"),
        ("programme-create", create, f"KS-4101-2026 {made}"),
        ("programme-change", change, "KS-4101-2026 --due-on 2027-03-31 --reason 延期"),
        ("programme-end", end, "KS-4101-2026 --reason 任务完成"),
        ("programme-export", export_one, "KS-4101-2026 --out kiosks.xlsx --on 2026-06-30"),
    ):
        app.command(name, epilog=f"Example: tracefleet fleet {name} {example}")(command)


def _day(on: datetime | None) -> date:
    last = today()
    day = on.date() if on is not None else last
    require_past(day, today=last)
    return day


def _show(found: Programme, told: Progress) -> None:
    console, figures = screen(), told.figures
    console.print(f"{found.programme_no}: {found.name_zh} {found.name_en}", markup=False, highlight=False)
    console.print(
        f"{figures.day}: {figures.retired} of {figures.target} retired ({_rate(figures)} %), {figures.remaining} "
        f"remain, due on {found.due_on}.",
        highlight=False,
    )
    if (ahead := figures.forecast) is not None:
        console.print(
            f"At {ahead.lately.per_week:g} a week it is done on {ahead.lately.done_on or 'no day'}; "
            f"in time with {'no number' if ahead.needed_per_week is None else f'{ahead.needed_per_week:g}'} a week.",
            highlight=False,
        )
    if told.blockers:
        table = table_of("devices", "what holds them up", "what to do", title="Blockers · 未完成原因")
        for blocker in told.blockers:
            words = f"{blocker.name_zh}\n{blocker.name_en}", f"{blocker.remedy_zh}\n{blocker.remedy_en}"
            table.add_row(str(blocker.devices), *map(escape, words))
        console.print(table)


def _rate(figures: Figures) -> str:
    return "-" if figures.rate is None else f"{figures.rate * 100:.1f}"


def _print_json(value: object) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
