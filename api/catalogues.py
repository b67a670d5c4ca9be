"""What the ledger goes by, to be looked up: regions on a day, models, code profiles, registration gates."""

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.callers import MAY_READ
from api.database import DatabaseDep
from api.keyset import PageQuery, read_page
from api.ledger import Kind
from api.parameters import Day
from api.problems import BAD_CURSOR, documented
from fleet.business_day import today

router = APIRouter(prefix="/api/v1", tags=["Catalogues"], dependencies=MAY_READ)

REGIONS: Final = """
SELECT r.region_code, r.name_zh, r.name_en, r.parent_code, r.valid_from, r.valid_to
FROM regions AS r
WHERE (%(after)s::text IS NULL OR r.region_code > %(after)s)
  AND r.valid_from <= %(on)s::date AND (r.valid_to IS NULL OR r.valid_to > %(on)s::date)
  AND (%(parent_code)s::text IS NULL OR r.parent_code = %(parent_code)s)
  AND NOT EXISTS (
      SELECT FROM regions AS later WHERE later.region_code = r.region_code AND later.valid_from > r.valid_from
      AND later.valid_from <= %(on)s::date AND (later.valid_to IS NULL OR later.valid_to > %(on)s::date))
ORDER BY r.region_code LIMIT %(rows)s
"""
MODELS: Final = """
SELECT m.model_no, m.kind, m.vendor, m.name, m.service_life_months, m.min_firmware, m.support_ends_on,
       m.transport_security, m.withdrawn_on,
       (SELECT count(*) FROM devices AS d WHERE d.model_id = m.model_id) AS devices
FROM models AS m
WHERE (%(after)s::text IS NULL OR m.model_no > %(after)s) AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)
ORDER BY m.model_no LIMIT %(rows)s
"""
# A handful for each region, so all at once.
PROFILES: Final = """
SELECT x.region_code, x.subject, x.version, x.pattern, x.segments, x.verified, x.source, x.valid_from, x.valid_to
FROM code_profiles AS x
WHERE %(region_code)s::text IS NULL OR starts_with(%(region_code)s, x.region_code)
ORDER BY x.region_code, x.subject, x.version LIMIT 1000
"""
GATES: Final = """
SELECT g.kind, g.acquired_after, g.policy, g.basis, g.instead_zh, g.instead_en
FROM registration_gates AS g ORDER BY g.kind
"""

RegionCode = Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class RegionQuery(PageQuery):
    """Which regions."""

    on: Day = Field(default_factory=today, description="As they were in force on this day; today without it.")
    parent_code: RegionCode | None = Field(None, description="Directly below this one.", examples=["410100"])


class Region(BaseModel):
    """A region within its dates: codes change hands over the years (410728 became 410783)."""

    region_code: str = Field(description="GB/T 2260, six digits", examples=["410100"])
    name_zh: str
    name_en: str
    parent_code: str | None
    valid_from: date
    valid_to: date | None = Field(description="the first day on which it is void")


class RegionPage(BaseModel):
    """Regions in the order of their codes."""

    items: list[Region]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class ModelQuery(PageQuery):
    """Which models."""

    kind: Kind | None = Field(None, description="Of this kind.")


class ModelLine(BaseModel):
    """A model, and how many devices are of it."""

    model_no: str = Field(examples=["YH-ACS15"])
    kind: str
    vendor: str
    name: str | None
    service_life_months: int | None
    min_firmware: str | None
    support_ends_on: date | None
    transport_security: Literal["none", "tls", "mutual_tls", "unknown"]
    withdrawn_on: date | None
    devices: int


class ModelPage(BaseModel):
    """Models in the order of their numbers."""

    items: list[ModelLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class CodeProfile(BaseModel):
    """How a region writes its codes. Unverified: nobody has seen the document yet (未核实)."""

    region_code: str = Field(description="two, four or six digits: a region and all below it")
    subject: Literal["site", "merchant", "trace", "goods"]
    version: int
    pattern: str
    segments: list[dict[str, Any]]
    verified: bool
    source: str
    valid_from: date
    valid_to: date | None


class CodeProfiles(BaseModel):
    """All that fit."""

    items: list[CodeProfile]


class RegistrationGate(BaseModel):
    """A kind of which nothing may be added that was acquired after a day."""

    kind: str
    acquired_after: date
    policy: Literal["block", "require_exemption", "warn"]
    basis: str = Field(examples=["豫商办文〔2018〕81号"])
    instead_zh: str | None = Field(description="what may come in its place", examples=["二维码查询（追溯码、小程序）"])
    instead_en: str | None


class RegistrationGates(BaseModel):
    """All of them."""

    items: list[RegistrationGate]


@router.get("/regions", summary="List regions", responses=documented(BAD_CURSOR))
async def list_regions(database: DatabaseDep, query: Annotated[RegionQuery, Query()]) -> RegionPage:
    """Regions (行政区划) as they were in force on a day."""
    rows, cursor = await read_page(database, REGIONS, query, route="regions", key="region_code")
    return RegionPage(items=[Region.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/models", summary="List models", responses=documented(BAD_CURSOR))
async def list_models(database: DatabaseDep, query: Annotated[ModelQuery, Query()]) -> ModelPage:
    """Models (型号) in the order of their numbers."""
    rows, cursor = await read_page(database, MODELS, query, route="models", key="model_no")
    return ModelPage(items=[ModelLine.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/code-profiles", summary="How codes are written", responses=documented())
async def list_code_profiles(
    database: DatabaseDep,
    region_code: Annotated[
        RegionCode | None, Query(description="That hold in this region.", examples=["410100"])
    ] = None,
) -> CodeProfiles:
    """Patterns of site, merchant, trace and goods codes by region, each marked as verified or not."""
    rows = await database.fetch(PROFILES, {"region_code": region_code})
    return CodeProfiles(items=[CodeProfile.model_validate(row) for row in rows])


@router.get("/registration-gates", summary="What may no longer be added", responses=documented())
async def list_registration_gates(database: DatabaseDep) -> RegistrationGates:
    """Kinds of device that need an exemption, or may not be registered at all (登记关口)."""
    return RegistrationGates(items=[RegistrationGate.model_validate(row) for row in await database.fetch(GATES)])
