"""``/api/v1/rules/what-if``: what other rules of obsolescence would have flagged."""

import asyncio
from datetime import date
from typing import Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import require
from api.ledger_desk import DeskDep
from api.parameters import Day
from api.problems import BUSY, FORBIDDEN, OF_BODIES, OF_CHANGES, ProblemError, documented
from api.rules import RuleChange
from fleet.business_day import today
from fleet.obsolescence.what_if import Changes, what_if

router = APIRouter(prefix="/api/v1", tags=["Obsolescence"])
# Each asks the whole fleet many times over.
WHAT_IFS_AT_ONCE: Final = 1
# More devices than these are counted, not listed.
TOLD_MAX: Final = 5000


class WhatIfOrder(BaseModel):
    """Which rules to try, over which days that are past."""

    model_config = ConfigDict(extra="forbid")

    rules: dict[str, RuleChange] = Field(
        {}, description="by rule", examples=[{"dormant": {"parameters": {"days": 90}}}]
    )
    watch_score: int | None = Field(None, ge=1, le=10_000)
    flag_score: int | None = Field(None, ge=1, le=10_000)
    as_of: Day | None = Field(None, description="begin with the versions that count on this day, such as one to come")
    begins_on: Day
    ends_on: Day
    step_days: int = Field(7, ge=1, le=400, description="judge every so many days, the last one among them")


class WouldFlag(BaseModel):
    """A device that would be flagged."""

    model_config = ConfigDict(from_attributes=True)

    device_no: str
    kind: str
    region_code: str
    first_day: date
    score: int
    rules: list[str]
    sentence_zh: str
    sentence_en: str


class WhatIf(BaseModel):
    """What the rules that were tried would flag. Lists have the first 5,000; the numbers count all."""

    model_config = ConfigDict(from_attributes=True)

    days: list[date] = Field(description="that were judged")
    would_flag: int
    as_they_are: int = Field(description="what the rules as they are would flag")
    added_count: int
    spared_count: int
    by_rule: dict[str, int]
    by_kind: dict[str, int]
    by_region: dict[str, int] = Field(description="by prefecture, the first four digits")
    flagged: list[WouldFlag]
    added: list[WouldFlag] = Field(description="flagged by these rules alone")
    spared: list[WouldFlag] = Field(description="flagged by the rules as they are alone")


@router.post(
    "/rules/what-if",
    summary="What other rules would flag",
    openapi_extra=described(WhatIfOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, BUSY, besides=OF_CHANGES),
    dependencies=[Depends(require("operator", "fleet_admin"))],
)
async def try_rules(request: Request, bodies: BodiesDep, desk: DeskDep) -> WhatIf:
    """Judge days that are past by other rules, beside the rules as they are. Nothing is written.

    It takes seconds for each day of 100,000 devices: keep the period short, or the steps long. One at a time.
    """
    order = await bodies.read(request, WhatIfOrder)
    policy = order.model_dump(include={"watch_score", "flag_score"}, exclude_none=True)
    rules = {rule: change.model_dump(exclude_none=True) for rule, change in order.rules.items()}
    slots: asyncio.Semaphore = request.app.state.what_ifs
    if slots.locked():
        raise ProblemError(BUSY, f"{WHAT_IFS_AT_ONCE} what-if is under way.")
    async with slots:
        told = await desk.read(
            lambda connection: what_if(
                connection,
                Changes(rules, policy, order.as_of),
                begins_on=order.begins_on,
                ends_on=order.ends_on,
                today=today(),
                step_days=order.step_days,
            )
        )
    lists = {name: [_would(of) for of in getattr(told, name)[:TOLD_MAX]] for name in ("flagged", "added", "spared")}
    return WhatIf(
        days=list(told.days),
        would_flag=len(told.flagged),
        as_they_are=told.as_they_are,
        added_count=len(told.added),
        spared_count=len(told.spared),
        by_rule=dict(told.by_rule),
        by_kind=dict(told.by_kind),
        by_region=dict(told.by_region),
        **lists,
    )


def slots() -> asyncio.Semaphore:
    """As many what-ifs at once as the application takes."""
    return asyncio.Semaphore(WHAT_IFS_AT_ONCE)


def _would(of: object) -> WouldFlag:
    return WouldFlag.model_validate(of)
