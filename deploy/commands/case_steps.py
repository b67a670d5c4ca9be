"""``tracefleet fleet case-…``: the steps of cases, of one or of a sheet of them."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import Connection

from deploy.commands.acting import actor
from deploy.commands.case_running import Apply, AsJson, Reason, Sheet, content_of_one, hash_of, paper_of, run
from fleet.retirement.cases import carry_out
from fleet.retirement.order import Order
from fleet.retirement.report import Report
from fleet.retirement.sheets import step_sheet
from fleet.retirement.states import StepName

Case = Annotated[str | None, typer.Argument(metavar="[CASE_NO]", help="Number of the case, or of its device.")]
Document = Annotated[str | None, typer.Option(help="Number of the document that it stands on.")]
Papers = Annotated[
    list[str] | None,
    typer.Option("--paper", metavar="KIND=FILE", help="A document, laid with the case by its hash. May be repeated."),
]
Replacement = Annotated[str | None, typer.Option(help="What comes instead: none, device, qr_lookup, erp_upload.")]
Successor = Annotated[str | None, typer.Option("--successor", help="The device in stock that takes its place.")]
Place = Annotated[str | None, typer.Option("--place", help="Where it is kept.")]
Photo = Annotated[Path | None, typer.Option("--photo", metavar="FILE", help="Its photograph; only its hash is kept.")]


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
    fields = {"recovered_place": place, "photo_sha256": hash_of(photo), "recovered_by": by, "reason": reason}
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
    fields = {"recovered_place": place, "photo_sha256": hash_of(photo), "reason": reason}
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
    content = content_of_one(case_no, file)
    laid = tuple(paper_of(text) for text in papers or ())
    who = actor().who

    def work(connection: Connection[Any], now: datetime, apply: bool) -> Report:
        if content is not None:
            return step_sheet(connection, name, content, now=now, apply=apply, actor=who, papers=laid)
        named: dict[str, Any] = {"case_no": case_no} if (case_no or "").startswith("RC-") else {"device_no": case_no}
        return carry_out(connection, name, [Order(**named, **fields, papers=laid)], now=now, apply=apply, actor=who)

    run(work, fields.get("reason") or "", apply=apply or content is None, as_json=as_json)
