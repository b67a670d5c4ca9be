"""What the steps of cases do to the devices in the ledger, by the moves of their own lives, and to their identities."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, zip_longest
from typing import Any, Final

from psycopg import Connection

from fleet.errors import RefusedError
from fleet.identity.credentials import revoke_each
from fleet.identity.enrolments import void_open
from fleet.lifecycle import moves as lifecycle
from fleet.lifecycle.move import Move, MoveKind
from fleet.lifecycle.replacements import PLACED
from fleet.retirement.deciding import Decision
from fleet.retirement.facts import Facts
from fleet.retirement.report import Complaint

# Whatever it does from now on, it is no device of ours any more.
DECOMMISSION: Final = """
UPDATE devices SET decommissioned_at = %(now)s, updated_at = now()
WHERE device_id = ANY(%(device_ids)s::int4[]) AND decommissioned_at IS NULL
"""
END_FLAGS: Final = """
UPDATE flags SET ended_at = %(now)s, ended_because = %(because)s
WHERE device_id = ANY(%(device_ids)s::int4[]) AND ended_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Effect:
    """One move of a device that a decision asks for."""

    decision: Decision
    kind: MoveKind
    move: Move


def effects(decision: Decision, facts: Facts) -> list[Effect]:
    """The moves of the device, one after the other; none where it is already what it shall be. Pure."""
    steps = {
        "executing": _set_idle,
        "recovered": _leave,
        "wiped": _to_pending,
        "disposed": _dispose,
    }
    if decision.complaints or decision.after.state not in steps:
        return []
    return list(steps[decision.after.state](decision, facts))


def _set_idle(decision: Decision, facts: Facts) -> Iterator[Effect]:
    if facts.device_state == "repairing":
        yield _step(decision, "faulty")
    if facts.device_state in PLACED - {"idle"}:
        yield _step(decision, "idle")


def _leave(decision: Decision, facts: Facts) -> Iterator[Effect]:
    """Away from its place, which goes to its successor when it has one."""
    case = decision.after
    if facts.device_state not in PLACED:
        return
    is_handing_over = decision.before.state == "silent" and decision.step.name != "dispose"
    if is_handing_over and case.replacement == "device" and case.successor_no is not None:
        move = _move(decision, to="recovered", new_device_no=case.successor_no, storage_place=case.recovered_place)
        yield Effect(decision, "swap", move)
    else:
        yield Effect(decision, "recover", _move(decision, to="recovered", storage_place=case.recovered_place))


def _to_pending(decision: Decision, facts: Facts) -> Iterator[Effect]:
    yield from _leave(decision, facts)
    if facts.device_state != "pending_disposal":
        yield _step(decision, "pending_disposal")


def _dispose(decision: Decision, facts: Facts) -> Iterator[Effect]:
    if facts.device_state in ("lost", "disposed"):
        return
    if decision.after.method == "loss":
        yield Effect(decision, "lose", _move(decision, document=decision.order.document))
        return
    # Whoever put it back into stock or into service meanwhile does not keep it from its end.
    yield from _to_pending(decision, facts)
    yield Effect(decision, "transition", _move(decision, to="disposed", document=_approval(decision, facts)))


def _approval(decision: Decision, facts: Facts) -> str | None:
    return decision.order.document or facts.approval_document


def _step(decision: Decision, to: str) -> Effect:
    return Effect(decision, "transition", _move(decision, to=to))


def _move(decision: Decision, **more: Any) -> Move:  # noqa: ANN401 - fields of a move
    told: dict[str, Any] = {"document": decision.before.case_no} | {k: v for k, v in more.items() if v is not None}
    reason = decision.order.reason.strip() or decision.step.name_zh
    return Move(row=decision.order.row, device_no=decision.before.device_no, reason=reason, **told)


def check(connection: Connection[Any], planned: Sequence[Sequence[Effect]]) -> list[Complaint]:
    """What the lives of the devices have against their first moves; nothing is written.

    What comes after the first is never against them: its guards were asked as those of the case.
    """
    first = [effects[0] for effects in planned if effects]
    complaints: list[Complaint] = []
    for kind, together in _by_kind(first):
        report = lifecycle.carry_out(
            connection, kind, [effect.move for effect in together], apply=False, for_cases=True
        )
        of_row = {effect.move.row: effect.decision.before for effect in together}
        for error in report.errors:
            case = of_row[error.row]
            complaints.append(
                Complaint(error.row, case.case_no, error.device_no, error.column, error.sentence, error.unknown)
            )
    return complaints


def make(connection: Connection[Any], planned: Sequence[Sequence[Effect]]) -> None:
    """Make the moves: each device's in their order, those of all devices together.

    Raises RefusedError, for the whole transaction, when one is refused after all.
    """
    for together in zip_longest(*planned):
        for kind, alike in _by_kind([effect for effect in together if effect is not None]):
            report = lifecycle.carry_out(
                connection, kind, [effect.move for effect in alike], apply=True, for_cases=True
            )
            if not report.is_good:
                raise RefusedError("; ".join(f"{error.device_no}: {error.sentence}" for error in report.errors))


def _by_kind(effects: Sequence[Effect]) -> Iterator[tuple[MoveKind, list[Effect]]]:
    ordered = sorted(effects, key=lambda effect: effect.kind)
    for kind, together in groupby(ordered, key=lambda effect: effect.kind):
        yield kind, list(together)


def retire_identities(connection: Connection[Any], decisions: Sequence[Decision], *, now: datetime) -> None:
    """From *now* on nothing that the devices of executed cases say is accepted: credentials and codes end."""
    reasons = {d.before.device_id: f"case {d.before.case_no}" for d in decisions if d.after.state == "executing"}
    if reasons:
        # The last: what is not ended by then the database ends, and knows no case to say why.
        revoke_each(connection, reasons, now=now)
        void_open(connection, list(reasons), now=now)
        connection.execute(DECOMMISSION, {"device_ids": list(reasons), "now": now})


def end_flags(connection: Connection[Any], decisions: Sequence[Decision], *, now: datetime) -> None:
    """A flag has done its work once its device is kept for a while, or gone."""
    for state, because in (("kept", "kept"), ("disposed", "retired")):
        device_ids = [decision.before.device_id for decision in decisions if decision.after.state == state]
        if device_ids:
            connection.execute(END_FLAGS, {"device_ids": device_ids, "because": because, "now": now})
