"""``/api/v1/devices/…``: devices through their lives: steps, swaps, mainboards, transfers, recoveries, losses."""

from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import require
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import DeviceNo, Reason, Text
from api.problems import (
    FORBIDDEN,
    ILLEGAL_TRANSITION,
    OF_BODIES,
    OF_CHANGES,
    documented,
)
from fleet.lifecycle.move import Move, MoveKind
from fleet.lifecycle.moves import carry_out
from fleet.lifecycle.report import Report
from fleet.lifecycle.states import State

router = APIRouter(tags=["Lifecycle"])
MAY: Final = [Depends(require("operator", "fleet_admin"))]
ANSWERS: Final = documented(*OF_BODIES, ILLEGAL_TRANSITION, FORBIDDEN, besides=OF_CHANGES)
MOST_MOVES: Final = 1000
FEN_MAX: Final = 2**53


class Order(BaseModel):
    """What every move has."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(examples=["无显示"])


class _Papers(Order):
    document: Text | None = Field(None, description="number of the document that it stands on")
    cost_fen: int | None = Field(None, ge=0, le=FEN_MAX, description="what it cost, in fen")


class TransitionOrder(_Papers):
    """A step of a device's life."""

    to: State = Field(description="the state that follows", examples=["faulty"])


class SwapOrder(_Papers):
    """Another device in the place of this one."""

    new_device_no: Text = Field(description="a device in stock", examples=["TD-410100-SC-000900-9"])
    to: State | None = Field(None, description="of the one that leaves; null: recovered")
    storage_place: Text | None = Field(None, description="where that one is kept")


class BoardOrder(Order):
    """A new mainboard: at least one of its numbers."""

    factory_no: Text | None = None
    mac: Text | None = None
    hardware_version: Text | None = None


class TransferOrder(Order):
    """Another place: at least one of its parts."""

    site_no: Text | None = None
    stall_no: Text | None = None
    merchant_code: Text | None = None


class RecoverOrder(_Papers):
    """Out of its place, into the stock."""

    to: State | None = Field(None, description="`recovered`; null: in_stock")
    storage_place: Text | None = None
    site_no: Text | None = Field(None, description="the site it belongs to from now on")


class LoseOrder(Order):
    """A device that cannot be found any more."""

    document: Text = Field(description="number of the report", examples=["盘亏报告〔2026〕3号"])
    cost_fen: int | None = Field(None, ge=0, le=FEN_MAX)


class MoveOrder(BaseModel):
    """One of many moves: its device, and the fields its sort has use for."""

    model_config = ConfigDict(extra="forbid")

    device_no: Text
    reason: Reason
    to: Text | None = None
    document: Text | None = None
    cost_fen: int | None = Field(None, ge=0, le=FEN_MAX)
    new_device_no: Text | None = None
    site_no: Text | None = None
    stall_no: Text | None = None
    merchant_code: Text | None = None
    storage_place: Text | None = None
    factory_no: Text | None = None
    mac: Text | None = None
    hardware_version: Text | None = None


class MovesOrder(BaseModel):
    """Many moves of one sort: all or none."""

    model_config = ConfigDict(extra="forbid")

    move: MoveKind = Field(examples=["transfer"])
    moves: list[MoveOrder] = Field(min_length=1, max_length=MOST_MOVES)
    apply: bool = Field(False, description="false: only say what would be done")


class FieldChange(BaseModel):
    """A field that gets another value."""

    column: str
    before: Any
    after: Any


class Changed(BaseModel):
    """A device that is changed: the states it goes through, from the one before, and its other fields."""

    row: int
    device_no: str
    states: list[State]
    fields: list[FieldChange]


class Complaint(BaseModel):
    """Why a move is refused."""

    row: int = Field(description="its place in the list, from 1")
    device_no: str
    column: str
    sentence: str
    state: State | None
    allowed: list[State]


class MovesReport(BaseModel):
    """The outcome: with errors nothing was changed, and `changed` says what the good ones would do."""

    move: MoveKind
    moves: int
    changed: list[Changed]
    errors: list[Complaint]
    applied: bool


def _route(kind: MoveKind, path: str, asked: type[Order], *, summary: str, description: str) -> None:
    """A route that makes one move of a device: they differ in what is asked for, and in nothing else."""

    async def move(
        request: Request, device_no: DeviceNo, bodies: BodiesDep, desk: DeskDep, actor: ActorDep
    ) -> MovesReport:
        order = await bodies.read(request, asked)
        moves = [Move(device_no=device_no, **order.model_dump())]
        report = await desk.change(
            actor, lambda connection: carry_out(connection, kind, moves, apply=True).settle(), reason=order.reason
        )
        return _told(report)

    router.add_api_route(
        f"/api/v1/devices/{{device_no}}/{path}",
        move,
        methods=["POST"],
        name=kind,
        summary=summary,
        description=description,
        openapi_extra=described(asked),
        responses=ANSWERS,
        dependencies=MAY,
    )


_MOVES: Final[tuple[tuple[MoveKind, str, type[Order], str, str], ...]] = (
    (
        "transition",
        "transitions",
        TransitionOrder,
        "Change the state",
        "One step; 409 says which states may follow the present one.",
    ),
    (
        "swap",
        "swap",
        SwapOrder,
        "Swap for another device",
        "The new device takes site, stall, merchant and duties over; their series read as one.",
    ),
    (
        "board",
        "board",
        BoardOrder,
        "Note a new mainboard",
        "The device keeps its number and its history; the old serials are in the audit.",
    ),
    ("transfer", "transfer", TransferOrder, "Transfer to another place", "To another site, stall or merchant."),
    (
        "recover",
        "recover",
        RecoverOrder,
        "Recover to stock",
        "Over idle and recovered into the stock; each step is recorded.",
    ),
    (
        "lose",
        "lose",
        LoseOrder,
        "Write down as lost",
        "Its credentials end, and its number is never issued again.",
    ),
)
for _kind, _path, _asked, _summary, _description in _MOVES:
    _route(_kind, _path, _asked, summary=_summary, description=_description)


@router.post(
    "/api/v1/moves",
    summary="Move many devices",
    openapi_extra=described(MovesOrder),
    responses=ANSWERS,
    dependencies=MAY,
)
async def move_many(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> MovesReport:
    """All or none. Without `apply` it is only said what would be done; every error of every move at once."""
    order = await bodies.read(request, MovesOrder)
    moves = [Move(row=row, **move.model_dump()) for row, move in enumerate(order.moves, 1)]
    if order.apply:
        report = await desk.change(actor, lambda connection: carry_out(connection, order.move, moves, apply=True))
    else:
        report = await desk.read(lambda connection: carry_out(connection, order.move, moves, apply=False))
    return _told(report)


def _told(report: Report) -> MovesReport:
    return MovesReport.model_validate(report, from_attributes=True)
