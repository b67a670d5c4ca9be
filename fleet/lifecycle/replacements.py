"""What each sort of move makes of its devices: swap, mainboard, transfer, recovery, loss, or a plain step. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from fleet.lifecycle.device import Device
from fleet.lifecycle.move import SORTS, Move, MoveKind
from fleet.lifecycle.report import Complaint
from fleet.lifecycle.states import STATES, TERMINAL, State, allowed, is_state
from fleet.lifecycle.walking import no_way, route, untouched, walk
from fleet.lifecycle.world import Effect, Outcome, World, refused

Planner = Callable[[Move, World], Outcome]

# The states in which a device stands at its place, as the database's is_placed has them.
PLACED: Final[frozenset[State]] = frozenset({"in_service", "suspended", "faulty", "repairing", "idle"})
# Over these a device leaves its place: who has it recovered need not name them.
LEAVING: Final[frozenset[State]] = frozenset({"faulty", "idle", "recovered"})
SWAPPED_TO: Final[tuple[State, ...]] = ("recovered", "idle", "faulty", "repairing", "in_stock", "lost")
RECOVERED_TO: Final[tuple[State, ...]] = ("in_stock", "recovered")
# Nothing of the place goes with a device that leaves it, but the site, whose property book it may be in.
_NOWHERE: Final[Mapping[str, Any]] = {
    "stall_no": None,
    "merchant_code": None,
    "gateway_no": None,
    "address": None,
    "lat": None,
    "lon": None,
    "custodian": None,
    "custodian_phone_sealed": None,
    "custodian_phone_masked": None,
}
_PLACE: Final = ("site_no", *_NOWHERE)


def transition(move: Move, world: World) -> Outcome:
    """One step of a device's life."""
    device, to = world.devices[move.device_no], move.to or ""
    if not is_state(to):
        sentence = f"{to} is no state; the states are {', '.join(STATES)}"
        return refused(
            move,
            [Complaint(move.row, device.device_no, "to", sentence, state=device.state, allowed=allowed(device.state))],
        )
    effect, complaints = walk(device, (to,), move, world)
    return refused(move, complaints) if complaints else Outcome(move, (effect,))


def lose(move: Move, world: World) -> Outcome:
    """A device that cannot be found any more (盘亏)."""
    return transition(replace(move, to="lost"), world)


def recover(move: Move, world: World) -> Outcome:
    """A device taken from its place, over idle and recovered, into the stock; each step is recorded."""
    device = world.devices[move.device_no]
    found = _leave(device, move, world, to=move.to or "in_stock", among=RECOVERED_TO, of=PLACED | {"recovered"})
    complaints = [*found.complaints, *_unknown_site(move, world)]
    if complaints:
        return refused(move, complaints)
    [effect] = found.effects
    return Outcome(move, (replace(effect, after=replace(effect.after, site_no=move.site_no or device.site_no)),))


def swap(move: Move, world: World) -> Outcome:
    """A device out of stock takes the place of another, with all that belongs to the place."""
    old, new = world.devices[move.device_no], world.devices[move.new_device_no or ""]
    out = _leave(old, move, world, to=move.to or "recovered", among=SWAPPED_TO, of=PLACED)
    complaints = [*out.complaints, *_unfit(old, new, move), *untouched(new, move)]
    if new.state != "in_stock":
        sentence = f"{new.device_no} is {new.state}: only a device in stock takes the place of another"
        may = allowed(new.state)
        complaints.append(Complaint(move.row, new.device_no, "new_device_no", sentence, state=new.state, allowed=may))
    if complaints:
        return refused(move, complaints)
    [left] = out.effects
    arrived, complaints = walk(new, ("in_service",), move, world)
    place = {name: getattr(old, name) for name in _PLACE}
    after = replace(arrived.after, **place, predecessor_no=old.device_no, installed_on=world.today, storage_place=None)
    return refused(move, complaints) if complaints else Outcome(move, (left, replace(arrived, after=after)), (), True)


