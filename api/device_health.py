"""``/api/v1/health`` and ``/api/v1/devices/{device_no}/health``: how well devices are, and why; the history by day."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.callers import MAY_READ, CallerDep
from api.database import DatabaseDep
from api.device import unknown
from api.health_shapes import (
    CheckName,
    DeviceHealth,
    HealthCheck,
    HealthDay,
    HealthHistory,
    HealthLine,
)
from api.keyset import PageQuery
from api.ledger import Kind
from api.parameters import DEVICE_NO_PATTERN, Day, DeviceNo, Text
from api.problems import BAD_CURSOR, BAD_SPAN, UNKNOWN_DEVICE, ProblemError, documented
from fleet.business_day import today
from fleet.health import listing
from fleet.health.catalogue import CHECKS
from fleet.health.score import Band
from fleet.identity import scope as scopes
from fleet.presence.presence import Presence

router = APIRouter(prefix="/api/v1", tags=["Device health"], dependencies=MAY_READ)

LONGEST_DAYS: Final = 750
DEFAULT_DAYS: Final = 30


class HealthQuery(PageQuery):
    """Which devices. What is given counts together."""

    site_no: Text | None = Field(None, description="At this site.", examples=["410100001"])
    region_code: str | None = Field(
        None,
        pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6})$",
        description="In this region: six digits of GB/T 2260, or the first four (prefecture) or two (province).",
        examples=["4101"],
    )
    kind: Kind | None = Field(None, description="Of this kind.", examples=["trace_scale"])
    presence: Presence | None = Field(None, description="Heard like this.")
    check: CheckName | None = Field(None, description="Losing points by this check.", examples=["battery_low"])
    max_score: int | None = Field(None, ge=0, le=100, description="With this score or a lower one.", examples=[59])
    excused: bool | None = Field(None, description="Whether something excuses its silence just now.")


class HealthPosition(BaseModel):
    """Where a page ended."""

    score: int = Field(ge=0, le=listing.NO_SCORE)
    device_no: str = Field(pattern=DEVICE_NO_PATTERN)


class HealthPage(BaseModel):
    """Devices in places, the worst first; those without a score last."""

    items: list[HealthLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")
    bands: dict[Band, int] = Field(
        description="all that match, on all pages: good from 80, fair from 60, poor below; none: nothing is expected",
        examples=[{"good": 180, "fair": 12, "poor": 5, "none": 3}],
    )


class DaysQuery(BaseModel):
    """Which days of the history."""

    model_config = ConfigDict(extra="forbid")

    first: Day | None = Field(None, alias="from", description="The first day. 29 days before the last.")
    last: Day | None = Field(None, alias="to", description="The last day. Today in Asia/Shanghai.")


@router.get("/health", summary="List devices by health", responses=documented(BAD_CURSOR))
async def list_health(database: DatabaseDep, caller: CallerDep, query: Annotated[HealthQuery, Query()]) -> HealthPage:
    """The worst first, each with its reasons; what is not in a place has no health and is not listed."""
    given = query.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
    of = ("health", *(f"{name}={value}" for name, value in given.items()))
    after = cursors.unseal(query.cursor, HealthPosition, of=of) if query.cursor else None
    asked = _asked(given) | scopes.parameters(caller.scope)
    paged = asked | {"rows": query.limit + 1}
    if after is not None:
        paged |= {"after_score": after.score, "after_no": after.device_no}
    rows, bands = await asyncio.gather(
        database.fetch(listing.list_of(listing.where(paged)), paged),
        database.fetch(listing.bands_of(listing.where(asked)), asked),
    )
    items = [HealthLine.of(row) for row in rows[: query.limit]]
    last = items[-1] if len(rows) > query.limit else None
    return HealthPage(
        items=items,
        next_cursor=None
        if last is None
        else cursors.seal(
            HealthPosition(score=listing.NO_SCORE if last.score is None else last.score, device_no=last.device_no),
            of=of,
        ),
        bands={row["band"]: row["devices"] for row in bands},
    )


@router.get("/health/checks", summary="What each check means", responses=documented())
async def list_checks() -> list[HealthCheck]:
    """The catalogue: what is measured, from where on it costs how many points, and what to do. Defaults of ours."""
    return [HealthCheck.of(check) for check in CHECKS]


@router.get("/devices/{device_no}/health", summary="Health of a device", responses=documented(UNKNOWN_DEVICE))
async def get_health(database: DatabaseDep, device_no: DeviceNo) -> DeviceHealth:
    """Its score and why, in both languages. All null for a device that stands nowhere, or was not judged yet."""
    row = await database.fetch_one(listing.ONE, {"device_no": device_no})
    if row is None:
        raise unknown(device_no)
    return DeviceHealth.of(row)


@router.get(
    "/devices/{device_no}/health/days",
    summary="Health of a device by day",
    responses=documented(UNKNOWN_DEVICE, BAD_SPAN),
)
async def get_health_days(
    database: DatabaseDep, device_no: DeviceNo, query: Annotated[DaysQuery, Query()]
) -> HealthHistory:
    """The last of each day, the oldest first. Days on which nobody looked are missing."""
    first, last = _span(query.first, query.last, day=today(datetime.now(UTC)))
    rows = await database.fetch(listing.DAYS, {"device_no": device_no, "first": first, "last": last})
    if not rows and await database.fetch_one(listing.ONE, {"device_no": device_no}) is None:
        raise unknown(device_no)
    return HealthHistory(device_no=device_no, first=first, last=last, days=[HealthDay.of(row) for row in rows])


def _span(first: date | None, last: date | None, *, day: date) -> tuple[date, date]:
    last = last or day
    try:
        first = first or last - timedelta(days=DEFAULT_DAYS - 1)
    except OverflowError:
        first = date.min
    if first > last:
        raise ProblemError(BAD_SPAN, f"`from` ({first}) comes after `to` ({last}).")
    if (last - first).days >= LONGEST_DAYS:
        raise ProblemError(
            BAD_SPAN, f"The span is {(last - first).days + 1} days long; at most {LONGEST_DAYS} are told."
        )
    return first, last


def _asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The filters as the clauses name them."""
    asked = dict(given)
    excused: Literal[True, False] | None = asked.pop("excused", None)
    if excused is not None:
        asked["is_excused" if excused else "is_not_excused"] = True
    return asked
