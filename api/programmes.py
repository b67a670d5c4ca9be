"""``/api/v1/programmes``: campaigns of retirement (淘汰任务): made, changed, how far they are, what holds them up."""

import asyncio
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import IO, Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from api import cursors
from api.body import BodiesDep, described
from api.callers import require
from api.keyset import PageQuery
from api.ledger_desk import ActorDep, DeskDep
from api.ledger_sheets import attachment, sent
from api.parameters import Day, Reason, Text
from api.problems import BAD_CURSOR, FORBIDDEN, OF_BODIES, OF_CHANGES, UNKNOWN_ENTRY, documented
from fleet.audit.history import PLACE
from fleet.ledger.export import MEDIA_TYPES, FileFormat
from fleet.ledger.workbook import Language
from fleet.programmes import programme as programmes
from fleet.programmes.blockers import Reason as BlockerReason
from fleet.programmes.export import export
from fleet.programmes.programme import Programme, require_past
from fleet.programmes.progress import Step, figures_of, progress, series
from fleet.programmes.standing import devices

router = APIRouter(prefix="/api/v1/programmes", tags=["Programmes"])
MAY_CHANGE: Final = [Depends(require("fleet_admin"))]
READS: Final = documented(besides=OF_CHANGES)
OF_LISTS: Final = documented(BAD_CURSOR, besides=[kind for kind in OF_CHANGES if kind is not UNKNOWN_ENTRY])
OF_DEVICES: Final = documented(BAD_CURSOR, besides=OF_CHANGES)
TARGET_MAX: Final = 10_000_000
T = TypeVar("T")

ProgrammeNo = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Number of the programme.", examples=["KS-4101-2026"])
]
Region = Annotated[str, Field(pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6})$", description="and all below it")]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name_zh: Text = Field(examples=["郑州市查询机淘汰"])
    name_en: Text = Field(examples=["Kiosks of Zhengzhou"])
    region_code: Region = Field(examples=["4101"])
    kinds: list[Text] = Field(min_length=1, max_length=50, description="of device", examples=[["kiosk"]])
    site_kinds: list[Text] = Field([], max_length=50, description="none: every kind of site")
    begins_on: Day
    due_on: Day
    target: int | None = Field(None, ge=1, le=TARGET_MAX, description="how many are to go; null: all in scope")
    basis: Text | None = Field(None, description="number of the document", examples=["豫商办文〔2018〕81号"])


class ProgrammeOrder(_Fields):
    """A programme to be made."""

    programme_no: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = Field(examples=["KS-4101-2026"])
    reason: Reason


