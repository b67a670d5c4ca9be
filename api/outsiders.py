"""``/api/v1/fleet/…``: who speaks and is not in the ledger, who is in it and is silent, and identities gone astray."""

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api import cursors, replays
from api.body import BodiesDep, described
from api.callers import MAY_READ, require
from api.database import Database, DatabaseDep
from api.imports import OR_REPORT, answer
from api.keyset import PageQuery
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Day, DeviceNo, Reason, Text
from api.problems import BAD_CURSOR, BUSY, FORBIDDEN, NOT_WRITTEN, OF_BODIES, OF_CHANGES, documented
from api.replays import ReplayReceipt, ReplayRequest
from api.writers import WritersDep
from fleet.identity.outsiders import LISTINGS, ListName, parameters
from fleet.ledger.registering import register
from fleet.ledger.report import Report

router = APIRouter(prefix="/api/v1/fleet", tags=["Outsiders"])


class Position(BaseModel):
    """Where a page ended: the key of its last row."""

    key: dict[str, str]


class Remedy(BaseModel):
    """What to do about what stands in a list."""

    zh: str
    en: str


class OutsiderPage(BaseModel):
    """A page of a list, in the order of its key."""

    items: list[dict[str, Any]]
    total: int = Field(description="on all pages")
    next_cursor: str | None = Field(description="for the next page; null on the last")
    remedy: Remedy


class Adoption(BaseModel):
    """What a stranger is and where it stands; the rest may follow later."""

    model_config = ConfigDict(extra="forbid")

    model_no: Text = Field(examples=["SL-TH20"])
    site_no: Text = Field(examples=["410100002"])
    stall_no: Text | None = None
    acquired_on: Day | None = None
    exemption_document: Text | None = None
    reason: Reason = Field(examples=["现场核实，补登记"])


class Adopted(BaseModel):
    """A stranger that is in the ledger now, and what became of its quarantine."""

    report: Any = Field(description="as an import of one row tells it")
    replay: ReplayReceipt | None = Field(description="null when it was not registered")


Asked = Annotated[PageQuery, Query()]


@router.get(
    "/strangers",
    summary="Devices that speak and are not in the ledger",
    responses=documented(BAD_CURSOR),
    dependencies=MAY_READ,
)
async def strangers(database: DatabaseDep, query: Asked) -> OutsiderPage:
    """Who, since when, how much; `adopt` registers one and replays its quarantine."""
    return await _page(database, "strangers", query)


@router.get(
    "/ghosts",
    summary="Devices in service that were never heard",
    responses=documented(BAD_CURSOR),
    dependencies=MAY_READ,
)
async def ghosts(database: DatabaseDep, query: Asked) -> OutsiderPage:
    """Aged from the day on which they were put into service."""
    return await _page(database, "ghosts", query)


@router.get(
    "/shared-credentials",
    summary="Credentials in several hands",
    responses=documented(BAD_CURSOR),
    dependencies=MAY_READ,
)
async def shared_credentials(database: DatabaseDep, query: Asked) -> OutsiderPage:
    """One device's credential used from several hosts at the same time."""
    return await _page(database, "shared_credentials", query)


@router.get(
    "/client-ids",
    summary="Client ids that do not fit",
    responses=documented(BAD_CURSOR),
    dependencies=MAY_READ,
)
async def client_ids(database: DatabaseDep, query: Asked) -> OutsiderPage:
    """Sent with another device's credential, or by several users."""
    return await _page(database, "client_ids", query)


@router.get(
    "/retired",
    summary="Retired identities that still try",
    responses=documented(BAD_CURSOR),
    dependencies=MAY_READ,
)
async def retired(database: DatabaseDep, query: Asked) -> OutsiderPage:
    """Devices disposed of, lost or revoked that are refused at the broker or in ingest."""
    return await _page(database, "retired", query)


@router.post(
    "/strangers/{device_no}/adopt",
    summary="Register a stranger and replay its quarantine",
    openapi_extra=described(Adoption) | OR_REPORT,
    responses=documented(*OF_BODIES, FORBIDDEN, BUSY, NOT_WRITTEN, besides=OF_CHANGES),
    response_model=Adopted,
    dependencies=[Depends(require("operator", "fleet_admin"))],
)
async def adopt(
    request: Request,
    device_no: DeviceNo,
    bodies: BodiesDep,
    database: DatabaseDep,
    writers: WritersDep,
    desk: DeskDep,
    actor: ActorDep,
) -> Response | Adopted:
    """The rules of every import hold: 422 with the report when one is broken, and nothing was written.

    The replay takes up 1,000 letters at most; `replay.left` says how many wait for `POST /dead-letters/replay`.
    """
    order = await bodies.read(request, Adoption)
    given = order.model_dump(exclude={"reason"}, exclude_none=True)
    cells = {"device_no": device_no} | {name: str(value) for name, value in given.items()}
    report: Report = await desk.change(
        actor, lambda connection: register(connection, "devices", cells, keys=desk.keys), reason=order.reason
    )
    if not report.applied:
        return answer(report)
    asked = ReplayRequest(device_no=device_no)
    return Adopted(report=dataclasses.asdict(report), replay=await replays.take_up(asked, database, writers))


async def _page(database: Database, name: ListName, query: PageQuery) -> OutsiderPage:
    listing, of = LISTINGS[name], ("outsiders", name)
    after = cursors.unseal(query.cursor, Position, of=of).key if query.cursor else None
    rows = await database.fetch(listing.page, parameters(listing, after) | {"rows": query.limit + 1})
    counted = await database.fetch_one(listing.count)
    items = rows[: query.limit]
    last = Position(key={column: items[-1][column] for column in listing.key}) if len(rows) > query.limit else None
    return OutsiderPage(
        items=items,
        total=counted["total"] if counted else 0,
        next_cursor=cursors.seal(last, of=of) if last else None,
        remedy=Remedy(zh=listing.remedy_zh, en=listing.remedy_en),
    )
