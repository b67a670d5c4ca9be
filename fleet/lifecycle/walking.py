"""A device's way through several states at once: found among the arrows, and every guard on it asked. Pure."""

from collections import deque
from collections.abc import Set as AbstractSet
from dataclasses import replace

from fleet.lifecycle.device import Device
from fleet.lifecycle.move import Move
from fleet.lifecycle.report import Complaint
from fleet.lifecycle.states import UNTOUCHABLE, Facts, Refusal, State, allowed, step
from fleet.lifecycle.world import Effect, World


def route(state: State, to: State, through: AbstractSet[State]) -> tuple[State, ...] | None:
    """The shortest way from *state* to *to*, without the first, over states of *through* alone; None where none is."""
    waiting: deque[tuple[State, ...]] = deque([(state,)])
    seen = {state}
    while waiting:
        way = waiting.popleft()
        if way[-1] == to:
            return way[1:]
        for follower in allowed(way[-1]):
            if follower not in seen and (follower == to or follower in through):
                seen.add(follower)
                waiting.append((*way, follower))
    return None


def walk(device: Device, way: tuple[State, ...], move: Move, world: World) -> tuple[Effect, list[Complaint]]:
    """*device* after all states of *way*, and what its guards have against it."""
    complaints: list[Complaint] = []
    facts = Facts(
        kind=device.kind,
        acquired_on=device.acquired_on,
        exemption_document=device.exemption_document,
        document=move.document,
        holds=device.holds,
        gates=world.gates,
        is_decommissioned=device.is_decommissioned,
        case_no=None if world.for_cases else device.case_no,
    )
    state = device.state
    for follower in way:
        found = step(state, follower, facts)
        if isinstance(found, Refusal):
            complaints.append(
                Complaint(move.row, device.device_no, "to", found.sentence, state=device.state, allowed=found.allowed)
            )
            break
        state = follower
    after = replace(device, state=state)
    if state == "in_service" and device.commissioned_on is None:
        after = replace(after, commissioned_on=world.today)
    return Effect(device, after, way), complaints


def untouched(device: Device, move: Move) -> list[Complaint]:
    """A complaint when a hold asks that the device stays as it is and where it is."""
    holds = sorted(UNTOUCHABLE & set(device.holds))
    if not holds:
        return []
    sentence = f"the device is held ({', '.join(holds)}) and stays as it is: end the hold first"
    return [Complaint(move.row, device.device_no, "device_no", sentence)]


def no_way(device: Device, to: str, move: Move) -> Complaint:
    """The complaint about a state that cannot be reached by such a move."""
    may = allowed(device.state)
    sentence = f"{device.state} → {to} cannot be gone here. Allowed from {device.state}: {', '.join(may) or 'nothing'}"
    return Complaint(move.row, device.device_no, "to", sentence, state=device.state, allowed=may)
