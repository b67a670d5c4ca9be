"""What a step makes of a case, or why it is refused. Pure: nothing here reads a clock or a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from fleet.retirement.case import Case
from fleet.retirement.documents import SHA256
from fleet.retirement.facts import Facts
from fleet.retirement.guards import GUARDS
from fleet.retirement.order import Order
from fleet.retirement.report import Complaint
from fleet.retirement.states import APPRAISALS, Step, StepName, allowed

# Who did it, and when, where the case keeps that besides its steps.
_SIGNED: Final[Mapping[StepName, tuple[str, str | None]]] = {
    "propose": ("proposed_by", "proposed_at"),
    "appraise": ("appraised_by", "appraised_at"),
    "approve": ("approved_by", "approved_at"),
    "execute": ("executed_by", "executed_at"),
    "wipe": ("wiped_by", "wiped_at"),
}
# Fields of an order that are fields of the case.
_KEPT: Final = (
    "kept_until",
    "appraisal",
    "replacement",
    "silence",
    "silent_since",
    "recovered_place",
    "recovered_by",
    "photo_sha256",
    "method",
    "recipient",
    "recycler_licence",
    "receipt_no",
    "income_fen",
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What comes of an order: the case as it shall be, or complaints and the case as it was."""

    order: Order
    step: Step
    before: Case
    after: Case
    complaints: tuple[Complaint, ...] = ()
    sentence_zh: str = ""
    sentence_en: str = ""


def decide(step: Step, order: Order, case: Case, facts: Facts, *, days: Mapping[str, int] | None = None) -> Decision:
    """What *step* makes of *case*; *days* are how long it may stay in each state.

    A case that is to be executed though its grounds are gone becomes stopped, and says so.
    """
    if not step.is_taken_from(case.state, case.path):
        return Decision(order, step, case, case, (_illegal(step, order, case),))
    complaints = tuple(_complaints(step, order, case, facts))
    if complaints:
        return Decision(order, step, case, case, complaints)
    if step.name == "execute" and facts.has_lapsed:
        rules = ", ".join(sorted(case.rules))
        return Decision(
            order,
            step,
            case,
            _entered(case, facts, days or {}, "stopped"),
            sentence_zh=f"{case.case_no} 已中止：立案依据（{rules}）均不再成立，{case.device_no} 不予处置。",
            sentence_en=f"{case.case_no} is stopped: none of the grounds it was opened on ({rules}) holds any more, "
            f"so {case.device_no} stays.",
        )
    after = replace(_entered(case, facts, days or {}, step.after), **_written(step, order, case, facts))
    return Decision(order, step, case, after)


def _entered(case: Case, facts: Facts, days: Mapping[str, int], state: Any) -> Case:  # noqa: ANN401 - a State
    """*case* from now on in *state*, with the day by which it is to leave it."""
    due_on = facts.day + timedelta(days=days[state]) if state in days else None
    return replace(case, state=state, state_since=facts.now, due_on=due_on, reminded_at=None, escalated_at=None)


def _written(step: Step, order: Order, case: Case, facts: Facts) -> dict[str, Any]:
    fields = (*step.needs, *step.may_have)
    written: dict[str, Any] = {
        name: value for name in _KEPT if name in fields and (value := getattr(order, name)) is not None
    }
    if step.name in _SIGNED:
        by, at = _SIGNED[step.name]
        written |= {by: facts.actor} | ({at: facts.now} if at else {})
    if step.name == "approve" and facts.tier is not None:
        written |= {"tier": facts.tier.tier, "approval": facts.tier.outcome}
    if step.name == "recover":
        written |= {"recovered_by": order.recovered_by or facts.actor}
    if step.name == "dispose":
        written |= {"disposed_at": facts.now}
    if "successor_no" in fields:
        written |= _successor(order, case, facts)
    return written


def _successor(order: Order, case: Case, facts: Facts) -> dict[str, Any]:
    if order.successor_no is not None:
        successor_id = facts.successors[order.successor_no].device_id
        return {"replacement": "device", "successor_id": successor_id, "successor_no": order.successor_no}
    if order.replacement not in (None, "device") and case.successor_id is not None:
        return {"successor_id": None, "successor_no": None}
    return {}


def _illegal(step: Step, order: Order, case: Case) -> Complaint:
    may = allowed(case.state, case.path)
    names = ", ".join(may) or "nothing: the case is over"
    sentence = f"a case that is {case.state} cannot be taken to {step.after} (path {case.path}). Allowed now: {names}"
    return Complaint(order.row, case.case_no, case.device_no, "state", sentence, state=case.state, allowed=may)


def _complaints(step: Step, order: Order, case: Case, facts: Facts) -> Iterator[Complaint]:
    found = [
        *_incomplete(step, order),
        *_missing_papers(step, case, facts),
        *(one for name in step.guards for one in GUARDS[name](case, order, facts)),
    ]
    for column, sentence in found:
        yield Complaint(order.row, case.case_no, case.device_no, column, sentence)


def _incomplete(step: Step, order: Order) -> Iterator[tuple[str, str]]:
    for name in step.needs:
        value = getattr(order, name)
        if value is None or (isinstance(value, str) and not value.strip()):
            yield name, f"{name} is empty: to {step.name_en} needs it"
    if step.name == "appraise" and order.appraisal and order.appraisal not in APPRAISALS:
        yield "appraisal", f"{order.appraisal} is none of {', '.join(APPRAISALS)}"
    if order.photo_sha256 and SHA256.fullmatch(order.photo_sha256) is None:
        yield (
            "photo_sha256",
            f"{order.photo_sha256[:70]!r} is no SHA-256: give its 64 hexadecimal digits, in small letters",
        )


def _missing_papers(step: Step, case: Case, facts: Facts) -> Iterator[tuple[str, str]]:
    for kind in step.papers.get(case.path, ()):
        if kind not in facts.papers:
            yield "papers", f"a document of the kind {kind} is missing: attach it"


def missing(step: Step, case: Case, facts: Facts) -> list[str]:
    """What stands in the way of *step*, as far as it does not depend on what will be told with it."""
    blank = Order(case_no=case.case_no)
    needs_order = {"day_ahead", "method", "named", "other_eyes"}
    guards = (name for name in step.guards if name not in needs_order)
    found = [*_missing_papers(step, case, facts), *(one for name in guards for one in GUARDS[name](case, blank, facts))]
    return [sentence for _, sentence in found]
