"""``/api/v1/sites``: where devices stand, for choosing a filter."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.database import DatabaseDep
from api.ledger import Site
from api.parameters import CURSOR_HELP, LIMIT_HELP, Cursor, Limit, Text
from api.problems import BAD_CURSOR, documented

router = APIRouter(prefix="/api/v1/sites", tags=["Sites"])

# Devices are counted for the sites of the page alone.
LIST: Final = """
SELECT s.site_no, s.name_zh, s.name_en, s.kind, s.region_code,
       (SELECT count(*) FROM devices AS d WHERE d.site_id = s.site_id) AS devices
FROM sites AS s
WHERE %(after)s::text IS NULL OR s.site_no > %(after)s
ORDER BY s.site_no LIMIT %(rows)s
"""


class SiteQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    cursor: Cursor | None = Field(None, description=CURSOR_HELP)
    limit: Limit = Field(50, description=LIMIT_HELP)


class SitePosition(BaseModel):
    """Where a page of sites ended."""

    site_no: Text


class SiteLine(Site):
    """A site in the list, with the number of its devices."""

    devices: int = Field(description="devices of the ledger at this site, in any state", examples=[120])


class SitePage(BaseModel):
    """Sites in the order of their numbers."""

    items: list[SiteLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


@router.get("", summary="List sites", responses=documented(BAD_CURSOR))
async def list_sites(database: DatabaseDep, query: Annotated[SiteQuery, Query()]) -> SitePage:
    """Sites (节点企业) in the order of their numbers."""
    of = ("sites",)
    after = cursors.unseal(query.cursor, SitePosition, of=of).site_no if query.cursor else None
    rows = await database.fetch(LIST, {"after": after, "rows": query.limit + 1})
    items = [SiteLine.model_validate(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return SitePage(
        items=items, next_cursor=cursors.seal(SitePosition(site_no=items[-1].site_no), of=of) if more else None
    )