class ProgrammeChange(BaseModel):
    """What is to be another; what is left out stays. What it is about can change only before it begins."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    name_zh: Text | None = None
    name_en: Text | None = None
    region_code: Region | None = None
    kinds: list[Text] | None = Field(None, min_length=1, max_length=50)
    site_kinds: list[Text] | None = Field(None, max_length=50)
    begins_on: Day | None = None
    due_on: Day | None = None
    target: int | None = Field(None, ge=1, le=TARGET_MAX, description="null, when it is given: all in scope")
    basis: Text | None = None
    end: Literal[True] | None = Field(None, description="ends it today: that day's figures stay its last")


class ProgrammeEntry(_Fields):
    """A programme."""

    model_config = ConfigDict(extra="ignore")

    programme_no: str
    begins_on: date
    due_on: date
    ended_on: date | None


class OutlookEntry(BaseModel):
    """What comes of a pace."""

    per_week: float
    done_on: date | None = Field(description="null: not at this pace")
    in_time: bool


class ForecastEntry(BaseModel):
    """When it will be done, and what it would take."""

    lately: OutlookEntry = Field(description="at the pace of the last 28 days")
    overall: OutlookEntry = Field(description="at that since the beginning")
    needed_per_week: float | None = Field(description="to be in time; null once the due day has come")


class FiguresEntry(BaseModel):
    """How far it is at the end of a day. Derived from the ledger of that day, whenever it is asked."""

    day: date
    devices: int = Field(description="in scope: there at the beginning, or come since")
    target: int
    retired: int = Field(description="disposed of or lost")
    remaining: int
    rate: float | None = Field(description="淘汰完成率, retired of target; null where there is no target")
    forecast: ForecastEntry | None = Field(description="null before it began")


class ProgrammeLine(BaseModel):
    """A programme in the list."""

    programme: ProgrammeEntry
    figures: FiguresEntry


class ProgrammePage(BaseModel):
    """Programmes in the order of their numbers."""

    items: list[ProgrammeLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class BlockerEntry(BaseModel):
    """Why devices are not retired yet, how many, and what to do."""

    reason: BlockerReason
    devices: int
    is_stage: bool = Field(description="each device is in one stage; the other reasons come on top")
    name_zh: str
    name_en: str
    remedy_zh: str
    remedy_en: str


class ProgrammeDetail(ProgrammeLine):
    """A programme as it stands at the end of a day."""

    cases: dict[str, int] = Field(description="devices not retired yet, by the state of their newest case")
    blockers: list[BlockerEntry]


class PointEntry(BaseModel):
    """The burn-down at the end of a day."""

    day: date
    devices: int
    target: int
    retired: int
    remaining: int
    even: float = Field(description="what would be left if the same number went each day")


class Series(BaseModel):
    """The burn-down."""

    points: list[PointEntry]


class Blockers(BaseModel):
    """What holds a programme up, in the order of the work."""

    day: date
    blockers: list[BlockerEntry]


class ProgrammeDevice(BaseModel):
    """A device of a programme, as it stood at the end of the day."""

    device_no: str
    kind: str
    site_no: str
    site_zh: str
    site_en: str
    region_code: str
    owner_type: str | None
    original_value_fen: int | None
    state: str
    is_done: bool
    retired_at: datetime | None
    reasons: list[BlockerReason]
    holds: list[str]
    case_no: str | None
    case_state: str | None
    case_since: datetime | None
    due_on: date | None


class ProgrammeDevicePage(BaseModel):
    """Devices in the order of their numbers."""

    items: list[ProgrammeDevice]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class DayQuery(BaseModel):
    """Of which day."""

    model_config = ConfigDict(extra="forbid")

    on: Day | None = Field(None, description="at whose end; left out: as it is now")


class SeriesQuery(BaseModel):
    """From which day to which."""

    model_config = ConfigDict(extra="forbid")

    from_on: Day | None = Field(None, alias="from", description="left out: from the beginning")
    to_on: Day | None = Field(None, alias="to", description="left out: today")
    step: Step = Field("day", description="weeks end on Sundays")


class DevicesQuery(PageQuery, DayQuery):
    """Which devices."""

    blocker: BlockerReason | None = Field(None, description="only those that it holds up; left out: all in scope")


class ExportQuery(DayQuery):
    """Of which day, in which language."""

    language: Language = Field("zh", description="of headers and words")


class _Position(BaseModel):
    key: Text


@router.get("", summary="List programmes with their progress", responses=OF_LISTS)
async def list_programmes(desk: DeskDep, query: Annotated[PageQuery, Query()]) -> ProgrammePage:
    """As they are now, or were at their end."""
    after = cursors.unseal(query.cursor, _Position, of=("programmes",)).key if query.cursor else None

    def work(connection: Connection[Any]) -> tuple[list[ProgrammeLine], bool]:
        today = _today()
        found = programmes.programmes(connection, today, after=after, rows=query.limit + 1)
        page = found[: query.limit]
        return [_line(*one) for one in zip(page, figures_of(connection, page, today), strict=True)], len(found) > len(
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
        today = _today()
        changed = programmes.change(connection, programme_no, fields, today=today) if fields or not order.end else None
        if order.end:
            return programmes.end(connection, programme_no, today=today)
        assert changed is not None  # noqa: S101 - one of the two
        return changed

    return _entry(await desk.change(actor, work, reason=order.reason))


@router.get("/{programme_no}", summary="A programme on a day", responses=READS)
async def one(programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[DayQuery, Query()]) -> ProgrammeDetail:
    """Its figures, cases under way, blockers and forecast, as they were at the end of that day."""

    def work(connection: Connection[Any], programme: Programme, day: date) -> ProgrammeDetail:
        told = progress(connection, programme, day)
        line = _line(programme, told.figures)
        blockers = [BlockerEntry.model_validate(blocker, from_attributes=True) for blocker in told.blockers]
        return ProgrammeDetail(programme=line.programme, figures=line.figures, cases=told.cases, blockers=blockers)

    return await desk.read(_on(programme_no, query.on, work))


@router.get("/{programme_no}/progress", summary="The burn-down", responses=READS)
async def burn_down(programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[SeriesQuery, Query()]) -> Series:
    """A point for each day or week, within the programme's own days; at most 1,100 days at once."""

    def work(connection: Connection[Any], programme: Programme, day: date) -> Series:
        first = query.from_on or programme.begins_on
        if query.from_on is None and first > day:
            return Series(points=[])
        points = series(connection, programme, first, day, step=query.step)
        return Series(points=[PointEntry.model_validate(point, from_attributes=True) for point in points])

    return await desk.read(_on(programme_no, query.to_on, work))


