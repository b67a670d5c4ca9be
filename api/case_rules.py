"""``/api/v1/approval-tiers``, ``/api/v1/case-deadlines``: who has to approve cases, how long each state may last."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import MAY_READ, require
from api.case_orders import FEN_MAX
from api.case_parts import Tier
from api.database import DatabaseDep
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Reason, Text
from api.problems import FORBIDDEN, OF_BODIES, OF_CHANGES, documented
from fleet.retirement import deadlines, tiers

router = APIRouter(prefix="/api/v1", tags=["Cases"])
MAY = [Depends(require("fleet_admin"))]


class Tiers(BaseModel):
    """In the order of their limits: the first that takes a device counts. Defaults are ours, not the law's (默认值)."""

    items: list[Tier]


class TierOrder(BaseModel):
    """A tier as it shall be."""

    model_config = ConfigDict(extra="forbid")

    name_zh: Text
    name_en: Text
    single_below_fen: int | None = Field(None, ge=1, le=FEN_MAX)
    bundle_below_fen: int | None = Field(None, ge=1, le=FEN_MAX)
    outcome: Literal["filed", "approved"]
    basis: Text | None = Field(None, description="the document it rests on")
    reason: Reason


class Deadline(BaseModel):
    """How long cases may stay in a state."""

    model_config = ConfigDict(from_attributes=True)

    state: str
    days: int
    remind_days: int = Field(description="so long before, somebody is reminded")
    escalate_days: int = Field(description="so long after, it is escalated")


class Deadlines(BaseModel):
    """All of them."""

    items: list[Deadline]


class DeadlineOrder(BaseModel):
    """A deadline as it shall be, for cases that enter the state from now on."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(ge=1, le=3650)
    remind_days: int = Field(ge=0, le=3650)
    escalate_days: int = Field(ge=0, le=3650)
    reason: Reason


@router.get("/approval-tiers", summary="Who has to approve", responses=documented(), dependencies=MAY_READ)
async def get_tiers(database: DatabaseDep) -> Tiers:
    """By original value (原值) and owner."""
    return Tiers(items=[Tier.model_validate(row) for row in await database.fetch(tiers.TIERS)])


@router.put(
    "/approval-tiers/{tier}",
    summary="Set a tier",
    openapi_extra=described(TierOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    dependencies=MAY,
)
async def put_tier(
    request: Request,
    tier: Annotated[str, Path(pattern=r"^[a-z_]{1,32}$", description="Its name.", examples=["department"])],
    bodies: BodiesDep,
    desk: DeskDep,
    actor: ActorDep,
) -> Tier:
    """Limits are local law. Cases that were approved keep the tier by which they were."""
    order = await bodies.read(request, TierOrder)
    wanted = tiers.Tier(tier=tier, owner_types=(), **order.model_dump(exclude={"reason"}))
    put = await desk.change(actor, lambda connection: tiers.put_tier(connection, wanted), reason=order.reason)
    return Tier.model_validate(put)


@router.get("/case-deadlines", summary="How long states may last", responses=documented(), dependencies=MAY_READ)
async def get_deadlines(database: DatabaseDep) -> Deadlines:
    """With reminders and escalations."""
    return Deadlines(items=[Deadline.model_validate(row) for row in await database.fetch(deadlines.DEADLINES)])


@router.put(
    "/case-deadlines/{state}",
    summary="Set a deadline",
    openapi_extra=described(DeadlineOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    dependencies=MAY,
)
async def put_deadline(
    request: Request,
    state: Annotated[str, Path(pattern=r"^[a-z_]{1,32}$", description="A state of cases.", examples=["proposed"])],
    bodies: BodiesDep,
    desk: DeskDep,
    actor: ActorDep,
) -> Deadline:
    """For cases that enter the state from now on."""
    order = await bodies.read(request, DeadlineOrder)
    wanted = deadlines.Deadline(state=state, **order.model_dump(exclude={"reason"}))
    put = await desk.change(actor, lambda connection: deadlines.put_deadline(connection, wanted), reason=order.reason)
    return Deadline.model_validate(put)
