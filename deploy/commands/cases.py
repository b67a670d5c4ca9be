"""``tracefleet fleet cases|case-open|case-document``: cases listed, looked at, opened, papers laid with them."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import Connection

from deploy.commands import case_steps, desk
from deploy.commands.case_running import NAME, Apply, AsJson, Reason, Sheet, content_of_one, paper_in, print_json, run
from deploy.commands.case_tables import show_case, show_list
from deploy.commands.words import known_kind, known_state
from fleet.retirement import documents
from fleet.retirement.listing import list_cases
from fleet.retirement.next_steps import tell
from fleet.retirement.opening import Opening, open_cases
from fleet.retirement.report import Report
from fleet.retirement.sheets import opening_sheet
from fleet.retirement.states import PAPERS, STATES


def cases(
    case_no: Annotated[str | None, typer.Argument(metavar="[CASE_NO]", help="One case; without it, a list.")] = None,
    *,
    state: Annotated[
        str | None, typer.Option(callback=known_state, help=f"Only in this state: {', '.join(STATES)}.")
    ] = None,
    device_no: Annotated[str | None, typer.Option("--device", help="Only of this device.")] = None,
    site_no: Annotated[str | None, typer.Option("--site", help="Only at this site number.")] = None,
    region_code: Annotated[str | None, typer.Option("--region", help="Only in this region: 2, 4 or 6 digits.")] = None,
    kind: Annotated[str | None, typer.Option(callback=known_kind, help="Only of devices of this kind.")] = None,
    programme: Annotated[str | None, typer.Option(help="Only of this campaign.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose day is over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show cases of the retirement loop (处置单), or all about one: what may be done next, by whom, what is missing."""
    if case_no is not None:
        told = desk.read(NAME, lambda connection: tell(connection, case_no, now=datetime.now(UTC)))
        if as_json:
            print_json(asdict(told))
        else:
            show_case(told)
        return
    filters: dict[str, Any] = {
        "state": state,
        "device_no": device_no,
        "site_no": site_no,
        "region_code": region_code,
        "kind": kind,
    }
    filters |= {"programme": programme, "overdue": True if overdue else None}
    rows = desk.read(NAME, lambda connection: list_cases(connection, filters, limit=limit))
    if as_json:
        print_json(rows)
    else:
        show_list(rows)


def case_open(
    device_no: Annotated[str | None, typer.Argument(metavar="[DEVICE_NO]", help="Number of the device.")] = None,
    *,
    reason: Reason = "",
    programme: Annotated[str | None, typer.Option(help="The campaign it belongs to.")] = None,
    by_hand: Annotated[bool, typer.Option("--by-hand", help="For the reason, whatever flag it has.")] = False,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Open a case for a device (立案): for its flag, or for a reason."""
    content = content_of_one(device_no, file)
    opening = Opening(device_no=device_no or "", reason=reason, programme_no=programme, by_hand=by_hand)

    def work(connection: Connection[Any], now: datetime, apply: bool) -> Report:
        if content is not None:
            return opening_sheet(connection, content, now=now, apply=apply)
        return open_cases(connection, [opening], now=now, apply=apply)

    run(work, reason, apply=apply or content is None, as_json=as_json)


def case_document(
    case_no: Annotated[str, typer.Argument(metavar="CASE_NO", help="Number of the case.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document. It stays where it is.")],
    kind: Annotated[str, typer.Option(help=f"What it is: {', '.join(PAPERS)}.")],
    note: Annotated[str | None, typer.Option(help="For people.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lay a document with a case by its SHA-256; nothing is uploaded."""
    paper = paper_in(kind, file, note)
    found = desk.change(NAME, lambda connection: documents.attach(connection, case_no, [paper], now=datetime.now(UTC)))
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        typer.echo(f"{case_no}: {paper.name} ({kind}) {paper.sha256}; {len(found)} documents · 共 {len(found)} 份")


def add_to(app: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    of = "RC-2026-000017"
    examples: tuple[tuple[str, Callable[..., None], str], ...] = (
        ("cases", cases, "--state proposed --overdue"),
        ("case-open", case_open, "TD-410100-SC-000001-0 --reason 现场核实不再使用"),
        ("case-keep", case_steps.case_keep, f"{of} --until 2027-06-30 --reason 备用"),
        ("case-propose", case_steps.case_propose, f"{of} --reason 称重不准 --paper application=申请.pdf"),
        ("case-appraise", case_steps.case_appraise, f"{of} --appraisal no_use_left --paper appraisal=鉴定.pdf"),
        ("case-approve", case_steps.case_approve, f"{of} --document 批复〔2026〕7号 --paper approval=批复.pdf"),
        ("case-reject", case_steps.case_reject, f"{of} --reason 仍可使用"),
        ("case-withdraw", case_steps.case_withdraw, f"{of} --reason 登记有误"),
        ("case-execute", case_steps.case_execute, of),
        ("case-recover", case_steps.case_recover, f"{of} --place 运维仓库A3 --photo 照片.jpg"),
        ("case-wipe", case_steps.case_wipe, of),
        ("case-dispose", case_steps.case_dispose, f"{of} --method donation --recipient 某某学校"),
        ("case-write-off", case_steps.case_write_off, f"{of} --document 核销〔2026〕3号"),
        ("case-archive", case_steps.case_archive, of),
        ("case-document", case_document, f"{of} 发票.pdf --kind value_evidence"),
    )
    for name, command, example in examples:
        app.command(name, epilog=f"Example: tracefleet fleet {name} {example}")(command)
