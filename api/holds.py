"""``/api/v1/devices/{device_no}/holds``: place a hold on a device, and lift it."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import require
from api.device_parts import Hold
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import DeviceNo, Instant, Reason, Text
from api.problems import FORBIDDEN, OF_BODIES, OF_CHANGES, documented
from fleet.lifecycle import holds
from fleet.lifecycle.holds import HoldKind

router = APIRouter(
    prefix="/api/v1/devices/{device_no}/holds",
    tags=["Devices"],
    dependencies=[Depends(require("operator", "fleet_admin"))],
)
HOLD_ID_MAX: Final = 2**31 - 1

HoldId = Annotated[int, Path(ge=1, le=HOLD_ID_MAX, description="Number of the hold, as the device shows it.")]


class HoldOrder(BaseModel):
    """Which hold, why, and for how long."""

    model_config = ConfigDict(extra="forbid")

    kind: HoldKind = Field(description="under `evidence` and `dispute` a device stays as and where it is")
    reason: Reason = Field(examples=["商户投诉短斤少两，待复检"])
    document: Text | None = Field(None, description="number of the document that orders it")
    ends_at: Instant | None = Field(None, description="null: until it is lifted")


@router.post(
    "",
    summary="Place a hold",
    openapi_extra=described(HoldOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
)
async def place(request: Request, device_no: DeviceNo, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> Hold:
    """Hold a device from now on. Which steps of its life that forbids is said where they are asked for."""
    order = await bodies.read(request, HoldOrder)
    placed = await desk.change(
        actor,
        lambda connection: holds.place(
            connection,
            device_no,
            order.kind,
            reason=order.reason,
            document=order.document,
            ends_at=order.ends_at,
        ),
        reason=order.reason,
    )
    return Hold.model_validate(placed, from_attributes=True)


@router.delete(
    "/{hold_id}",
    summary="Lift a hold",
    responses=documented(FORBIDDEN, besides=OF_CHANGES),
)
async def lift(
    device_no: DeviceNo,
    hold_id: HoldId,
    reason: Annotated[Reason, Query(description="Why; the audit keeps it.")],
    desk: DeskDep,
    actor: ActorDep,
) -> Hold:
    """End a hold now. It stays on record, with its beginning and its end."""
    lifted = await desk.change(actor, lambda connection: holds.lift(connection, device_no, hold_id), reason=reason)
    return Hold.model_validate(lifted, from_attributes=True)