@router.get("/{programme_no}/blockers", summary="What holds it up", responses=READS)
async def blockers(programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[DayQuery, Query()]) -> Blockers:
    """Each reason with its number of devices and a remedy; `/devices?blocker=` lists them."""

    def work(connection: Connection[Any], programme: Programme, day: date) -> Blockers:
        told = progress(connection, programme, day)
        return Blockers(
            day=told.figures.day,
            blockers=[BlockerEntry.model_validate(blocker, from_attributes=True) for blocker in told.blockers],
        )

    return await desk.read(_on(programme_no, query.on, work))


@router.get("/{programme_no}/devices", summary="Its devices, or those that something holds up", responses=OF_DEVICES)
async def list_devices(
    programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[DevicesQuery, Query()]
) -> ProgrammeDevicePage:
    """As each stood at the end of the day."""
    of = (programme_no, f"on={query.on}", f"blocker={query.blocker}")
    after = cursors.unseal(query.cursor, _Position, of=of).key if query.cursor else None

    def work(connection: Connection[Any], programme: Programme, day: date) -> list[dict[str, Any]]:
        return devices(connection, programme, day, reason=query.blocker, after=after, rows=query.limit + 1)

    rows = await desk.read(_on(programme_no, query.on, work))
    items = [ProgrammeDevice.model_validate(row) for row in rows[: query.limit]]
    last = _Position(key=items[-1].device_no) if len(rows) > query.limit else None
    return ProgrammeDevicePage(items=items, next_cursor=cursors.seal(last, of=of) if last else None)


_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, as an attachment.",
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()},
    }
}


def _export(form: FileFormat) -> None:
    async def exported(
        request: Request, programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[ExportQuery, Query()]
    ) -> StreamingResponse:
        def work(connection: Connection[Any], programme: Programme, day: date) -> IO[bytes]:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
            try:
                export(connection, programme, day, file, form=form, language=query.language)
            except BaseException:
                file.close()
                raise
            return file

        slots: asyncio.Semaphore = request.app.state.exports
        async with slots:
            file = await desk.read(_on(programme_no, query.on, work))
        size = file.seek(0, 2)
        file.seek(0)
        headers = attachment(f"{programme_no}.{form}") | {"Content-Length": str(size)}
        return StreamingResponse(sent(file), headers=headers, media_type=MEDIA_TYPES[form])

    router.add_api_route(
        f"/{{programme_no}}/export.{form}",
        exported,
        name=f"export_{form}",
        summary=f"Export figures and devices as {form.upper()}",
        description="Of any day; the same day gives the same file, whenever it is made.",
        response_class=Response,
        responses=_FILES | READS,
    )


for _form in MEDIA_TYPES:
    _export(_form)


def _on(
    programme_no: str, day: date | None, work: Callable[[Connection[Any], Programme, date], T]
) -> Callable[[Connection[Any]], T]:
    """*work* with the programme as it was on *day*. Raises RefusedError for a day that is still to come."""

    def asked(connection: Connection[Any]) -> T:
        today = _today()
        chosen = day or today
        require_past(chosen, today=today)
        return work(connection, programmes.programme(connection, programme_no, chosen), chosen)

    return asked


def _today() -> date:
    return datetime.now(UTC).astimezone(PLACE).date()


def _entry(programme: Programme) -> ProgrammeEntry:
    return ProgrammeEntry.model_validate(programme, from_attributes=True)


def _line(programme: Programme, figures: object) -> ProgrammeLine:
    return ProgrammeLine(
        programme=_entry(programme), figures=FiguresEntry.model_validate(figures, from_attributes=True)
    )
