"""``DELETE /api/v1/devices/{device_no}`` for drafts, and ``/api/v1/tombstones``: numbers never issued again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from api.callers import MAY_READ, require
from api.database import DatabaseDep
from api.keyset import PageQuery, read_page
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import DeviceNo, Reason
from api.problems import BAD_CURSOR, FORBIDDEN, OF_CHANGES, documented
from fleet.ledger.deleting import TOMBSTONES, delete_draft

router = APIRouter(prefix="/api/v1", tags=["Devices"])


class Tombstone(BaseModel):
    """A number that is never issued again."""

    device_no: str
    state: str = Field(description="disposed, lost, or deleted", examples=["disposed"])
    retired_at: datetime
    reason: str | None


class TombstonePage(BaseModel):
    """Retired numbers in their order."""

    items: list[Tombstone]
    next_cursor: str | None = Field(description="for the next page; null on the last")


@router.get("/tombstones", summary="Retired numbers", responses=documented(BAD_CURSOR), dependencies=MAY_READ)
async def tombstones(database: DatabaseDep, query: Annotated[PageQuery, Query()]) -> TombstonePage:
    """What was disposed of, lost or deleted; an import of such a number is refused."""
    rows, next_cursor = await read_page(database, TOMBSTONES, query, route="tombstones", key="device_no")
    return TombstonePage(items=[Tombstone.model_validate(row) for row in rows], next_cursor=next_cursor)


@router.delete(
    "/devices/{device_no}",
    summary="Delete a draft",
    status_code=204,
    responses=documented(FORBIDDEN, besides=OF_CHANGES),
    dependencies=[Depends(require("operator", "fleet_admin"))],
)
async def delete_device(
    device_no: DeviceNo,
    reason: Annotated[Reason, Query(description="Why; the audit keeps it.")],
    desk: DeskDep,
    actor: ActorDep,
) -> None:
    """A draft only: every other device leaves the books by the steps of its life."""
    await desk.change(actor, lambda connection: delete_draft(connection, device_no), reason=reason)
