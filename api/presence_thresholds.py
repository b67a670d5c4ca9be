"""``/api/v1/presence-thresholds``: after how long without a word a device is late, and silent."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import MAY_READ, require
from api.ledger import SiteKind
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Reason, Text
from api.problems import FORBIDDEN, OF_BODIES, OF_CHANGES, documented
from fleet.presence import thresholds

router = APIRouter(prefix="/api/v1/presence-thresholds", tags=["Outages"])
MAY: Final = [Depends(require("fleet_admin"))]
SECONDS_MAX: Final = 90 * 86_400


class ThresholdLine(BaseModel):
    """Of a kind of device; of one model of it, or at one kind of site, where those are named."""

    threshold_id: int
    kind: str = Field(examples=["logger"])
    model_no: str | None = Field(description="null: of every model of the kind")
    site_kind: str | None = Field(description="null: at sites of every kind")
    late_seconds: int
    silent_seconds: int


class Thresholds(BaseModel):
    """All of them; of those that fit a device, the most specific counts: its model before its kind of site."""

    items: list[ThresholdLine]


class ThresholdOrder(BaseModel):
    """What counts from now on."""

    model_config = ConfigDict(extra="forbid")

    kind: Text = Field(examples=["logger"])
    model_no: Text | None = None
    site_kind: SiteKind | None = None
    late_seconds: int = Field(gt=0, le=SECONDS_MAX)
    silent_seconds: int = Field(gt=0, le=SECONDS_MAX, description="more than late_seconds")
    reason: Reason


@router.get("", summary="Thresholds of presence", responses=documented(), dependencies=MAY_READ)
async def list_thresholds(desk: DeskDep) -> Thresholds:
    """By kind, the general before the particular."""
    return Thresholds.model_validate({"items": await desk.read(thresholds.thresholds)}, from_attributes=True)


@router.put(
    "",
    summary="Set a threshold of presence",
    openapi_extra=described(ThresholdOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    dependencies=MAY,
)
async def put_threshold(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> Thresholds:
    """Of a kind, a model of it, at all sites or at a kind of site; all that stand then."""
    order = await bodies.read(request, ThresholdOrder)
    given = order.model_dump(exclude={"reason"})
    await desk.change(actor, lambda connection: thresholds.put(connection, **given), reason=order.reason)
    return await list_thresholds(desk)


@router.delete(
    "/{threshold_id}",
    summary="Remove a threshold of presence",
    responses=documented(FORBIDDEN, besides=OF_CHANGES),
    dependencies=MAY,
)
async def remove_threshold(
    threshold_id: Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the threshold.")],
    reason: Annotated[Reason, Query(description="Why; the audit keeps it.")],
    desk: DeskDep,
    actor: ActorDep,
) -> Thresholds:
    """The next general one counts again; all that stand then."""
    await desk.change(actor, lambda connection: thresholds.remove(connection, threshold_id), reason=reason)
    return await list_thresholds(desk)
