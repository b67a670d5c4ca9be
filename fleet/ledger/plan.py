"""What a sheet would do to the ledger: its drafts against the rules. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.ledger.columns import Ledger
from fleet.ledger.drafts import Draft
from fleet.ledger.facts import Facts
from fleet.ledger.findings import Finding
from fleet.ledger.report import Change, Report, RowError, Value
from fleet.ledger.rows import HIDDEN
from fleet.ledger.rules import findings


@dataclass(frozen=True, slots=True)
class Plan:
    """The drafts to write, and the report that says why."""

    drafts: tuple[Draft, ...]
    report: Report


def plan(ledger: Ledger, errors: Sequence[RowError], drafts: Sequence[Draft], facts: Facts, *, rows: int) -> Plan:
    """What the good rows of a sheet of *rows* rows create, change and leave alone. Nothing is applied yet.

    *errors* are those of its header and its cells.
    """
    written: list[Draft] = []
    complaints = list(errors)
    warnings: list[RowError] = []
    unchanged = 0
    found = findings(ledger.noun, [draft for draft in drafts if not draft.bad], facts)
    for draft in drafts:
        # A row with a bad cell is not written, and still is told of everything else that is wrong with it.
        of_the_rules = found.get(draft.row, ())
        wrong = [_told(ledger, draft, finding) for finding in of_the_rules if not finding.is_warning]
        warnings += [_told(ledger, draft, finding) for finding in of_the_rules if finding.is_warning]
        complaints += [*draft.complaints, *wrong]
        if wrong or draft.complaints or draft.bad:
            continue
        if draft.is_new or draft.fields:
            written.append(draft)
        else:
            unchanged += 1
    report = Report(
        ledger.noun,
        rows,
        tuple(_shown(draft.key) for draft in written if draft.is_new),
        tuple(Change(draft.row, _shown(draft.key), draft.fields) for draft in written if not draft.is_new),
        unchanged,
        tuple(sorted(complaints, key=lambda error: error.row)),
        applied=False,
        warnings=tuple(warnings),
    )
    return Plan(tuple(written), report)


def _told(ledger: Ledger, draft: Draft, finding: Finding) -> RowError:
    value = draft.after[finding.column]
    shown = "" if value is None else HIDDEN if ledger.column(finding.column).personal else str(value)
    return RowError(draft.row, finding.column, shown, finding.problem, finding.remedy)


def _shown(key: tuple[Value, ...]) -> str:
    return " ".join(map(str, key)).strip()
