"""``tracefleet fleet cases`` and ``fleet case-…``: devices out of the fleet, step by step, one or a sheet of them."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from psycopg import Connection

from deploy.commands import desk
from deploy.commands.acting import actor
from deploy.commands.case_tables import show_case, show_list, show_report
from deploy.commands.files import content_of
from fleet.retirement import documents
from fleet.retirement.cases import carry_out
from fleet.retirement.listing import list_cases
from fleet.retirement.next_steps import tell
from fleet.retirement.opening import Opening, open_cases
from fleet.retirement.order import Order, Paper
from fleet.retirement.report import Report
from fleet.retirement.sheets import opening_sheet, step_sheet
from fleet.retirement.states import PAPERS, STATES, PaperKind, StepName
from store.errors import TracefleetError

NAME: Final = "tracefleet fleet cases"

Case = Annotated[str | None, typer.Argument(metavar="[CASE_NO]", help="Number of the case, or of its device.")]
Sheet = Annotated[
    Path | None,
    typer.Option(
        "--file", metavar="FILE", help="Many at once: CSV or XLSX with case_no or device_no, and the options."
    ),
]
Reason = Annotated[str, typer.Option(help="Why; the audit keeps it.")]
Document = Annotated[str | None, typer.Option(help="Number of the document that it stands on.")]
Papers = Annotated[
    list[str] | None,
    typer.Option("--paper", metavar="KIND=FILE", help="A document, laid with the case by its hash. May be repeated."),
]
Replacement = Annotated[str | None, typer.Option(help="What comes instead: none, device, qr_lookup, erp_upload.")]
Successor = Annotated[str | None, typer.Option("--successor", help="The device in stock that takes its place.")]
Place = Annotated[str | None, typer.Option("--place", help="Where it is kept.")]
Photo = Annotated[Path | None, typer.Option("--photo", metavar="FILE", help="Its photograph; only its hash is kept.")]
Apply = Annotated[
    bool, typer.Option("--apply", help="Of many: do it. Without this, it is only said what would be done.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def cases(
    case_no: Annotated[str | None, typer.Argument(metavar="[CASE_NO]", help="One case; without it, a list.")] = None,
    *,
    state: Annotated[str | None, typer.Option(help=f"Only in this state: {', '.join(STATES)}.")] = None,
    device_no: Annotated[str | None, typer.Option("--device", help="Only of this device.")] = None,
    site_no: Annotated[str | None, typer.Option("--site", help="Only at this site number.")] = None,
    region_code: Annotated[str | None, typer.Option("--region", help="Only in this region: 2, 4 or 6 digits.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of devices of this kind.")] = None,
    programme: Annotated[str | None, typer.Option(help="Only of this campaign.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose day is over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show cases of the retirement loop (处置单), or all about one: what may be done next, by whom, what is missing."""
    if case_no is not None:
        told = desk.read(NAME, lambda connection: tell(connection, case_no, now=datetime.now(UTC)))
        if as_json:
            _print_json(asdict(told))
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
        _print_json(rows)
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
    content = _content(device_no, file)
    opening = Opening(device_no=device_no or "", reason=reason, programme_no=programme, by_hand=by_hand)

    def work(connection: Connection[Any], now: datetime, apply: bool) -> Report:
        if content is not None:
            return opening_sheet(connection, content, now=now, apply=apply)
        return open_cases(connection, [opening], now=now, apply=apply)

    _run(work, reason, apply=apply or content is None, as_json=as_json)


