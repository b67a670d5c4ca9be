"""Steps of cases, of one or of many: planned all, then taken all or none.

To be called within fleet.acting, which knows whose steps they are. Devices are locked before their cases, by all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from psycopg import Connection

from fleet.lifecycle.device import take as take_devices
from fleet.retirement import documents, effects
from fleet.retirement.case import Case, look, named, put_back, take
from fleet.retirement.deciding import Decision, decide
from fleet.retirement.facts import Facts
from fleet.retirement.order import Order
from fleet.retirement.reading import Read, read
from fleet.retirement.recording import Taken, record
from fleet.retirement.report import Changed, Complaint, Report
from fleet.retirement.states import STEPS, Step, StepName

# Of the numbers of bundles, which are made of who proposed and when.
_BUNDLES: Final = UUID("6f1e3e43-a0b1-42d3-9c57-2f1b8d5e7a60")
SUCCESSORS: Final = """
SELECT d.device_no FROM cases AS c JOIN devices AS d ON d.device_id = c.successor_id
WHERE c.case_id = ANY(%(case_ids)s::int4[])
"""


@dataclass(frozen=True, slots=True)
class _Planned:
    """Decisions with what they do to the devices, in the order of the orders, and all that is wrong."""

    decisions: tuple[Decision, ...]
    moves: tuple[list[effects.Effect], ...]
    read: Read
    complaints: tuple[Complaint, ...]


def act(connection: Connection[Any], name: StepName, order: Order, *, now: datetime) -> Changed:
    """One case, after its step *name*; its state is `stopped` when it was to be executed and its grounds are gone.

    Raises IllegalTransitionError, UnknownEntryError, RefusedError.
    """
    [changed] = carry_out(connection, name, [order], now=now, apply=True).settle().changed
    return changed


def carry_out(
    connection: Connection[Any],
    name: StepName,
    orders: Sequence[Order],
    *,
    now: datetime,
    apply: bool,
    actor: str | None = None,
) -> Report:
    """What *orders* come to; with *apply*, and when nothing is wrong with any, they are made.

    *actor* is asked for without *apply* alone: who would do it. What one person proposes on one day makes a bundle: its
    original values count together. Of two who take a step of one case at once, the second is judged by what the first
    made.
    """
    step = STEPS[name]
    given, complaints = _pick(connection, orders)
    cases = _take(connection, given, apply=apply)
    planned = _plan(connection, step, cases, given, now=now, actor=None if apply else actor)
    complaints = [*complaints, *planned.complaints]
    good = [decision for decision in planned.decisions if not decision.complaints]
    report = Report(
        name,
        len(orders),
        changed=tuple(
            _changed(decision, moves)
            for decision, moves in zip(planned.decisions, planned.moves, strict=True)
            if not decision.complaints
        ),
        errors=tuple(sorted(complaints, key=lambda error: error.row)),
    )
    if not apply or not report.is_good:
        return report
    _make(connection, step, good, planned, now=now)
    return replace(report, applied=True)


def _pick(connection: Connection[Any], orders: Sequence[Order]) -> tuple[dict[int, Order], list[Complaint]]:
    """The orders by the ids of their cases, and what is wrong with how they name them."""
    found = named(
        connection,
        [order.case_no for order in orders if order.case_no],
        [order.device_no for order in orders if order.device_no and not order.case_no],
    )
    by_case = {name.case_no: name for name in found}
    by_device = {name.device_no: name for name in found}
    given: dict[int, Order] = {}
    complaints = []
    for order in orders:
        name = by_case.get(order.case_no) if order.case_no else by_device.get(order.device_no or "")
        if name is None:
            complaints.append(_nobody(order))
        elif order.case_no and order.device_no not in (None, name.device_no):
            sentence = f"{name.case_no} is the case of {name.device_no}: correct one of the two numbers"
            complaints.append(Complaint(order.row, name.case_no, order.device_no or "", "device_no", sentence))
        elif name.case_id in given:
            sentence = f"{name.case_no} stands in row {given[name.case_id].row} already: keep one of the two"
            complaints.append(Complaint(order.row, name.case_no, name.device_no, "case_no", sentence))
        else:
            given[name.case_id] = order
    return given, complaints


def _nobody(order: Order) -> Complaint:
    if order.case_no:
        sentence = f"no case has the number {order.case_no!r}: correct it"
    elif order.device_no:
        sentence = f"{order.device_no} has no case under way: open one, or correct the number"
    else:
        sentence = "neither a case nor a device is named"
    column = "device_no" if order.device_no and not order.case_no else "case_no"
    return Complaint(order.row, order.case_no or "", order.device_no or "", column, sentence, unknown=True)


def _take(connection: Connection[Any], given: Mapping[int, Order], *, apply: bool) -> list[Case]:
    cases = look(connection, given)
    if not apply:
        return cases
    # Those that come in their place, too: all devices at once, in one order.
    successors = {order.successor_no for order in given.values()} | {case.successor_no for case in cases}
    take_devices(connection, {case.device_no for case in cases} | {number for number in successors if number})
    return take(connection, given)


def _plan(
    connection: Connection[Any],
    step: Step,
    cases: Sequence[Case],
    given: Mapping[int, Order],
    *,
    now: datetime,
    actor: str | None,
) -> _Planned:
    found = read(connection, cases, given, now=now, actor=actor)
    decisions = []
    for case in sorted(cases, key=lambda one: given[one.case_id].row):
        decision = decide(step, given[case.case_id], case, found.facts[case.case_id], days=found.days)
        wrong = _wrong_papers(decision, found)
        if wrong:
            decision = replace(decision, after=case, complaints=(*decision.complaints, *wrong))
        elif step.name == "propose":
            decision = replace(decision, after=replace(decision.after, bundle=_bundle(found.facts[case.case_id])))
        decisions.append(decision)
    moves = tuple(effects.effects(decision, found.facts[decision.before.case_id]) for decision in decisions)
    complaints = [one for decision in decisions for one in decision.complaints]
    return _Planned(tuple(decisions), moves, found, (*complaints, *effects.check(connection, moves)))


def _bundle(facts: Facts) -> UUID:
    """What one person proposes on one day is one bundle: taken apart, it would pass below the limits of a tier."""
    return uuid5(_BUNDLES, f"{facts.actor} {facts.day}")


def _wrong_papers(decision: Decision, found: Read) -> list[Complaint]:
    case, order = decision.before, decision.order
    sentences = documents.wrong(order.papers, found.papers.get(case.case_id, {}))
    return [Complaint(order.row, case.case_no, case.device_no, "papers", sentence) for sentence in sentences]


def _make(
    connection: Connection[Any], step: Step, decisions: Sequence[Decision], planned: _Planned, *, now: datetime
) -> None:
    papers = [(one.before.case_id, paper) for one in decisions for paper in one.order.papers]
    documents.lay(connection, papers, now=now)
    put_back(connection, [decision.after for decision in decisions])
    record(connection, [_taken(step, decision, planned.read) for decision in decisions], now=now)
    effects.end_flags(connection, decisions, now=now)
    effects.retire_identities(connection, decisions, now=now)
    # The last, for each writes its reason into the transaction.
    effects.make(connection, planned.moves)


def _taken(step: Step, decision: Decision, found: Read) -> Taken:
    case, order = decision.before, decision.order
    return Taken(
        case_id=case.case_id,
        case_no=case.case_no,
        device_no=case.device_no,
        from_state=case.state,
        to_state=decision.after.state,
        reason=(decision.sentence_zh and f"{decision.sentence_zh} {decision.sentence_en}") or order.reason or None,
        document=order.document,
        details=dict(_details(step, decision, found)),
    )


def _details(step: Step, decision: Decision, found: Read) -> Iterator[tuple[str, Any]]:
    """What was told with the step, and what its guards went by."""
    for name in (*step.needs, *step.may_have):
        value = getattr(decision.order, name)
        if name not in ("reason", "document") and value is not None:
            yield name, value if isinstance(value, (int, dict)) else str(value)
    facts = found.facts[decision.before.case_id]
    if step.name == "approve" and facts.tier is not None:
        yield "tier", facts.tier.tier
        yield "outcome", facts.tier.outcome
        yield "original_value_fen", facts.single_fen
        yield "bundle_value_fen", facts.bundle_fen
    if decision.order.papers:
        yield "papers", [paper.sha256 for paper in decision.order.papers]


def _changed(decision: Decision, moves: Sequence[effects.Effect]) -> Changed:
    return Changed(
        decision.order.row,
        decision.before.case_no,
        decision.before.device_no,
        decision.before.state,
        decision.after.state,
        decision.sentence_zh,
        decision.sentence_en,
        tuple(_last_state(effect) for effect in moves),
    )


def _last_state(effect: effects.Effect) -> str:
    return "lost" if effect.kind == "lose" else str(effect.move.to)