def board(move: Move, world: World) -> Outcome:
    """Another mainboard in the same device: the ledger's number stays, the old serials are left to the audit."""
    device = world.devices[move.device_no]
    complaints = [*_over(device, move), *untouched(device, move)]
    serial = move.factory_no
    if serial is not None:
        others = sorted(world.serials.get((device.vendor, serial), frozenset()) - {device.device_no})
        if others:
            sentence = (
                f"{others[0]} of the same vendor has the factory number {serial}: read the plate again, or correct "
                f"that device first"
            )
            complaints.append(Complaint(move.row, device.device_no, "factory_no", sentence))
    given = {
        name: value
        for name in SORTS["board"].one_of
        if (value := getattr(move, name)) not in (None, getattr(device, name))
    }
    if not given:
        complaints.append(
            Complaint(move.row, device.device_no, "factory_no", "nothing of the board is another than before")
        )
    return refused(move, complaints) if complaints else Outcome(move, (Effect(device, replace(device, **given)),))


def transfer(move: Move, world: World) -> Outcome:
    """A device to another place. At another site what is not given is empty, at the same it stays as it was."""
    device = world.devices[move.device_no]
    complaints = [*_over(device, move), *untouched(device, move), *_unknown_site(move, world)]
    if move.merchant_code is not None and move.merchant_code not in world.merchants:
        sentence = f"the merchant {move.merchant_code} is not in the ledger: import it first, or correct the code"
        complaints.append(Complaint(move.row, device.device_no, "merchant_code", sentence, unknown=True))
    if complaints:
        return refused(move, complaints)
    given = {name: value for name in SORTS["transfer"].one_of if (value := getattr(move, name)) is not None}
    is_elsewhere = move.site_no not in (None, device.site_no)
    after = replace(device, **(dict(_NOWHERE) if is_elsewhere else {}) | given)
    if after == device:
        return refused(move, [Complaint(move.row, device.device_no, "site_no", "the device is at that place already")])
    return Outcome(move, (Effect(device, after),))


PLANNERS: Final[Mapping[MoveKind, Planner]] = {
    "transition": transition,
    "swap": swap,
    "board": board,
    "transfer": transfer,
    "recover": recover,
    "lose": lose,
}


def _leave(
    device: Device, move: Move, world: World, *, to: str, among: tuple[State, ...], of: frozenset[State]
) -> Outcome:
    """*device* away from its place, into the state *to*, one of *among*, when it is in one *of* these."""
    way = route(device.state, to, LEAVING) if is_state(to) and to in among and device.state in of else None
    if way is None or (move.new_device_no is None and not way):
        return refused(move, [no_way(device, to, move)])
    if complaints := untouched(device, move):
        return refused(move, complaints)
    effect, complaints = walk(device, way, move, world)
    left = replace(effect.after, **_NOWHERE, storage_place=move.storage_place or device.storage_place)
    return refused(move, complaints) if complaints else Outcome(move, (replace(effect, after=left),))


def _over(device: Device, move: Move) -> list[Complaint]:
    """A complaint about a device whose days are counted: what it is and where is on the papers already."""
    if device.state not in TERMINAL and device.state != "pending_disposal":
        return []
    sentence = f"the device is {device.state}: it stays what it is and where it is"
    return [
        Complaint(move.row, device.device_no, "device_no", sentence, state=device.state, allowed=allowed(device.state))
    ]


def _unfit(old: Device, new: Device, move: Move) -> list[Complaint]:
    """A complaint when *new* could not do the work of *old*: it has to be able to report all that the other did."""
    if old.kind == "gateway" != new.kind:
        sentence = f"{new.device_no} is a {new.kind}: a gateway speaks for others, so only a gateway takes its place"
        return [Complaint(move.row, new.device_no, "new_device_no", sentence)]
    missing = sorted(set(old.streams) - set(new.streams))
    if new.kind == old.kind or not missing:
        return []
    sentence = (
        f"{new.device_no} is a {new.kind} and does not report {', '.join(missing)}, as a {old.kind} does: "
        f"take a {old.kind}, or a kind that reports the same"
    )
    return [Complaint(move.row, new.device_no, "new_device_no", sentence)]


def _unknown_site(move: Move, world: World) -> list[Complaint]:
    if move.site_no is None or world.sites.get(move.site_no) in ("active", "suspended"):
        return []
    is_known = move.site_no in world.sites
    what = "is cancelled" if is_known else "is not in the ledger: import it first, or correct the number"
    return [Complaint(move.row, move.device_no, "site_no", f"the site {move.site_no} {what}", unknown=not is_known)]
