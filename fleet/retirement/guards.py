"""What has to be so before a step is taken: one pure function a guard, which says what is wrong and where."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from fleet.lifecycle.states import TERMINAL, UNTOUCHABLE
from fleet.retirement.case import Case
from fleet.retirement.facts import Facts
from fleet.retirement.order import Order
from fleet.retirement.replacement import unfit
from fleet.retirement.states import LOST_FROM, METHODS, REPLACEMENTS, GuardName, path_of

# What is wrong: the field to look at, and the sentence.
Found = Iterator[tuple[str, str]]
_STILL_WORKS: Final = "equipment that still works shall not be scrapped (仍可使用的设备不得报废)"
# Who shows neither key nor session has no name, and eyes without a name are nobody's.
NAMELESS: Final = frozenset({"anonymous", ""})


def _is_one(name: str, other: str | None) -> bool:
    """Whether both are one person's: another case, or a space, is no other pair of eyes."""
    return other is not None and name.strip().lower() == other.strip().lower()


def _day_ahead(_: Case, order: Order, facts: Facts) -> Found:
    if order.kept_until is not None and order.kept_until <= facts.day:
        yield "kept_until", f"{order.kept_until} is not to come: give a later day"


def _named(_case: Case, _order: Order, facts: Facts) -> Found:
    if facts.actor in NAMELESS:
        sentence = "it needs somebody with a name, or nobody could tell two pairs of eyes from one"
        yield "actor", f"{sentence}: log in, or use a key of yours"


def _other_eyes(case: Case, _: Order, facts: Facts) -> Found:
    """At the decision it is the actor who must be another; at the execution, whoever approved."""
    checker = case.approved_by or facts.actor
    if _is_one(checker, case.proposed_by):
        yield "actor", f"{checker} proposed it: another person has to decide (申请人不得审批)"
    if _is_one(checker, case.appraised_by):
        yield "actor", f"{checker} appraised it: another person has to decide (鉴定人不得审批)"


def _same_owner(case: Case, _: Order, facts: Facts) -> Found:
    if path_of(facts.owner_type) != case.path:
        whose = facts.owner_type or "not known"
        sentence = f"the owner of the device (产权单位) is {whose}, and was not when the case was opened"
        yield "owner_type", f"{sentence}: correct owner_type, or withdraw the case and open another"


def _same_value(_case: Case, _order: Order, facts: Facts) -> Found:
    """Who approved did so by what it cost: else a value that is low for that day alone would be a way around."""
    if facts.approved_fen is not None and facts.single_fen != facts.approved_fen:
        now = "not known" if facts.single_fen is None else f"{facts.single_fen} fen"
        sentence = f"its original value (原值) is {now}, and was {facts.approved_fen} fen when it was approved"
        yield "original_value_fen", f"{sentence}: correct it, or withdraw the case and open another"


def _no_use_left(case: Case, _: Order, facts: Facts) -> Found:
    if case.appraisal == "usable" and not case.is_mandatory:
        yield "appraisal", f"it was appraised as usable, and {_STILL_WORKS}: reject or withdraw the case"
    if facts.tier is None:
        yield "tier", f"no approval tier takes devices of the owner {facts.owner_type}: set one up"


def _still_there(case: Case, _: Order, facts: Facts) -> Found:
    if facts.device_state in TERMINAL:
        remedy = "withdraw the case" if case.state == "approved" else "dispose of it with the method loss"
        yield "device_no", f"the device is {facts.device_state}: {remedy}"


def _undisputed(_case: Case, _order: Order, facts: Facts) -> Found:
    yield from _held([hold for hold in facts.holds if hold in UNTOUCHABLE])


def _no_hold(_: Case, order: Order, facts: Facts) -> Found:
    # A loss is a fact, not a decision: a hold cannot forbid it.
    if order.method != "loss":
        yield from _held(list(facts.holds))


def _held(holds: list[str]) -> Found:
    if holds:
        kinds = ", ".join(sorted(set(holds)))
        yield "device_no", f"the device is held ({kinds}): end the hold first, or wait for its end"


def _replacement(case: Case, order: Order, facts: Facts) -> Found:
    if case.state == "recovered":
        if order.replacement is not None or order.successor_no is not None:
            yield "replacement", "its place was left with the recovery: what comes there is no matter of this case"
        return
    successor_no = order.successor_no or (case.successor_no if order.replacement in (None, "device") else None)
    if order.replacement is not None and order.replacement not in REPLACEMENTS:
        yield "replacement", f"{order.replacement} is none of {', '.join(REPLACEMENTS)}"
    elif order.replacement == "device" and successor_no is None:
        yield "successor_no", "which device takes its place is missing: give its number"
    elif order.successor_no is not None and order.replacement not in (None, "device"):
        yield "replacement", f"a successor is named, and the replacement is {order.replacement}: keep one of the two"
    elif successor_no is not None:
        sentence = unfit(case.device_no, facts.device_state, successor_no, facts.successors, facts.gates)
        if sentence is not None:
            yield "successor_no", sentence


def _method(case: Case, order: Order, facts: Facts) -> Found:
    method = order.method or ""
    if method not in METHODS:
        yield "method", f"{method!r} is none of {', '.join(METHODS)}"
    elif method == "loss":
        if not _told(order.document):
            yield "document", "the number of the report of the loss (报损报告) is missing: give it as the document"
    elif facts.device_state == "lost":
        yield "method", "the device is lost: the method is loss"
    elif case.state in LOST_FROM:
        yield "method", f"from {case.state} only a loss leads to the disposal: recover and wipe it first"
    else:
        yield from _handed_over(case, order, facts)


def _handed_over(case: Case, order: Order, facts: Facts) -> Found:
    needs = ["recipient"]
    if case.path == "state" and order.method == "returned":
        yield "method", "property of the state is returned to nobody: choose another method"
    if case.path == "owner" and order.method == "public_warehouse":
        yield "method", "only property of the state goes to the public-goods warehouse (公物仓)"
    if order.method == "scrap":
        needs += ["recycler_licence", "receipt_no"]
        if "receipt" not in facts.papers:
            yield "papers", "the recycler's receipt is missing among the documents: attach it with the kind receipt"
    for name in needs:
        if not _told(getattr(order, name)):
            yield name, f"{name} is empty: {order.method} needs it"
    if order.method == "sale" and order.income_fen is None:
        yield "income_fen", "what it was sold for is missing: give income_fen"


def _told(text: str | None) -> bool:
    return bool(text and text.strip())


GUARDS: Final[Mapping[GuardName, Callable[[Case, Order, Facts], Found]]] = {
    "day_ahead": _day_ahead,
    "named": _named,
    "other_eyes": _other_eyes,
    "same_owner": _same_owner,
    "same_value": _same_value,
    "no_use_left": _no_use_left,
    "still_there": _still_there,
    "undisputed": _undisputed,
    "no_hold": _no_hold,
    "replacement": _replacement,
    "method": _method,
}
