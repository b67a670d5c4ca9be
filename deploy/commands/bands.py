"""``tracefleet fleet bands|band-…``: within which temperatures a probe is well."""

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
from fleet.days import bands
from fleet.days.bands import Band, Order, Place

NAME: Final = "tracefleet fleet"
FREEZER: Final = (
    "logger --device TD-410100-TH-900001-1 --low -30 --high -15 --goods-zh 冷冻肉 --goods-en 'frozen meat' "
    "--basis 冷库温度管理规定 --reason 冷冻库单独判定"
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Why; the audit keeps it.")]
Low = Annotated[float, typer.Option("--low", metavar="CELSIUS", help="Colder than this is outside.")]
High = Annotated[float, typer.Option("--high", metavar="CELSIUS", help="Warmer than this is outside.")]
Tolerated = Annotated[
    timedelta | None,
    typer.Option(parser=span, metavar="SPAN", help="Outside for longer is an excursion. New: 30m; else it stays."),
]
Door = Annotated[
    timedelta | None,
    typer.Option(parser=span, metavar="SPAN", help="A door may be open for as long. New: 10m; else it stays."),
]
Interval = Annotated[
    timedelta | None,
    typer.Option(parser=span, metavar="SPAN", help="Missing for two of these is a gap. New: 15m; else it stays."),
]


def show_bands(as_json: AsJson = False) -> None:
    """Show within which temperatures a probe is well. The most specific row counts: device, model, kind of site."""
    _print(desk.read(NAME, bands.bands), as_json=as_json)


def set_band(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Kind of device, logger or door_sensor.")],
    *,
    low_c: Low,
    high_c: High,
    goods_zh: Annotated[str, typer.Option(help="What is kept there, in Chinese.")],
    goods_en: Annotated[str, typer.Option(help="The same in English.")],
    basis: Annotated[str, typer.Option(help="The norm or the decision that it is from.")],
    reason: Reason,
    model_no: Annotated[str | None, typer.Option("--model", help="Of this model of the kind alone.")] = None,
    site_kind: Annotated[str | None, typer.Option(help="At sites of this kind alone, such as cold_store.")] = None,
    device_no: Annotated[str | None, typer.Option("--device", help="Of this device alone.")] = None,
    place: Annotated[
        Place | None, typer.Option(help="Whether it stands in one or rides in one. New: store; else it stays.")
    ] = None,
    tolerated: Tolerated = None,
    door: Door = None,
    interval: Interval = None,
    as_json: AsJson = False,
) -> None:
    """Set the band of a kind of device, a model, one device, at all sites or at a kind of site; all that stand then.

    It counts at once for the newest readings and the alert, and for each day that is rolled up from then on: the
    running one within minutes, yesterday until noon. Older days keep the band they were judged by, unless something
    late has one rolled up again.
    """
    order = Order(
        kind=kind,
        low_c=low_c,
        high_c=high_c,
        goods_zh=goods_zh,
        goods_en=goods_en,
        basis=basis,
        model_no=model_no,
        site_kind=site_kind,
        device_no=device_no,
        place=place,
        tolerated_seconds=_seconds(tolerated),
        door_seconds=_seconds(door),
        interval_seconds=_seconds(interval),
    )

    def work(connection: Connection[Any]) -> list[Band]:
        bands.put(connection, order)
        return bands.bands(connection)

    _print(desk.change(NAME, work, reason=reason), as_json=as_json)


def remove_band(
    band_id: Annotated[int, typer.Argument(metavar="BAND", min=1, max=2**31 - 1, help="Its number.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Remove a band: the next general one counts again, from the running day on. A kind keeps its general one."""

    def work(connection: Connection[Any]) -> list[Band]:
        bands.remove(connection, band_id)
        return bands.bands(connection)

    _print(desk.change(NAME, work, reason=reason), as_json=as_json)


def add_to(fleet: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    for name, command, example in (
        ("bands", show_bands, "--json"),
        ("band-set", set_band, FREEZER),
        ("band-remove", remove_band, "9 --reason 与其他场所一致"),
    ):
        fleet.command(name, epilog=f"Example: {NAME} {name} {example}")(command)


def _seconds(given: timedelta | None) -> int | None:
    return None if given is None else int(given.total_seconds())


def _print(found: list[Band], *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps([asdict(each) for each in found], option=orjson.OPT_INDENT_2).decode())
        return
    table = table_of(
        "no.",
        "kind",
        "model",
        "kind of site",
        "device",
        "goods",
        "place",
        "°C",
        "tolerated s",
        "door s",
        "every s",
        "basis",
    )
    for each in found:
        table.add_row(
            str(each.band_id),
            escape(each.kind),
            escape(each.model_no or ""),
            each.site_kind or "",
            escape(each.device_no or ""),
            escape(f"{each.goods_zh} {each.goods_en}"),
            each.place,
            f"{each.low_c:g} … {each.high_c:g}",
            str(each.tolerated_seconds),
            str(each.door_seconds),
            str(each.interval_seconds),
            escape(each.basis),
        )
    print_table(table, none="There is no band. 没有温度区间。")
