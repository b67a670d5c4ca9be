"""``/api/v1/sites``: where devices stand, for choosing a filter; and one of them in full."""

from datetime import date, datetime
from typing import Annotated, Final, Literal, LiteralString

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.callers import MAY_READ, CallerDep
from api.database import DatabaseDep
from api.keyset import PageQuery, read_page
from api.ledger import Site
from api.parameters import Text
from api.problems import BAD_CURSOR, UNKNOWN_ENTRY, ProblemError, documented
from fleet.identity import scope as scopes
from fleet.lifecycle.states import State

router = APIRouter(prefix="/api/v1/sites", tags=["Sites"], dependencies=MAY_READ)

# Devices are counted for the sites of the page alone.
LIST: Final = """
SELECT s.site_no, s.name_zh, s.name_en, s.kind, s.region_code,
       (SELECT count(*) FROM devices AS d WHERE d.site_id = s.site_id) AS devices
FROM sites AS s
WHERE %(after)s::text IS NULL OR s.site_no > %(after)s
ORDER BY s.site_no LIMIT %(rows)s
"""
LIST_WITHIN: Final[LiteralString] = f"""
SELECT s.site_no, s.name_zh, s.name_en, s.kind, s.region_code,
       (SELECT count(*) FROM devices AS d WHERE d.site_id = s.site_id) AS devices
FROM sites AS s
WHERE (%(after)s::text IS NULL OR s.site_no > %(after)s) AND {scopes.IN_SQL}
ORDER BY s.site_no LIMIT %(rows)s
"""  # noqa: S608 - constants of ours
DETAIL: Final = """
SELECT s.site_no, s.name_zh, s.name_en, s.kind, s.region_code, s.address, s.lat, s.lon, s.credit_code, s.status,
       s.opening_hours, s.created_at, s.updated_at,
       (SELECT count(DISTINCT x.merchant_id) FROM site_merchants AS x WHERE x.site_id = s.site_id) AS merchants
FROM sites AS s WHERE s.site_no = %(site_no)s
"""
# Those to come and of the last year; the audit and the export have all.
CLOSURES: Final = """
SELECT x.begins_on, x.ends_on, x.kind, x.reason, x.document
FROM sites AS s JOIN site_closures AS x USING (site_id)
WHERE s.site_no = %(site_no)s AND x.ends_on > now() - INTERVAL '1 year' ORDER BY x.begins_on DESC LIMIT 400
"""
STATES: Final = """
SELECT d.state, count(*) AS devices
FROM sites AS s JOIN devices AS d USING (site_id) WHERE s.site_no = %(site_no)s GROUP BY d.state
"""


class SiteLine(Site):
    """A site in the list, with the number of its devices."""

    devices: int = Field(description="devices of the ledger at this site, in any state", examples=[120])


class SitePage(BaseModel):
    """Sites in the order of their numbers."""

    items: list[SiteLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class Closure(BaseModel):
    """Days on which nothing is expected of a site (停业报备). Both belong to it."""

    begins_on: date
    ends_on: date
    kind: Literal["filed", "holiday", "maintenance", "ordered"]
    reason: str
    document: str | None


class SiteDetail(Site):
    """A site in full."""

    status: Literal["active", "suspended", "cancelled"]
    address: str | None
    lat: float | None
    lon: float | None
    credit_code: str | None
    opening_hours: str | None = Field(
        description="1 is Monday; null: always expected to be open", examples=["1-5 06:00-18:00; 6,7 05:00-19:00"]
    )
    closures: list[Closure] = Field(description="of the last year and to come, the latest first")
    merchants: int = Field(description="members")
    devices: dict[State, int] = Field(description="by state", examples=[{"in_service": 118, "faulty": 2}])
    created_at: datetime
    updated_at: datetime


@router.get("", summary="List sites", responses=documented(BAD_CURSOR))
async def list_sites(database: DatabaseDep, caller: CallerDep, query: Annotated[PageQuery, Query()]) -> SitePage:
    """Sites (节点企业) in the order of their numbers."""
    scope = caller.scope
    listing = LIST if scope.is_everywhere else LIST_WITHIN
    rows, cursor = await read_page(database, listing, query, route="sites", key="site_no", scope=scope)
    return SitePage(items=[SiteLine.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/{site_no}", summary="One site", responses=documented(UNKNOWN_ENTRY))
async def get_site(
    database: DatabaseDep,
    site_no: Annotated[Text, Path(description="Number of the site.", examples=["410100001"])],
) -> SiteDetail:
    """The site, when it is open and when not, who trades there, and its devices by state."""
    named = {"site_no": site_no}
    row = await database.fetch_one(DETAIL, named)
    if row is None:
        raise ProblemError(UNKNOWN_ENTRY, f"No site has the number {site_no!r}.")
    closures = await database.fetch(CLOSURES, named)
    states = {line["state"]: line["devices"] for line in await database.fetch(STATES, named)}
    return SiteDetail.model_validate({**row, "closures": closures, "devices": states})
