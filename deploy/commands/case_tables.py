"""Cases as tables of a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.markup import escape

from deploy.commands.clock import clock
from deploy.commands.tables import print_table, screen, table_of
from fleet.retirement.next_steps import Told
from fleet.retirement.report import Report
from fleet.retirement.states import NAMES, PATH_NAMES, STEPS, is_step

SHOWN: Final = 500
# Two lines a case: 80 columns hold no more than five words beside one another.
_COLUMNS: Final = ("case, device", "kind, site", "state, campaign", "due", "by")


def show_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """Cases, one a line."""
    table = table_of(*_COLUMNS, title="Cases · 处置单")
    for row in rows:
        cells = (
            f"{row['case_no']}\n{row['device_no']}",
            f"{row['kind']}\n{row['site_no'] or ''}",
            f"{row['state']}\n{row['programme_no'] or ''}",
            f"{row['due_on'] or ''}\n{'overdue·逾期' if row['is_overdue'] else ''}",
            f"{row['proposed_by'] or ''}\n{row['approved_by'] or ''}",
        )
        table.add_row(*map(escape, cells))
    print_table(table, none="No case. 没有处置单。")
    screen().print("1 case." if len(rows) == 1 else f"{len(rows)} cases.", highlight=False)


def show_case(told: Told) -> None:
    """One case: where it stands, what was done, what may follow and what is missing."""
    console = screen()
    case, facts = told.case, told.facts
    (chinese, english), (path_zh, path_en) = NAMES[case.state], PATH_NAMES[case.path]
    head = f"{case.case_no}  {case.device_no}  {english} · {chinese}  ({path_en} · {path_zh})"
    console.print(head, highlight=False, markup=False)
    if facts.tier is not None:
        console.print(f"{facts.tier.name_en} · {facts.tier.name_zh}", highlight=False, markup=False)
    for ground in case.grounds:
        said = ground.get("reason") or f"{ground.get('sentence_en', '')} {ground.get('sentence_zh', '')}"
        console.print(f"  because · 依据: {said}", highlight=False, markup=False)
    steps = table_of("at", "state", "by", "reason", "document", title="Steps · 步骤")
    for step in told.steps:
        cells = (clock(step.at), step.to_state, step.actor, step.reason or "", step.document or "")
        steps.add_row(*map(escape, cells))
    console.print(steps)
    if told.documents:
        papers = table_of("kind", "name", "sha256", "by", title="Documents · 文件")
        for paper in told.documents:
            papers.add_row(*map(escape, (paper.kind, paper.name, paper.sha256[:16], paper.added_by)))
        console.print(papers)
    following = table_of("step", "by", "not by", "needs", "missing", title="Next · 下一步")
    for one in told.next:
        missing = "\n".join(one.missing)
        cells = (
            f"{one.step} {one.name_zh}",
            ", ".join(one.roles),
            ", ".join(one.not_by),
            ", ".join(one.needs),
            missing,
        )
        following.add_row(*map(escape, cells))
    console.print(following)


def show_report(report: Report) -> None:
    """What became of orders."""
    console = screen()
    if report.errors:
        errors = table_of("row", "case", "device", "column", "what is wrong, and what to do", title="Errors · 错误")
        for error in report.errors[:SHOWN]:
            cells = (error.case_no, error.device_no, error.column, error.sentence)
            errors.add_row(str(error.row), *map(escape, cells))
        console.print(errors)
    if report.changed:
        changes = table_of("row", "case", "device", "state", "device's", title="Changes · 变更")
        for change in report.changed[:SHOWN]:
            way = f"{change.before} → {change.after}" if change.before else change.after
            cells = (change.case_no, change.device_no, way, " → ".join(change.device_states))
            changes.add_row(str(change.row), *map(escape, cells))
        console.print(changes)
        for change in report.changed[:SHOWN]:
            if change.sentence_en:
                console.print(f"{change.sentence_en} {change.sentence_zh}", highlight=False, markup=False)
    rest = max(len(report.errors), len(report.changed)) - SHOWN
    if rest > 0:
        console.print(f"… and more: the first {SHOWN} are shown, --json prints all.")
    console.print(_summary(report), highlight=False, markup=False)


def _summary(report: Report) -> str:
    names = (STEPS[report.step].name_en, STEPS[report.step].name_zh) if is_step(report.step) else ("open", "立案")
    counts = f"{names[0]} · {names[1]}: {report.orders} asked for, {len(report.errors)} errors."
    if report.errors:
        return f"{counts} Nothing was changed · 未作任何变更"
    if report.applied:
        return f"{counts} Done · 已完成"
    return f"{counts} Nothing was changed yet: add --apply to do it · 尚未变更，加 --apply 执行"
