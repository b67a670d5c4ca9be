"""The life of a device: which state may follow which, under what guards, as data and one pure function.

draft → in_stock → in_service ⇄ suspended          in_service → faulty ⇄ repairing → in_service
in_service, faulty, suspended → idle → in_service, recovered → in_stock, pending_disposal → disposed, recovered
in_stock → pending_disposal
every state but draft and the last two → lost

Nothing leaves disposed and lost. The state is one axis: whether a device is heard, verified or held are others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, TypeGuard, get_args

from fleet.lifecycle.gate import Gate, judge

State = Literal[
    "draft",
    "in_stock",
    "in_service",
    "suspended",
    "faulty",
    "repairing",
    "idle",
    "recovered",
    "pending_disposal",
    "disposed",
    "lost",
]
GuardName = Literal["registration_gate", "no_hold", "nothing_disputed", "document", "not_decommissioned", "no_case"]

STATES: Final[tuple[State, ...]] = get_args(State)
TERMINAL: Final[frozenset[State]] = frozenset({"disposed", "lost"})
NAMES: Final[Mapping[State, tuple[str, str]]] = {
    "draft": ("草稿", "draft"),
    "in_stock": ("在库", "in stock"),
    "in_service": ("在用", "in service"),
    "suspended": ("停用", "suspended"),
    "faulty": ("故障", "faulty"),
    "repairing": ("维修", "being repaired"),
    "idle": ("闲置", "idle"),
    "recovered": ("回收入库", "recovered"),
    "pending_disposal": ("待处置", "pending disposal"),
    "disposed": ("已处置", "disposed of"),
    "lost": ("盘亏", "lost"),
}
# Holds under which a device stays as it is: a repair or a new place would destroy what it proves.
UNTOUCHABLE: Final = frozenset({"evidence", "dispute"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guards need to know of a device, and of the step that is asked for.

    *holds* are the kinds of those in force now; *document* comes with the step. *is_decommissioned*: its identity was
    retired. *case_no* is the case that is to carry it out of the fleet, if another than the one the step is of.
    """

    kind: str
    acquired_on: date | None = None
    exemption_document: str | None = None
    document: str | None = None
    holds: Sequence[str] = ()
    gates: Mapping[str, Gate] = field(default_factory=dict)
    is_decommissioned: bool = False
    case_no: str | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow: *before* may become *after* when all *guards* let it. *document* names the one it needs, if any."""

    before: State
    after: State
    name_zh: str
    name_en: str
    guards: tuple[GuardName, ...] = ()
    document: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a step is not made, as a sentence; *allowed* are the states that may follow the present one at all."""

    sentence: str
    allowed: tuple[State, ...]


_LOSS_REPORT: Final = "the report of the loss (盘亏报告)"
_APPROVAL: Final = "the number of the approval reply (处置批复文号)"
_LOSABLE: Final[tuple[State, ...]] = tuple(state for state in STATES if state not in TERMINAL and state != "draft")
TRANSITIONS: Final = (
    Transition("draft", "in_stock", "登记入库", "register", ("registration_gate", "not_decommissioned")),
    Transition("in_stock", "in_service", "投入使用", "put into service", ("not_decommissioned",)),
    Transition("in_service", "suspended", "停用", "suspend"),
    Transition("suspended", "in_service", "恢复使用", "resume", ("not_decommissioned",)),
    Transition("in_service", "faulty", "报修", "report a fault"),
    Transition("faulty", "repairing", "开始维修", "begin the repair", ("nothing_disputed",)),
    Transition("repairing", "in_service", "修复投用", "repaired, back into service", ("not_decommissioned",)),
    Transition("repairing", "faulty", "未修复", "not repaired"),
    Transition("in_service", "idle", "转为闲置", "set idle"),
    Transition("faulty", "idle", "转为闲置", "set idle"),
    Transition("suspended", "idle", "转为闲置", "set idle"),
    Transition("idle", "in_service", "恢复使用", "resume", ("not_decommissioned",)),
    Transition("idle", "recovered", "回收", "recover to stock", ("nothing_disputed",)),
    Transition(
        "recovered", "in_stock", "重新入库", "return to stock for use", ("nothing_disputed", "not_decommissioned")
    ),
    Transition("in_stock", "pending_disposal", "申请处置", "propose for disposal", ("no_hold", "no_case")),
    Transition("recovered", "pending_disposal", "申请处置", "propose for disposal", ("no_hold", "no_case")),
    Transition("pending_disposal", "recovered", "处置未获批准", "disposal rejected"),
    Transition("pending_disposal", "disposed", "处置完成", "dispose of", ("document", "no_hold", "no_case"), _APPROVAL),
    # A loss is a fact, not a decision: neither a hold nor a case can forbid it, the report answers for it. The case is
    # withdrawn then, or from its execution on disposed of as a loss.
    *(Transition(state, "lost", "盘亏", "report as lost", ("document",), _LOSS_REPORT) for state in _LOSABLE),
)
_BY_PAIR: Final[Mapping[tuple[str, str], Transition]] = {(t.before, t.after): t for t in TRANSITIONS}


