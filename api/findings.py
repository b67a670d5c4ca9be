"""``/api/v1/findings``, ``/flags`` and a device's explanation: what the rules found, and why a device ought to go."""

from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.callers import MAY_READ, CallerDep
from api.database import DatabaseDep
from api.keyset import PageQuery
from api.ledger import Kind
from api.ledger_desk import DeskDep
from api.parameters import DEVICE_NO_PATTERN, DeviceNo, Text
from api.problems import BAD_CURSOR, OF_CHANGES, UNKNOWN_ENTRY, ProblemError, documented
from fleet.identity import scope as scopes
from fleet.identity.scope import Scope
from fleet.obsolescence import reading
from fleet.obsolescence.reading import FIRST_PAGE

router = APIRouter(prefix="/api/v1", tags=["Obsolescence"], dependencies=MAY_READ)


class Position(BaseModel):
    """Where a page ended."""

    number: int = Field(ge=0, le=FIRST_PAGE)


class OfDevices(PageQuery):
    """Of which devices."""

    site_no: Text | None = Field(None, description="At this site.", examples=["410100001"])
    region_code: str | None = Field(
        None,
        pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6})$",
        description="In this region: six digits of GB/T 2260, or the first four or two.",
    )
    kind: Kind | None = Field(None, description="Of this kind.", examples=["kiosk"])
    device_no: str | None = Field(None, pattern=DEVICE_NO_PATTERN, description="Of this device.")


class FindingQuery(OfDevices):
    """Which findings."""

    rule: str | None = Field(None, pattern=r"^[a-z_]{1,64}$", description="Of this rule.", examples=["dormant"])
    open: bool | None = Field(None, description="true: those that are not cleared; false: those that are.")


class Finding(BaseModel):
    """A rule that held for a device. What was found is frozen."""

    finding_id: int
    device_no: str
    kind: str
    site_no: str
    region_code: str
    rule: str
    name_zh: str
    name_en: str
    rule_version: int
    weight: int
    is_mandatory: bool
    found_on: date = Field(description="the day that was judged")
    window_from: date | None
    window_to: date | None
    numbers: dict[str, Any] = Field(description="what showed it; `thresholds`: what it was measured by")
    sentence_zh: str
    sentence_en: str
    opened_at: datetime
    gone_since: date | None = Field(description="since when its cause is gone")
    cleared_at: datetime | None


class FindingEvidence(Finding):
    """A finding with all its evidence."""

    text_zh: str
    text_en: str
    basis: str | None
    sample: list[dict[str, Any]] = Field(description="a few days or steps that show it")
    query: str = Field(description="SQL that shows the numbers, parameters filled in")


class FindingPage(BaseModel):
    """Findings, the newest first."""

    items: list[Finding]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class Flag(BaseModel):
    """A device that ought to go, by its findings of that day."""

    flag_id: int
    device_no: str
    kind: str
    site_no: str
    region_code: str
    flagged_on: date
    flagged_at: datetime
    policy_version: int
    score: int
    findings: list[int]
    rules: list[str]
    sentence_zh: str
    sentence_en: str


class FlagPage(BaseModel):
    """Flags that have not ended, the newest first."""

    items: list[Flag]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class OpenGround(BaseModel):
    """A finding that is not cleared."""

    finding_id: int
    rule: str
    name_zh: str
    name_en: str
    rule_version: int
    weight: int
    is_mandatory: bool
    found_on: date
    numbers: dict[str, Any]
    sentence_zh: str
    sentence_en: str
    gone_since: date | None


class Explained(BaseModel):
    """Where a device stands and why."""

    model_config = ConfigDict(from_attributes=True)

    device_no: str
    verdict: str = Field(description="`sound`, `noted`, `watch` or `flagged`; `unjudged` before its first day is over")
    score: int
    since: datetime | None
    judged_on: date | None = Field(description="the last day on which it was judged; null: none yet")
    held_back_by: str | None = Field(
        description="why it is not flagged though it would be: `outage`, `site_share`, `kept`"
    )
    flag_id: int | None
    flagged_on: date | None
    sentence_zh: str
    sentence_en: str
    grounds: list[OpenGround] = Field(description="its open findings, the weightiest first")


FindingId = Annotated[int, Path(ge=1, le=FIRST_PAGE, description="Number of the finding.")]
_OF_READS: Final = documented(BAD_CURSOR)


@router.get("/findings", summary="List findings", responses=_OF_READS)
async def list_findings(
    database: DatabaseDep, caller: CallerDep, query: Annotated[FindingQuery, Query()]
) -> FindingPage:
    """What the rules found, cleared ones included unless `open` says otherwise."""
    asked = _asked(query, "findings", caller.scope)
    chosen = asked | {"open": query.open, "cleared": query.open is False}
    listing = reading.listing(reading.FINDINGS, reading.FINDING_CLAUSES, "f.finding_id", chosen)
    rows = await database.fetch(listing, asked)
    items, cursor = _page(rows, query, "findings", "finding_id")
    return FindingPage(items=[Finding(**row) for row in items], next_cursor=cursor)


@router.get("/findings/{finding_id}", summary="A finding with its evidence", responses=documented(UNKNOWN_ENTRY))
async def get_finding(database: DatabaseDep, finding_id: FindingId) -> FindingEvidence:
    """The numbers, a few days that show them, and the query that anybody may run again."""
    row = await database.fetch_one(reading.FINDING, {"finding_id": finding_id})
    if row is None:
        raise ProblemError(UNKNOWN_ENTRY, f"There is no finding {finding_id}.")
    return FindingEvidence(**row)


@router.get("/flags", summary="List devices that ought to go", responses=_OF_READS)
async def list_flags(database: DatabaseDep, caller: CallerDep, query: Annotated[OfDevices, Query()]) -> FlagPage:
    """Flags that have not ended, each with its sentence."""
    asked = _asked(query, "flags", caller.scope)
    listing = reading.listing(reading.FLAGS, reading.FLAG_CLAUSES, "f.flag_id", asked | {"open": True})
    rows = await database.fetch(listing, asked)
    items, cursor = _page(rows, query, "flags", "flag_id")
    return FlagPage(items=[Flag(**row) for row in items], next_cursor=cursor)


@router.get(
    "/devices/{device_no}/explanation",
    summary="Why a device ought to go, or not",
    responses=documented(besides=OF_CHANGES),
)
async def explain(desk: DeskDep, device_no: DeviceNo) -> Explained:
    """Verdict, score and grounds after the last run, and one sentence for whoever runs a market."""
    told = await desk.read(lambda connection: reading.explanation(connection, device_no))
    return Explained.model_validate(told)


def _of(query: PageQuery, route: str) -> tuple[str, ...]:
    given = query.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
    return route, *(f"{name}={value}" for name, value in given.items())


def _asked(query: PageQuery, route: str, scope: Scope) -> dict[str, Any]:
    """The filters, the number to go on below, and how many rows: one more than a page."""
    below = cursors.unseal(query.cursor, Position, of=_of(query, route)).number if query.cursor else FIRST_PAGE
    filters = query.model_dump(exclude={"cursor", "limit", "open"})
    return filters | scopes.parameters(scope) | {"below": below, "rows": query.limit + 1}


def _page(rows: list[DictRow], query: PageQuery, route: str, key: str) -> tuple[list[DictRow], str | None]:
    items = rows[: query.limit]
    more = len(rows) > query.limit
    return items, cursors.seal(Position(number=items[-1][key]), of=_of(query, route)) if more else None
