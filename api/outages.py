"""``/api/v1/outages``: when nobody could be heard, and nobody is to blame; found, declared, ended, dismissed."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api import cursors, reach
from api.body import BodiesDep, described
from api.callers import MAY_READ, CallerDep, require
from api.database import DatabaseDep
from api.keyset import PageQuery
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Instant, Reason, Text
from api.problems import BAD_CURSOR, FORBIDDEN, OF_BODIES, OF_CHANGES, documented
from fleet.presence import outages
from fleet.presence.outage import Scope, Source

router = APIRouter(prefix="/api/v1/outages", tags=["Outages"])
MAY: Final = [Depends(require("operator", "fleet_admin"))]
ANSWERS: Final = documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES)
OUTAGE_ID_MAX: Final = 2**31 - 1

OutageId = Annotated[int, Path(ge=1, le=OUTAGE_ID_MAX, description="Number of the outage, as the list has it.")]


class OutageQuery(PageQuery):
    """Which outages."""

    scope: Scope | None = Field(None, description="Of a site, or of ours.")
    site_no: Text | None = Field(None, description="Of the site with this number.", examples=["410100001"])
    open: bool | None = Field(None, description="`true`: those that last; `false`: those that are over or dismissed.")
    since: Instant | None = Field(None, description="Not over before this instant, RFC 3339 with an offset.")


class OutagePosition(BaseModel):
    """Where a page of outages ended."""

    outage_id: int = Field(ge=1, le=OUTAGE_ID_MAX)


class OutageLine(BaseModel):
    """An outage (中断): its slots are expected of nobody."""

    outage_id: int = Field(examples=[17])
    scope: Scope
    site_no: str | None = Field(description="null: of the platform, which concerns everybody", examples=["410100001"])
    began_at: datetime
    ended_at: datetime | None = Field(description="null while it lasts")
    source: Source = Field(description="found by fleet, or told by somebody")
    reason: str
    evidence: dict[str, Any] = Field(description="numbers that showed it")
    dismissed_at: datetime | None = Field(description="since when it is known to have been none; it excuses nobody")


class OutagePage(BaseModel):
    """Outages, those entered last first."""

    items: list[OutageLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class OutageOrder(BaseModel):
    """An outage that somebody knows of."""

    model_config = ConfigDict(extra="forbid")

    scope: Scope
    site_no: Text | None = Field(None, description="with scope `site`, and only then", examples=["410100001"])
    began_at: Instant
    ended_at: Instant | None = Field(None, description="null: it lasts until it is ended")
    reason: Reason = Field(examples=["供电局计划外停电"])


class EndOrder(BaseModel):
    """When it ended."""

    model_config = ConfigDict(extra="forbid")

    ended_at: Instant | None = Field(None, description="null: now")
    reason: Reason = Field(examples=["来电恢复"])


class DismissOrder(BaseModel):
    """Why it was none."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(examples=["市场当日提前收市"])


@router.get("", summary="List outages", responses=documented(BAD_CURSOR), dependencies=MAY_READ)
async def list_outages(database: DatabaseDep, query: Annotated[OutageQuery, Query()]) -> OutagePage:
    """Of sites and of the platform, filtered."""
    asked = query.model_dump(include={"scope", "site_no", "open", "since"})
    of = ("outages", *(f"{name}={value}" for name, value in asked.items() if value is not None))
    after = cursors.unseal(query.cursor, OutagePosition, of=of).outage_id if query.cursor else None
    rows = await database.fetch(outages.LIST, asked | {"after": after, "rows": query.limit + 1})
    items = [OutageLine.model_validate(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return OutagePage(
        items=items, next_cursor=cursors.seal(OutagePosition(outage_id=items[-1].outage_id), of=of) if more else None
    )


@router.post("", summary="Declare an outage", openapi_extra=described(OutageOrder), responses=ANSWERS, dependencies=MAY)
async def declare(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep, caller: CallerDep) -> OutageLine:
    """What is expected in its time counts for nobody; days gone by are reckoned again."""
    order = await bodies.read(request, OutageOrder)
    await reach.require_site(request, caller.scope, order.site_no)
    declared = await desk.change(
        actor,
        lambda connection: outages.declare(connection, **order.model_dump(), now=datetime.now(UTC)),
        reason=order.reason,
    )
    return OutageLine.model_validate(declared, from_attributes=True)


@router.post(
    "/{outage_id}/end",
    summary="End an outage",
    openapi_extra=described(EndOrder),
    responses=ANSWERS,
    dependencies=MAY,
)
async def end(request: Request, outage_id: OutageId, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> OutageLine:
    """It is over, now or since a time."""
    order = await bodies.read(request, EndOrder)
    ended = await desk.change(
        actor,
        lambda connection: outages.end(connection, outage_id, ended_at=order.ended_at, now=datetime.now(UTC)),
        reason=order.reason,
    )
    return OutageLine.model_validate(ended, from_attributes=True)


@router.post(
    "/{outage_id}/dismiss",
    summary="Dismiss an outage",
    openapi_extra=described(DismissOrder),
    responses=ANSWERS,
    dependencies=MAY,
)
async def dismiss(
    request: Request, outage_id: OutageId, bodies: BodiesDep, desk: DeskDep, actor: ActorDep
) -> OutageLine:
    """It was none: it excuses nobody any more, and is not found again. It stays on record."""
    order = await bodies.read(request, DismissOrder)
    dismissed = await desk.change(
        actor, lambda connection: outages.dismiss(connection, outage_id, now=datetime.now(UTC)), reason=order.reason
    )
    return OutageLine.model_validate(dismissed, from_attributes=True)
