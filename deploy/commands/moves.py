"""``tracefleet devices transition|swap|change-board|transfer|recover|lose``: devices through their lives."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection
from rich.markup import escape

from deploy.commands import desk
from deploy.commands.files import content_of
from deploy.commands.tables import screen, table_of
from fleet.errors import UnknownEntryError
from fleet.lifecycle.move import SORTS, Move, MoveKind
from fleet.lifecycle.moves import carry_out
from fleet.lifecycle.report import Changed, Report
from fleet.lifecycle.sheets import move_sheet
from fleet.lifecycle.states import NAMES, State, allowed
from store.errors import TracefleetError

NAME: Final = "tracefleet devices moves"
SHOWN: Final = 500
STATE: Final = "SELECT state FROM devices WHERE device_no = %(device_no)s"

DeviceNo = Annotated[str | None, typer.Argument(metavar="[DEVICE_NO]", help="Number of the device.")]
Sheet = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Many at once: CSV or XLSX with a column for each of the options."),
]
Reason = Annotated[str, typer.Option(help="Why; the audit keeps it.")]
Document = Annotated[str | None, typer.Option(help="Number of the document that it stands on.")]
Cost = Annotated[int | None, typer.Option(min=0, help="What it cost, in fen.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it. Without this, it is only said what would be done.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def transition(
    device_no: DeviceNo = None,
    to: Annotated[str, typer.Argument(metavar="[STATE]", help="The state that is to follow.")] = "",
    file: Sheet = None,
    reason: Reason = "",
    document: Document = None,
    cost_fen: Cost = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Change the state of devices (状态变更). `devices allowed` says what may follow."""
    fields = {"to": to or None, "reason": reason, "document": document, "cost_fen": cost_fen}
    _run("transition", device_no, fields, file, apply=apply, as_json=as_json)


