"""``/api/v1/programmes``: campaigns of retirement (淘汰任务): made, changed, how far they are, what holds them up."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.body import BodiesDep, described
from api.callers import MAY_READ, require
from api.keyset import PageQuery
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Day, Text
from api.problems import BAD_CURSOR, FORBIDDEN, OF_BODIES, OF_CHANGES, UNKNOWN_ENTRY, documented
from api.programme_asked import READS, DayQuery, ProgrammeNo, on_day
from api.programme_shapes import (
    BlockerEntry,
    Blockers,
    FiguresEntry,
    PointEntry,
    ProgrammeChange,
    ProgrammeDetail,
    ProgrammeDevice,
    ProgrammeDevicePage,
    ProgrammeEntry,
    ProgrammeLine,
    ProgrammeOrder,
    ProgrammePage,
    Series,
)
from fleet.business_day import today
from fleet.programmes import programme as programmes
from fleet.programmes.blockers import Reason as BlockerReason
from fleet.programmes.programme import Programme
from fleet.programmes.progress import Step, figures_of, progress, series
from fleet.programmes.standing import devices

router = APIRouter(prefix="/api/v1/programmes", tags=["Programmes"])
MAY_CHANGE: Final = [Depends(require("fleet_admin"))]
OF_LISTS: Final = documented(BAD_CURSOR, besides=[kind for kind in OF_CHANGES if kind is not UNKNOWN_ENTRY])
OF_DEVICES: Final = documented(BAD_CURSOR, besides=OF_CHANGES)


class SeriesQuery(BaseModel):
    """From which day to which."""

    model_config = ConfigDict(extra="forbid")

    from_on: Day | None = Field(None, alias="from", description="left out: from the beginning")
    to_on: Day | None = Field(None, alias="to", description="left out: today")
    step: Step = Field("day", description="weeks end on Sundays")


class DevicesQuery(PageQuery, DayQuery):
    """Which devices."""

    blocker: BlockerReason | None = Field(None, description="only those that it holds up; left out: all in scope")


class _Position(BaseModel):
    key: Text


@router.get("", summary="List programmes with their progress", responses=OF_LISTS, dependencies=MAY_READ)
async def list_programmes(desk: DeskDep, query: Annotated[PageQuery, Query()]) -> ProgrammePage:
    """As they are now, or were at their end."""
    after = cursors.unseal(query.cursor, _Position, of=("programmes",)).key if query.cursor else None

    def work(connection: Connection[Any]) -> tuple[list[ProgrammeLine], bool]:
        last = today()
        found = programmes.programmes(connection, last, after=after, rows=query.limit + 1)
        page = found[: query.limit]
        return [_line(*one) for one in zip(page, figures_of(connection, page, last), strict=True)], len(found) > len(
            page
        )

    items, more = await desk.read(work)
    last = _Position(key=items[-1].programme.programme_no) if more else None
    return ProgrammePage(items=items, next_cursor=cursors.seal(last, of=("programmes",)) if last else None)


@router.post(
    "",
    summary="Make a programme",
    openapi_extra=described(ProgrammeOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    status_code=201,
    dependencies=MAY_CHANGE,
)
async def create(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> ProgrammeEntry:
    """409 says all that is wrong with it."""
    order = await bodies.read(request, ProgrammeOrder)
    given = order.model_dump(exclude={"reason"})
    made = Programme(**given | {name: tuple(given[name]) for name in ("kinds", "site_kinds")})
    return _entry(await desk.change(actor, lambda connection: programmes.create(connection, made), reason=order.reason))


@router.patch(
    "/{programme_no}",
    summary="Change or end a programme",
    openapi_extra=described(ProgrammeChange),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    dependencies=MAY_CHANGE,
)
async def change(
    request: Request, programme_no: ProgrammeNo, bodies: BodiesDep, desk: DeskDep, actor: ActorDep
) -> ProgrammeEntry:
    """Names, due day, target and basis; region, kinds and the beginning only before it began."""
    order = await bodies.read(request, ProgrammeChange)
    # What is given as null is meant so where there may be none; elsewhere it says nothing.
    fields = {
        name: value
        for name, value in order.model_dump(exclude_unset=True, exclude={"reason", "end"}).items()
        if value is not None or name in ("target", "basis")
    }

    def work(connection: Connection[Any]) -> Programme:
        last = today()
        changed = programmes.change(connection, programme_no, fields, today=last) if fields or not order.end else None
        if order.end:
            return programmes.end(connection, programme_no, today=last)
        assert changed is not None  # noqa: S101 - one of the two
        return changed

    return _entry(await desk.change(actor, work, reason=order.reason))


@router.get("/{programme_no}", summary="A programme on a day", responses=READS, dependencies=MAY_READ)
async def one(programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[DayQuery, Query()]) -> ProgrammeDetail:
    """Its figures, cases under way, blockers and forecast, as they were at the end of that day."""

    def work(connection: Connection[Any], programme: Programme, day: date) -> ProgrammeDetail:
        told = progress(connection, programme, day)
        line = _line(programme, told.figures)
        blockers = [BlockerEntry.model_validate(blocker, from_attributes=True) for blocker in told.blockers]
        return ProgrammeDetail(programme=line.programme, figures=line.figures, cases=told.cases, blockers=blockers)

    return await desk.read(on_day(programme_no, query.on, work))


@router.get("/{programme_no}/progress", summary="The burn-down", responses=READS, dependencies=MAY_READ)
async def burn_down(programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[SeriesQuery, Query()]) -> Series:
    """A point for each day or week, within the programme's own days; at most 1,100 days at once."""

    def work(connection: Connection[Any], programme: Programme, day: date) -> Series:
        first = query.from_on or programme.begins_on
        if query.from_on is None and first > day:
            return Series(points=[])
        points = series(connection, programme, first, day, step=query.step)
        return Series(points=[PointEntry.model_validate(point, from_attributes=True) for point in points])

    return await desk.read(on_day(programme_no, query.to_on, work))