def _gate(_: Transition, facts: Facts) -> str | None:
    verdict = judge(facts.gates, facts.kind, facts.acquired_on, facts.exemption_document)
    return None if verdict.ok else verdict.sentence


def _no_hold(_: Transition, facts: Facts) -> str | None:
    return _held(facts.holds)


def _nothing_disputed(_: Transition, facts: Facts) -> str | None:
    return _held([hold for hold in facts.holds if hold in UNTOUCHABLE])


def _held(holds: Sequence[str]) -> str | None:
    if not holds:
        return None
    return f"the device is held ({', '.join(sorted(set(holds)))}): end the hold first, or wait for its end"


def _document(transition: Transition, facts: Facts) -> str | None:
    if facts.document and facts.document.strip():
        return None
    return f"{transition.document} is missing: give it as the document"


def _not_decommissioned(_: Transition, facts: Facts) -> str | None:
    if not facts.is_decommissioned:
        return None
    return "its identity was retired by a case, and nothing it says is accepted: register it as another device"


def _no_case(_: Transition, facts: Facts) -> str | None:
    if facts.case_no is None:
        return None
    return f"its case {facts.case_no} is under way: take the steps of that case, or withdraw it before its execution"


GUARDS: Final[Mapping[GuardName, Callable[[Transition, Facts], str | None]]] = {
    "registration_gate": _gate,
    "no_hold": _no_hold,
    "nothing_disputed": _nothing_disputed,
    "document": _document,
    "not_decommissioned": _not_decommissioned,
    "no_case": _no_case,
}


def is_state(text: str) -> TypeGuard[State]:
    """Whether *text* is the name of a state."""
    return text in NAMES


def allowed(state: str) -> tuple[State, ...]:
    """The states that may follow *state*, whatever their guards say; none after a terminal one."""
    return tuple(t.after for t in TRANSITIONS if t.before == state)


def step(state: str, to: str, facts: Facts) -> Transition | Refusal:
    """The transition from *state* to *to*, or why it is refused: no such arrow, or all that its guards miss."""
    transition = _BY_PAIR.get((state, to))
    if transition is None:
        return Refusal(_no_arrow(state, to), allowed(state))
    missing = [sentence for name in transition.guards if (sentence := GUARDS[name](transition, facts)) is not None]
    if missing:
        return Refusal(f"{state} → {to} is refused: {'; '.join(missing)}", allowed(state))
    return transition


def check(state: str | None, to: str, facts: Facts) -> str | None:
    """What forbids the step from *state* to *to*, or None. None as *state* is a registration straight into *to*.

    No step at all, *state* to itself, is never forbidden. For each row of an import.
    """
    if state == to:
        return None
    if state is None:
        return _registration(to, facts)
    found = step(state, to, facts)
    return found.sentence if isinstance(found, Refusal) else None


def _registration(to: str, facts: Facts) -> str | None:
    """Ledgers from before this one hold devices in every state; all but drafts pass the gate."""
    if not is_state(to):
        return f"{to} is no state; the states are {', '.join(STATES)}"
    if to == "draft":
        return None
    verdict = judge(facts.gates, facts.kind, facts.acquired_on, facts.exemption_document)
    return None if verdict.ok else verdict.sentence


def _no_arrow(state: str, to: str) -> str:
    if not is_state(to):
        return f"{to} is no state; the states are {', '.join(STATES)}"
    if state in TERMINAL:
        return f"a device that is {state} stays so: its number is never used again. Register another device"
    if state == to:
        return f"the device is {state} already. Allowed now: {', '.join(allowed(state))}"
    return f"{state} → {to} is no step of a device's life. Allowed now: {', '.join(allowed(state))}"
