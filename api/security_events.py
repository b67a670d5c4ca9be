"""``/api/v1/security-events``: retired identities that speak, and what was done about them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.body import BodiesDep, described
from api.callers import MAY_READ, require
from api.database import DatabaseDep
from api.keyset import PageQuery
from api.ledger import EXAMPLE_DEVICE
from api.ledger_desk import ActorDep, DeskDep
from api.outsiders import Remedy
from api.parameters import Text
from api.problems import BAD_CURSOR, FORBIDDEN, OF_BODIES, OF_CHANGES, documented
from fleet.lifecycle.states import State
from fleet.security.attempts import Channel
from fleet.security.events import FIRST_PAGE, LIST, REMEDY_EN, REMEDY_ZH, settle

router = APIRouter(prefix="/api/v1/security-events", tags=["Security"])
EVENT_ID_MAX: Final = 2**31 - 1


class SecurityQuery(PageQuery):
    """Which events."""

    open: bool | None = Field(None, description="`true`: those that nobody has dealt with; `false`: the others.")
    device_no: Text | None = Field(None, description="Of this device.", examples=[EXAMPLE_DEVICE])
    channel: Channel | None = Field(None, description="`broker`: refused at its login; `ingest`: its messages refused.")


class SecurityPosition(BaseModel):
    """Where a page ended."""

    security_event_id: int = Field(ge=1, le=EVENT_ID_MAX)


class SecurityEvent(BaseModel):
    """A retired identity that speaks, on one channel, until somebody has dealt with it."""

    security_event_id: int
    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    device_state: State
    case_no: str | None = Field(description="the case that retired it, if one did")
    channel: Channel
    first_at: datetime
    last_at: datetime = Field(description="as of `noted_at`")
    attempts: int = Field(description="logins or messages that were refused, as of `noted_at`")
    evidence: dict[str, Any] = Field(
        description="of logins hosts, client ids and reasons; of messages streams, records and the last dead letter"
    )
    raised_at: datetime
    noted_at: datetime = Field(description="when the numbers were last brought up to date")
    settled_at: datetime | None
    settled_by: str | None
    note: str | None


class SecurityPage(BaseModel):
    """Events, the newest first."""

    items: list[SecurityEvent]
    next_cursor: str | None = Field(description="for the next page; null on the last")
    remedy: Remedy


class Settlement(BaseModel):
    """What was found and done."""

    model_config = ConfigDict(extra="forbid")

    note: Text = Field(examples=["设备在仓库内通电，已断电封存"])


@router.get("", summary="List security events", responses=documented(BAD_CURSOR), dependencies=MAY_READ)
async def list_events(database: DatabaseDep, query: Annotated[SecurityQuery, Query()]) -> SecurityPage:
    """Retired identities that tried to log in or to report: refused, counted, and kept as evidence."""
    filters = query.model_dump(exclude={"cursor", "limit"})
    of = ("security-events", *(f"{name}={value}" for name, value in filters.items() if value is not None))
    below = cursors.unseal(query.cursor, SecurityPosition, of=of).security_event_id if query.cursor else FIRST_PAGE
    rows = await database.fetch(LIST, {**filters, "id": None, "below": below, "rows": query.limit + 1})
    items = [SecurityEvent.model_validate(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    position = SecurityPosition(security_event_id=items[-1].security_event_id) if more else None
    return SecurityPage(
        items=items,
        next_cursor=cursors.seal(position, of=of) if position else None,
        remedy=Remedy(zh=REMEDY_ZH, en=REMEDY_EN),
    )


@router.post(
    "/{security_event_id}/settle",
    summary="Settle a security event",
    openapi_extra=described(Settlement),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    dependencies=[Depends(require("fleet_admin"))],
)
async def settle_event(
    request: Request,
    security_event_id: Annotated[int, Path(ge=1, le=EVENT_ID_MAX, description="Number of the event.")],
    bodies: BodiesDep,
    desk: DeskDep,
    actor: ActorDep,
) -> SecurityEvent:
    """Say what was found and done. What the device tries from now on is another event."""
    order = await bodies.read(request, Settlement)
    now = datetime.now(UTC)
    settled = await desk.change(
        actor, lambda connection: settle(connection, security_event_id, order.note, now=now), reason=order.note
    )
    return SecurityEvent.model_validate(settled)