@router.get("/{programme_no}/blockers", summary="What holds it up", responses=READS, dependencies=MAY_READ)
async def blockers(programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[DayQuery, Query()]) -> Blockers:
    """Each reason with its number of devices and a remedy; `/devices?blocker=` lists them."""

    def work(connection: Connection[Any], programme: Programme, day: date) -> Blockers:
        told = progress(connection, programme, day)
        return Blockers(
            day=told.figures.day,
            blockers=[BlockerEntry.model_validate(blocker, from_attributes=True) for blocker in told.blockers],
        )

    return await desk.read(on_day(programme_no, query.on, work))


@router.get(
    "/{programme_no}/devices",
    summary="Its devices, or those that something holds up",
    responses=OF_DEVICES,
    dependencies=MAY_READ,
)
async def list_devices(
    programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[DevicesQuery, Query()]
) -> ProgrammeDevicePage:
    """As each stood at the end of the day."""
    of = (programme_no, f"on={query.on}", f"blocker={query.blocker}")
    after = cursors.unseal(query.cursor, _Position, of=of).key if query.cursor else None

    def work(connection: Connection[Any], programme: Programme, day: date) -> list[dict[str, Any]]:
        return devices(connection, programme, day, reason=query.blocker, after=after, rows=query.limit + 1)

    rows = await desk.read(on_day(programme_no, query.on, work))
    items = [ProgrammeDevice.model_validate(row) for row in rows[: query.limit]]
    last = _Position(key=items[-1].device_no) if len(rows) > query.limit else None
    return ProgrammeDevicePage(items=items, next_cursor=cursors.seal(last, of=of) if last else None)


def _entry(programme: Programme) -> ProgrammeEntry:
    return ProgrammeEntry.model_validate(programme, from_attributes=True)


def _line(programme: Programme, figures: object) -> ProgrammeLine:
    return ProgrammeLine(
        programme=_entry(programme), figures=FiguresEntry.model_validate(figures, from_attributes=True)
    )