def case_keep(
    case_no: Case = None,
    *,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Through this day.")] = None,
    reason: Reason = "",
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Keep the device for a while (留用)."""
    fields = {"kept_until": until.date() if until else None, "reason": reason}
    _step("keep", case_no, fields, file, None, apply=apply, as_json=as_json)


def case_propose(
    case_no: Case = None,
    *,
    reason: Reason = "",
    document: Document = None,
    replacement: Replacement = None,
    successor: Successor = None,
    paper: Papers = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Propose it for disposal (申请处置). What one sheet proposes is valued together."""
    fields = {"reason": reason, "document": document, "replacement": replacement, "successor_no": successor}
    _step("propose", case_no, fields, file, paper, apply=apply, as_json=as_json)


def case_appraise(
    case_no: Case = None,
    *,
    appraisal: Annotated[str | None, typer.Option(help="no_use_left, not_worth_repair or usable.")] = None,
    reason: Reason = "",
    document: Document = None,
    paper: Papers = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Write down the technical appraisal (技术鉴定)."""
    fields = {"appraisal": appraisal, "reason": reason, "document": document}
    _step("appraise", case_no, fields, file, paper, apply=apply, as_json=as_json)


def case_approve(
    case_no: Case = None,
    *,
    document: Document = None,
    reason: Reason = "",
    paper: Papers = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Approve it (批准). Whoever proposed or appraised it may not."""
    _step("approve", case_no, {"document": document, "reason": reason}, file, paper, apply=apply, as_json=as_json)


def case_reject(
    case_no: Case = None,
    *,
    reason: Reason = "",
    document: Document = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Do not approve it (不予批准)."""
    _step("reject", case_no, {"reason": reason, "document": document}, file, None, apply=apply, as_json=as_json)


def case_withdraw(
    case_no: Case = None, reason: Reason = "", file: Sheet = None, apply: Apply = False, as_json: AsJson = False
) -> None:
    """Withdraw it (撤回), as long as it is not executed."""
    _step("withdraw", case_no, {"reason": reason}, file, None, apply=apply, as_json=as_json)


def case_execute(
    case_no: Case = None,
    *,
    reason: Reason = "",
    replacement: Replacement = None,
    successor: Successor = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """End the device's identity (执行). Nothing after it is undone; of a device that came back to life it stops."""
    fields = {"reason": reason, "replacement": replacement, "successor_no": successor}
    _step("execute", case_no, fields, file, None, apply=apply, as_json=as_json)


def case_recover(
    case_no: Case = None,
    *,
    place: Place = None,
    photo: Photo = None,
    by: Annotated[str | None, typer.Option(help="Who fetched it.")] = None,
    reason: Reason = "",
    replacement: Replacement = None,
    successor: Successor = None,
    paper: Papers = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Write down that it was fetched (回收); its successor takes its place."""
    fields = {"recovered_place": place, "photo_sha256": _hash(photo), "recovered_by": by, "reason": reason}
    fields |= {"replacement": replacement, "successor_no": successor}
    _step("recover", case_no, fields, file, paper, apply=apply, as_json=as_json)


def case_wipe(
    case_no: Case = None,
    *,
    place: Place = None,
    photo: Photo = None,
    reason: Reason = "",
    replacement: Replacement = None,
    successor: Successor = None,
    paper: Papers = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Write down that what was stored on it is deleted (清除数据)."""
    fields = {"recovered_place": place, "photo_sha256": _hash(photo), "reason": reason}
    fields |= {"replacement": replacement, "successor_no": successor}
    _step("wipe", case_no, fields, file, paper, apply=apply, as_json=as_json)


def case_dispose(
    case_no: Case = None,
    *,
    method: Annotated[
        str | None, typer.Option(help="transfer, public_warehouse, sale, donation, scrap, loss, returned.")
    ] = None,
    recipient: Annotated[str | None, typer.Option(help="To whom.")] = None,
    licence: Annotated[str | None, typer.Option(help="Of scrap: the recycler's licence.")] = None,
    receipt: Annotated[str | None, typer.Option(help="Of scrap: the number of the recycler's receipt.")] = None,
    income_fen: Annotated[int | None, typer.Option(min=0, help="Of a sale, in fen.")] = None,
    document: Document = None,
    reason: Reason = "",
    paper: Papers = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Write down that it is gone (处置): how, to whom, with which receipt."""
    fields: dict[str, Any] = {"method": method, "recipient": recipient, "recycler_licence": licence}
    fields |= {"receipt_no": receipt, "income_fen": income_fen, "document": document, "reason": reason}
    _step("dispose", case_no, fields, file, paper, apply=apply, as_json=as_json)


def case_write_off(
    case_no: Case = None,
    *,
    document: Document = None,
    reason: Reason = "",
    paper: Papers = None,
    file: Sheet = None,
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Write down that it is out of the books (核销)."""
    _step("write_off", case_no, {"document": document, "reason": reason}, file, paper, apply=apply, as_json=as_json)


def case_archive(
    case_no: Case = None, reason: Reason = "", file: Sheet = None, apply: Apply = False, as_json: AsJson = False
) -> None:
    """Close the case (归档)."""
    _step("archive", case_no, {"reason": reason}, file, None, apply=apply, as_json=as_json)


def case_document(
    case_no: Annotated[str, typer.Argument(metavar="CASE_NO", help="Number of the case.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document. It stays where it is.")],
    kind: Annotated[str, typer.Option(help=f"What it is: {', '.join(PAPERS)}.")],
    note: Annotated[str | None, typer.Option(help="For people.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lay a document with a case by its SHA-256; nothing is uploaded."""
    paper = _paper(kind, file, note)
    found = desk.change(NAME, lambda connection: documents.attach(connection, case_no, [paper], now=datetime.now(UTC)))
    if as_json:
        _print_json([asdict(one) for one in found])
    else:
        typer.echo(f"{case_no}: {paper.name} ({kind}) {paper.sha256}; {len(found)} documents · 共 {len(found)} 份")


def add_to(app: typer.Typer) -> None:
    """The commands, into the group of the fleet."""
    of = "RC-2026-000017"
    examples: tuple[tuple[str, Callable[..., None], str], ...] = (
        ("cases", cases, "--state proposed --overdue"),
        ("case-open", case_open, "TD-410100-SC-000001-0 --reason 现场核实不再使用"),
        ("case-keep", case_keep, f"{of} --until 2027-06-30 --reason 备用"),
        ("case-propose", case_propose, f"{of} --reason 称重不准 --paper application=申请.pdf"),
        ("case-appraise", case_appraise, f"{of} --appraisal no_use_left --paper appraisal=鉴定.pdf"),
        ("case-approve", case_approve, f"{of} --document 批复〔2026〕7号 --paper approval=批复.pdf"),
        ("case-reject", case_reject, f"{of} --reason 仍可使用"),
        ("case-withdraw", case_withdraw, f"{of} --reason 登记有误"),
        ("case-execute", case_execute, of),
        ("case-recover", case_recover, f"{of} --place 运维仓库A3 --photo 照片.jpg"),
        ("case-wipe", case_wipe, of),
        ("case-dispose", case_dispose, f"{of} --method donation --recipient 某某学校"),
        ("case-write-off", case_write_off, f"{of} --document 核销〔2026〕3号"),
        ("case-archive", case_archive, of),
        ("case-document", case_document, f"{of} 发票.pdf --kind value_evidence"),
    )
    for name, command, example in examples:
        app.command(name, epilog=f"Example: tracefleet fleet {name} {example}")(command)


def _step(
    name: StepName,
    case_no: str | None,
    fields: dict[str, Any],
    file: Path | None,
    papers: list[str] | None,
    *,
    apply: bool,
    as_json: bool,
) -> None:
    content = _content(case_no, file)
    laid = tuple(_paper_of(text) for text in papers or ())
    who = actor().who

    def work(connection: Connection[Any], now: datetime, apply: bool) -> Report:
        if content is not None:
            return step_sheet(connection, name, content, now=now, apply=apply, actor=who, papers=laid)
        named: dict[str, Any] = {"case_no": case_no} if (case_no or "").startswith("RC-") else {"device_no": case_no}
        return carry_out(connection, name, [Order(**named, **fields, papers=laid)], now=now, apply=apply, actor=who)

    _run(work, fields.get("reason") or "", apply=apply or content is None, as_json=as_json)


def _run(work: Callable[[Connection[Any], datetime, bool], Report], reason: str, *, apply: bool, as_json: bool) -> None:
    now = datetime.now(UTC)
    if apply:
        report = desk.change(NAME, lambda connection: work(connection, now, True), reason=reason)
    else:
        report = desk.read(NAME, lambda connection: work(connection, now, False))
    if as_json:
        _print_json(asdict(report))
    else:
        show_report(report)
    if not report.is_good:
        raise typer.Exit(1)


def _content(name: str | None, file: Path | None) -> bytes | None:
    if (name is None) == (file is None):
        raise TracefleetError("name one, or give a --file with many.")
    return content_of(file) if file is not None else None


def _paper_of(text: str) -> Paper:
    kind, equals, file = text.partition("=")
    if not equals:
        raise TracefleetError(f"--paper {text}: write KIND=FILE, with one of the kinds {', '.join(PAPERS)}.")
    return _paper(kind, Path(file), None)


def _paper(kind: str, file: Path, note: str | None) -> Paper:
    known: dict[str, PaperKind] = {one: one for one in PAPERS}
    if kind not in known:
        raise TracefleetError(f"{kind} is no kind of document; the kinds are {', '.join(PAPERS)}.")
    content = content_of(file)
    return Paper(known[kind], file.name, hashlib.sha256(content).hexdigest(), len(content), note)


def _hash(file: Path | None) -> str | None:
    return hashlib.sha256(content_of(file)).hexdigest() if file is not None else None


def _print_json(told: Any) -> None:  # noqa: ANN401 - whatever is shown
    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2, default=_plain).decode())


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