def swap(
    device_no: DeviceNo = None,
    new_device_no: Annotated[str, typer.Argument(metavar="[NEW_DEVICE_NO]", help="A device in stock.")] = "",
    *,
    file: Sheet = None,
    reason: Reason = "",
    to: Annotated[str | None, typer.Option(help="State of the device that leaves: recovered unless told.")] = None,
    storage_place: Annotated[str | None, typer.Option(help="Where that one is kept.")] = None,
    document: Document = None,
    cost_fen: Cost = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Put another device in the place of one (换机): site, stall, merchant, duties and the series go on."""
    fields: dict[str, Any] = {"new_device_no": new_device_no or None, "reason": reason, "to": to}
    fields |= {"storage_place": storage_place, "document": document, "cost_fen": cost_fen}
    _run("swap", device_no, fields, file, apply=apply, as_json=as_json)


def change_board(
    device_no: DeviceNo = None,
    file: Sheet = None,
    reason: Reason = "",
    factory_no: Annotated[str | None, typer.Option(help="The new factory number.")] = None,
    mac: Annotated[str | None, typer.Option(help="The new MAC address.")] = None,
    hardware_version: Annotated[str | None, typer.Option(help="The new hardware version.")] = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Note a new mainboard (更换主板): the device keeps its number and its history."""
    fields = {"reason": reason, "factory_no": factory_no, "mac": mac, "hardware_version": hardware_version}
    _run("board", device_no, fields, file, apply=apply, as_json=as_json)


def transfer(
    device_no: DeviceNo = None,
    file: Sheet = None,
    reason: Reason = "",
    site_no: Annotated[str | None, typer.Option("--site", help="The new site.")] = None,
    stall_no: Annotated[str | None, typer.Option("--stall", help="The new stall.")] = None,
    merchant_code: Annotated[str | None, typer.Option("--merchant", help="The new merchant.")] = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Move devices to another site, stall or merchant (调换位置)."""
    fields = {"reason": reason, "site_no": site_no, "stall_no": stall_no, "merchant_code": merchant_code}
    _run("transfer", device_no, fields, file, apply=apply, as_json=as_json)


def recover(
    device_no: DeviceNo = None,
    *,
    file: Sheet = None,
    reason: Reason = "",
    to: Annotated[str | None, typer.Option(help="recovered, or in_stock unless told.")] = None,
    storage_place: Annotated[str | None, typer.Option(help="Where it is kept.")] = None,
    site_no: Annotated[str | None, typer.Option("--site", help="The site it belongs to from now on.")] = None,
    document: Document = None,
    cost_fen: Cost = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Take devices from their places into the stock (回收入库); each step is recorded."""
    fields: dict[str, Any] = {"reason": reason, "to": to, "storage_place": storage_place, "site_no": site_no}
    fields |= {"document": document, "cost_fen": cost_fen}
    _run("recover", device_no, fields, file, apply=apply, as_json=as_json)


def lose(
    device_no: DeviceNo = None,
    file: Sheet = None,
    reason: Reason = "",
    document: Document = None,
    cost_fen: Cost = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Write down devices that cannot be found (盘亏). Needs the report; the number is never issued again."""
    fields = {"reason": reason, "document": document, "cost_fen": cost_fen}
    _run("lose", device_no, fields, file, apply=apply, as_json=as_json)


def allowed_next(
    device_no: Annotated[str, typer.Argument(metavar="DEVICE_NO", help="Number of the device.")],
    as_json: AsJson = False,
) -> None:
    """Show the state of a device, and those that may follow it."""

    def look(connection: Connection[Any]) -> State:
        found = connection.execute(STATE, {"device_no": device_no}).fetchone()
        if found is None:
            raise UnknownEntryError(f"{device_no} is not in the ledger: correct the number.")
        state: State = found[0]
        return state

    state = desk.read(NAME, look)
    may = allowed(state)
    if as_json:
        typer.echo(orjson.dumps({"device_no": device_no, "state": state, "allowed": may}).decode())
        return
    typer.echo(f"{device_no}: {_named(state)}")
    typer.echo(f"  → {', '.join(map(_named, may)) or 'nothing may follow · 终态'}")


def add_to(app: typer.Typer) -> None:
    """The commands, into the group of the devices."""
    of = "TD-410100-SC-000001-0"
    for name, command, example in (
        ("transition", transition, f"{of} faulty --reason 无显示 --apply"),
        ("swap", swap, f"{of} TD-410100-SC-000900-9 --reason 无显示 --apply"),
        ("change-board", change_board, f"{of} --factory-no YH2026000123 --reason 维修换板 --apply"),
        ("transfer", transfer, f"{of} --site 410100002 --stall B012 --reason 市场搬迁 --apply"),
        ("recover", recover, f"{of} --storage-place 运维仓库A3 --reason 市场关闭 --apply"),
        ("lose", lose, f"{of} --document 盘亏报告〔2026〕3号 --reason 盘点未见 --apply"),
        ("allowed", allowed_next, of),
    ):
        app.command(name, epilog=f"Example: tracefleet devices {name} {example}")(command)


def _run(
    kind: MoveKind, device_no: str | None, fields: dict[str, Any], file: Path | None, *, apply: bool, as_json: bool
) -> None:
    if (device_no is None) == (file is None):
        raise TracefleetError("name one device, or give a --file with many.")

    def work(connection: Connection[Any]) -> Report:
        if file is not None:
            return move_sheet(connection, kind, content, apply=apply)
        return carry_out(connection, kind, [Move(device_no=device_no or "", **fields)], apply=apply)

    content = content_of(file) if file is not None else b""
    report = desk.change(NAME, work, reason=fields["reason"]) if apply else desk.read(NAME, work)
    if as_json:
        typer.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(report)
    if not report.is_good:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    console = screen()
    if report.errors:
        errors = table_of("row", "device", "column", "what is wrong, and what to do", title="Errors · 错误")
        for error in report.errors[:SHOWN]:
            errors.add_row(str(error.row), *map(escape, (error.device_no, error.column, error.sentence)))
        console.print(errors)
    if report.changed:
        changes = table_of("row", "device", "state", "changed", title="Changes · 变更")
        for change in report.changed[:SHOWN]:
            changes.add_row(str(change.row), escape(change.device_no), " → ".join(change.states), _fields(change))
        console.print(changes)
    rest = max(len(report.errors), len(report.changed)) - SHOWN
    if rest > 0:
        console.print(f"… and more: the first {SHOWN} are shown, --json prints all.")
    console.print(_summary(report), highlight=False, markup=False)


def _fields(change: Changed) -> str:
    return escape("\n".join(f"{one.column}: {one.before} → {one.after}" for one in change.fields))


def _summary(report: Report) -> str:
    sort = SORTS[report.move]
    counts = f"{sort.name_en} · {sort.name_zh}: {report.moves} asked for, {len(report.errors)} errors."
    if report.errors:
        return f"{counts} Nothing was changed · 未作任何变更"
    if report.applied:
        return f"{counts} Done · 已完成"
    return f"{counts} Nothing was changed yet: add --apply to do it · 尚未变更，加 --apply 执行"


def _named(state: State) -> str:
    chinese, _ = NAMES[state]
    return f"{state} {chinese}"
