"""Moves of devices through their lives, as administrators ask for them: planned all, then made all or none.

To be called within fleet.acting, which knows whose moves they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from psycopg import Connection

from fleet.business_day import today
from fleet.lifecycle.device import Device, look, take
from fleet.lifecycle.gate import load_gates
from fleet.lifecycle.making import make
from fleet.lifecycle.move import SORTS, Move, MoveKind
from fleet.lifecycle.replacements import PLANNERS
from fleet.lifecycle.report import Changed, Complaint, Report, changed
from fleet.lifecycle.world import Outcome, World, refused

SITES: Final = "SELECT site_no, status FROM sites WHERE site_no = ANY(%(site_nos)s::text[])"
MERCHANTS: Final = "SELECT merchant_code FROM merchants WHERE merchant_code = ANY(%(merchant_codes)s::text[])"
# Those that get another number in the same go have it no more.
SERIALS: Final = """
SELECT m.vendor, d.factory_no, d.device_no FROM devices AS d JOIN models AS m USING (model_id)
WHERE d.factory_no = ANY(%(factory_nos)s::text[]) AND NOT d.device_no = ANY(%(leaving)s::text[])
"""


def transition(
    connection: Connection[Any],
    device_nos: Sequence[str],
    to: str,
    reason: str,
    *,
    document: str | None = None,
    cost_fen: int | None = None,
    apply: bool = True,
) -> Report:
    """All devices of these numbers into the state *to*, or none: then the report has every refusal."""
    moves = [
        Move(row=row, device_no=device_no, to=to, reason=reason, document=document, cost_fen=cost_fen)
        for row, device_no in enumerate(device_nos, 1)
    ]
    return carry_out(connection, "transition", moves, apply=apply)


def carry_out(
    connection: Connection[Any], kind: MoveKind, moves: Sequence[Move], *, apply: bool, for_cases: bool = False
) -> Report:
    """What *moves* come to; with *apply*, and when nothing is wrong with any, they are made.

    *for_cases*: they are steps of the devices' own cases, beside which none leaves the fleet. Of two who move the same
    device at once, the second is judged by what the first made of it.
    """
    numbers = [number for move in moves for _, number in _numbers(move)]
    devices = take(connection, numbers, alone=kind == "board") if apply else look(connection, numbers)
    outcomes = plan(kind, moves, _world(connection, moves, devices, for_cases=for_cases))
    report = _report(kind, outcomes)
    if not apply or not report.is_good:
        return report
    make(connection, outcomes)
    return replace(report, applied=True)


def plan(kind: MoveKind, moves: Sequence[Move], world: World) -> list[Outcome]:
    """What each of *moves* comes to. Pure. A device stands in one of them, or each would undo the other."""
    first: dict[str, int] = {}
    outcomes = []
    for move in moves:
        complaints = [*_incomplete(kind, move), *_unknown(move, world), *_twice(move, first)]
        outcomes.append(refused(move, complaints) if complaints else PLANNERS[kind](move, world))
    return outcomes if kind != "board" else _one_serial_each(outcomes)


def _numbers(move: Move) -> list[tuple[str, str]]:
    """The devices that it names, each with the field that does."""
    named = (("device_no", move.device_no), ("new_device_no", move.new_device_no))
    return [(column, number) for column, number in named if number is not None]


def _incomplete(kind: MoveKind, move: Move) -> Iterator[Complaint]:
    sort = SORTS[kind]
    for name in sort.needs:
        if not str(getattr(move, name) or "").strip():
            yield Complaint(move.row, move.device_no, name, f"{name} is empty: a {sort.name_en} needs it")
    if sort.one_of and all(getattr(move, name) is None for name in sort.one_of):
        names = ", ".join(sort.one_of)
        yield Complaint(move.row, move.device_no, sort.one_of[0], f"give at least one of {names}")


def _unknown(move: Move, world: World) -> Iterator[Complaint]:
    for column, number in _numbers(move):
        if number not in world.devices:
            sentence = f"{number} is not in the ledger: register it first, or correct the number"
            yield Complaint(move.row, move.device_no, column, sentence, unknown=True)


def _twice(move: Move, first: dict[str, int]) -> Iterator[Complaint]:
    if move.device_no == move.new_device_no:
        yield Complaint(move.row, move.device_no, "new_device_no", "a device cannot take its own place")
    for column, number in _numbers(move):
        row = first.setdefault(number, move.row)
        if row != move.row:
            yield Complaint(move.row, number, column, f"{number} is moved in row {row} already: keep one of the two")


def _one_serial_each(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes, without those that would give a second device of a vendor the same factory number."""
    first: dict[tuple[str, str], str] = {}
    checked = []
    for outcome in outcomes:
        for device in (effect.after for effect in outcome.effects if outcome.move.factory_no is not None):
            holder = first.setdefault((device.vendor, str(device.factory_no)), device.device_no)
            if holder != device.device_no:
                sentence = f"{holder} gets the factory number {device.factory_no} already: read the plates again"
                outcome = refused(  # noqa: PLW2901 - the same move, judged again
                    outcome.move, [Complaint(outcome.move.row, device.device_no, "factory_no", sentence)]
                )
        checked.append(outcome)
    return checked


def _world(connection: Connection[Any], moves: Sequence[Move], devices: dict[str, Device], *, for_cases: bool) -> World:
    site_nos = {move.site_no for move in moves if move.site_no is not None}
    codes = {move.merchant_code for move in moves if move.merchant_code is not None}
    sites = connection.execute(SITES, {"site_nos": list(site_nos)}).fetchall() if site_nos else []
    merchants = connection.execute(MERCHANTS, {"merchant_codes": list(codes)}).fetchall() if codes else []
    return World(
        devices=devices,
        today=today(),
        gates=load_gates(connection),
        sites=dict(sites),
        merchants={code for (code,) in merchants},
        serials=_serials(connection, moves),
        for_cases=for_cases,
    )


def _serials(connection: Connection[Any], moves: Sequence[Move]) -> dict[tuple[str, str], set[str]]:
    given = {move.device_no: move.factory_no for move in moves if move.factory_no is not None}
    serials: dict[tuple[str, str], set[str]] = {}
    if given:
        wanted = {"factory_nos": list(set(given.values())), "leaving": list(given)}
        for vendor, factory_no, device_no in connection.execute(SERIALS, wanted):
            serials.setdefault((vendor, factory_no), set()).add(device_no)
    return serials


def _report(kind: MoveKind, outcomes: Sequence[Outcome]) -> Report:
    return Report(
        kind,
        len(outcomes),
        changed=tuple(_changed(outcomes)),
        errors=tuple(complaint for outcome in outcomes for complaint in outcome.complaints),
    )


def _changed(outcomes: Iterable[Outcome]) -> Iterator[Changed]:
    for outcome in outcomes:
        for effect in outcome.effects:
            yield changed(outcome.move.row, effect.before, effect.after, effect.states)
