"""``/api/v1/audit`` and the past of a device: who changed what in the ledger, when, from where and why."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.callers import require
from api.database import Database, DatabaseDep
from api.ledger import EXAMPLE_DEVICE
from api.parameters import CURSOR_HELP, LIMIT_HELP, Cursor, DeviceNo, Instant, Limit, Text
from api.problems import BAD_CURSOR, FORBIDDEN, NO_SUCH_STATE, UNKNOWN_DEVICE, ProblemError, documented
from fleet.audit.differences import Names, referred_to
from fleet.audit.history import (
    FIRST_OF_DEVICE,
    FIRST_PAGE,
    HISTORY,
    LIST,
    NAMES_NOW,
    NAMES_THEN,
    OF_DEVICES,
    ON_DAY,
    changes_of,
    end_of,
    names_of,
    state_of,
    wanted,
    wanted_by,
    why_unknown,
)

router = APIRouter(
    prefix="/api/v1", tags=["Audit"], dependencies=[Depends(require("auditor", "operator", "fleet_admin"))]
)

# After it there is no next day in any calendar of ours.
LAST_DAY: Final = date(9998, 12, 31)


class AuditPosition(BaseModel):
    """Where a page of changes ended."""

    audit_id: int = Field(ge=-FIRST_PAGE, le=FIRST_PAGE)


class PageQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    cursor: Cursor | None = Field(None, description=CURSOR_HELP)
    limit: Limit = Field(50, description=LIMIT_HELP)


class AuditQuery(PageQuery):
    """Which changes."""

    entity: Text | None = Field(
        None, description="Of this table of the ledger, such as devices, sites or models.", examples=["devices"]
    )
    label: Text | None = Field(
        None,
        description="Of the entry with this number; of a device it is the device number.",
        examples=[EXAMPLE_DEVICE],
    )
    actor: Text | None = Field(None, description="Made by this person or program.")
    operation: UUID | None = Field(None, description="Made at once under this number, such as those of one import.")
    since: Instant | None = Field(None, description="Made at this instant or later, RFC 3339 with an offset.")
    until: Instant | None = Field(None, description="Made before this instant.")

    @property
    def filters(self) -> dict[str, Any]:
        """What every page of a list shares."""
        return self.model_dump(exclude={"cursor", "limit"})


class FieldChange(BaseModel):
    """A field before and after."""

    field: str = Field(examples=["state"])
    before: Any = Field(description="null: it was empty, or the entry is new", examples=["in_stock"])
    after: Any = Field(description="null: it is empty, or the entry was deleted", examples=["in_service"])
    hidden: bool = Field(description="a secret or sealed personal data: that it changed is all that is told")


class ChangeLine(BaseModel):
    """One change of one entry of the ledger."""

    audit_id: int
    at: datetime = Field(description="when its transaction began")
    actor: str = Field(description="the person or program, or the user of the database", examples=["wang"])
    origin: str = Field(description="where from", examples=["api 10.0.0.7"])
    reason: str | None
    operation: UUID | None = Field(description="shared by what was done at once")
    db_user: str
    action: str = Field(description="`insert`, `update`, `delete`; `baseline`: it was there before the audit")
    entity: str = Field(examples=["devices"])
    label: str = Field(description="what people call the entry", examples=[EXAMPLE_DEVICE])
    seal_no: int | None = Field(description="number of its seal in the chain; null while it waits for one")
    differences: list[FieldChange]


class ChangePage(BaseModel):
    """Changes, the newest first."""

    items: list[ChangeLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class StateOnDay(BaseModel):
    """A device at the end of a day, China time."""

    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    day: date
    audit_id: int = Field(description="the change that made it so")
    since: datetime = Field(description="when that was")
    fields: dict[str, Any] = Field(
        description="every field of the ledger as it was; sites, models and others by the numbers of then",
        examples=[{"state": "in_stock", "site_no": "410100001"}],
    )


@router.get("/audit", summary="List changes of the ledger", responses=documented(FORBIDDEN, BAD_CURSOR))
async def list_changes(database: DatabaseDep, query: Annotated[AuditQuery, Query()]) -> ChangePage:
    """Every change, whoever made it and however: the newest first. What is once in the list never changes."""
    of = ("audit", *(f"{name}={value}" for name, value in query.filters.items() if value is not None))
    rows = await database.fetch(LIST, {**query.filters, "below": _below(query, of), "rows": query.limit + 1})
    return await _page(database, rows, query.limit, of)


@router.get(
    "/devices/{device_no}/history",
    summary="History of a device",
    responses=documented(FORBIDDEN, UNKNOWN_DEVICE, BAD_CURSOR),
)
async def get_history(database: DatabaseDep, device_no: DeviceNo, query: Annotated[PageQuery, Query()]) -> ChangePage:
    """Every change of a device, of who answers for it, its holds and its credentials; of a deleted one, too."""
    of = ("history", device_no)
    chosen = {"device_no": device_no, "of_devices": list(OF_DEVICES), "below": _below(query, of)}
    rows = await database.fetch(HISTORY, {**chosen, "rows": query.limit + 1})
    if not rows and query.cursor is None:
        raise ProblemError(UNKNOWN_DEVICE, f"No device ever had the number {device_no!r}.")
    return await _page(database, rows, query.limit, of)


@router.get(
    "/devices/{device_no}/on/{day}", summary="A device on a past day", responses=documented(FORBIDDEN, NO_SUCH_STATE)
)
async def get_state_on(
    database: DatabaseDep,
    device_no: DeviceNo,
    day: Annotated[date, Path(le=LAST_DAY, description="The day, whose end is asked for.", examples=["2026-01-31"])],
) -> StateOnDay:
    """What the ledger said of the device at the end of the day, China time."""
    at = {"device_no": device_no, "end": end_of(day)}
    last = await database.fetch_one(ON_DAY, at)
    if last is None or last["after"] is None:
        first = await database.fetch_one(FIRST_OF_DEVICE, at)
        raise ProblemError(NO_SUCH_STATE, why_unknown(device_no, day, last, first))
    pairs = wanted(set(referred_to("devices", [last["after"]])))
    now = names_of(await database.fetch(NAMES_NOW, pairs))
    then = names_of(await database.fetch(NAMES_THEN, {**pairs, "end": at["end"]}))
    return StateOnDay(
        device_no=device_no,
        day=day,
        audit_id=last["audit_id"],
        since=last["at"],
        fields=state_of(last, {**now, **then}),
    )


def _below(query: PageQuery, of: tuple[str, ...]) -> int:
    return cursors.unseal(query.cursor, AuditPosition, of=of).audit_id if query.cursor else FIRST_PAGE


async def _page(database: Database, rows: Sequence[DictRow], limit: int, of: tuple[str, ...]) -> ChangePage:
    shown = rows[:limit]
    names: Names = names_of(await database.fetch(NAMES_NOW, wanted_by(shown)))
    items = [ChangeLine.model_validate(change, from_attributes=True) for change in changes_of(shown, names)]
    more = len(rows) > limit
    return ChangePage(
        items=items,
        next_cursor=cursors.seal(AuditPosition(audit_id=items[-1].audit_id), of=of) if more else None,
    )
