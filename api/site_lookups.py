"""``/api/v1/site-lookups``: look-ups at sites that no device of ours saw, told by whoever runs the QR page."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from api import cursors
from api.body import JSON, BodiesDep, described
from api.callers import MAY_READ, require
from api.database import DatabaseDep
from api.keyset import PageQuery
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Day, Text
from api.problems import BAD_CURSOR, FORBIDDEN, OF_BODIES, OF_CHANGES, UNSUPPORTED_MEDIA, ProblemError, documented
from fleet.business_day import day_of
from fleet.lookups.lookup import MOST_LOOKUPS, PAGE, Channel, Lookups, tell

router = APIRouter(prefix="/api/v1", tags=["Site look-ups"])
MAY: Final = [Depends(require("operator", "fleet_admin"))]
ANSWERS: Final = documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES)
NDJSON: Final = "application/x-ndjson"
ROWS_MAX: Final = 10_000

Count = Annotated[int, Field(ge=0, le=MOST_LOOKUPS, description="on that day, all of it")]


class LookupsOrder(BaseModel):
    """Look-ups of the day and site in the address."""

    model_config = ConfigDict(extra="forbid")

    channel: Channel = Field(examples=["qr"])
    lookups: Count


class LookupsRow(LookupsOrder):
    """Look-ups of a site on a day."""

    site_no: Text = Field(examples=["410100001"])
    day: Day


class LookupsEntry(BaseModel):
    """Look-ups of a site on a day, as they were told last."""

    site_no: str
    day: date
    channel: Channel
    lookups: int
    updated_at: datetime


class LookupsPage(BaseModel):
    """Look-ups in the order of site, day and channel."""

    items: list[LookupsEntry]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class LookupsReceipt(BaseModel):
    """What came of it: what was told already is unchanged."""

    told: int
    created: int
    changed: int
    unchanged: int


class ListQuery(PageQuery):
    """Which of them."""

    site_no: Text | None = Field(None, description="only of this site")
    channel: Channel | None = Field(None, description="only of this channel")
    from_on: Day | None = Field(None, alias="from", description="the first day")
    to_on: Day | None = Field(None, alias="to", description="the last day")


class _Position(BaseModel):
    site: Text
    day: Day
    channel: Literal["qr", "web", "wechat"]


_ROWS: Final = TypeAdapter(Annotated[list[LookupsRow], Field(min_length=1, max_length=ROWS_MAX)])


@router.put(
    "/sites/{site_no}/lookups/{day}",
    summary="Tell the look-ups of a day",
    openapi_extra=described(LookupsOrder),
    responses=ANSWERS,
    dependencies=MAY,
)
async def put(
    request: Request,
    site_no: Annotated[Text, Path(description="Number of the site.", examples=["410100001"])],
    day: Annotated[Day, Path(description="The day, where the site is.", examples=["2026-03-01"])],
    bodies: BodiesDep,
    desk: DeskDep,
    actor: ActorDep,
) -> LookupsReceipt:
    """The number of the whole day. Told again it changes nothing, and another number replaces it."""
    order = await bodies.read(request, LookupsOrder)
    return await _told(desk, actor, [Lookups(site_no, day, order.channel, order.lookups)])


@router.post(
    "/site-lookups",
    summary="Tell look-ups of many sites and days",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"type": "array", "items": LookupsRow.model_json_schema()}},
                NDJSON: {"schema": {"type": "string", "description": "such an object a line"}},
            },
        }
    },
    responses=ANSWERS,
    dependencies=MAY,
)
async def post(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> LookupsReceipt:
    """A list of objects, or one a line; all or none, at most 10,000. What is wrong is told row by row."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in (JSON, NDJSON) or request.headers.get("content-encoding"):
        raise ProblemError(UNSUPPORTED_MEDIA, f"{JSON} and {NDJSON} are read here, and not packed.")
    body = await bodies.receive(request)
    if given == NDJSON:
        body = b"[" + b",".join(line for line in body.split(b"\n") if line.strip()) + b"]"
    try:
        rows = _ROWS.validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found[:100]]) from None
    told = [Lookups(one.site_no, one.day, one.channel, one.lookups, row) for row, one in enumerate(rows, 1)]
    return await _told(desk, actor, told)


@router.get("/site-lookups", summary="List look-ups", responses=documented(BAD_CURSOR), dependencies=MAY_READ)
async def list_lookups(database: DatabaseDep, query: Annotated[ListQuery, Query()]) -> LookupsPage:
    """As they were told last."""
    filters: dict[str, Any] = query.model_dump(exclude={"cursor", "limit"})
    of = ("site-lookups", *(f"{name}={value}" for name, value in filters.items() if value is not None))
    after = cursors.unseal(query.cursor, _Position, of=of) if query.cursor else None
    beyond = {f"after_{name}": getattr(after, name, None) for name in ("site", "day", "channel")}
    rows = await database.fetch(PAGE, {**filters, **beyond, "rows": query.limit + 1})
    items = [LookupsEntry.model_validate(row) for row in rows[: query.limit]]
    last = items[-1] if len(rows) > query.limit else None
    position = _Position(site=last.site_no, day=last.day.isoformat(), channel=last.channel) if last else None
    return LookupsPage(items=items, next_cursor=cursors.seal(position, of=of) if position else None)


async def _told(desk: DeskDep, actor: ActorDep, told: list[Lookups]) -> LookupsReceipt:
    today = day_of(datetime.now(UTC))
    outcome = await desk.change(
        actor, lambda connection: tell(connection, told, today=today, apply=True).settle(), reason="look-ups"
    )
    return LookupsReceipt.model_validate(outcome, from_attributes=True)
