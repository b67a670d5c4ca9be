"""``/api/v1/parties``: who answers for devices. Personal data is masked."""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.callers import MAY_READ
from api.database import DatabaseDep
from api.device_parts import MASKED
from api.keyset import PageQuery, read_page
from api.parameters import Text
from api.problems import BAD_CURSOR, UNKNOWN_ENTRY, ProblemError, documented

router = APIRouter(prefix="/api/v1/parties", tags=["Parties"], dependencies=MAY_READ)

LIST: Final = """
SELECT y.party_no, y.name, y.kind, s.site_no, c.merchant_code, y.credit_code, y.contact_name, y.phone_masked AS phone
FROM parties AS y LEFT JOIN sites AS s USING (site_id) LEFT JOIN merchants AS c USING (merchant_id)
WHERE (%(after)s::text IS NULL OR y.party_no > %(after)s) AND (%(kind)s::text IS NULL OR y.kind = %(kind)s)
ORDER BY y.party_no LIMIT %(rows)s
"""
DETAIL: Final = """
SELECT y.party_no, y.name, y.kind, s.site_no, c.merchant_code, y.credit_code, y.contact_name, y.phone_masked AS phone,
       y.created_at, y.updated_at
FROM parties AS y LEFT JOIN sites AS s USING (site_id) LEFT JOIN merchants AS c USING (merchant_id)
WHERE y.party_no = %(party_no)s
"""
DUTIES: Final = """
SELECT r.duty, count(*) AS devices
FROM parties AS y JOIN device_responsibilities AS r USING (party_id) WHERE y.party_no = %(party_no)s GROUP BY r.duty
"""

PartyKind = Literal["government", "operator", "site", "merchant"]
Duty = Literal["supervision", "operation", "custody", "use"]


class PartyQuery(PageQuery):
    """Which parties."""

    kind: PartyKind | None = Field(None, description="Of this kind.")


class PartyLine(BaseModel):
    """A party in the list."""

    party_no: str = Field(examples=["OP-1"])
    name: str = Field(examples=["追溯运维公司"])
    kind: PartyKind
    site_no: str | None
    merchant_code: str | None
    credit_code: str | None
    contact_name: str | None
    phone: str | None = Field(description=MASKED, examples=["138****5678"])


class PartyPage(BaseModel):
    """Parties in the order of their numbers."""

    items: list[PartyLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class Party(PartyLine):
    """A party (责任主体): a department, the operator, a site or a merchant."""

    duties: dict[Duty, int] = Field(description="for how many devices it bears each", examples=[{"operation": 120}])
    created_at: datetime
    updated_at: datetime


@router.get("", summary="List responsible parties", responses=documented(BAD_CURSOR))
async def list_parties(database: DatabaseDep, query: Annotated[PartyQuery, Query()]) -> PartyPage:
    """Those who answer for devices, in the order of their numbers."""
    rows, cursor = await read_page(database, LIST, query, route="parties", key="party_no")
    return PartyPage(items=[PartyLine.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/{party_no}", summary="One responsible party", responses=documented(UNKNOWN_ENTRY))
async def get_party(
    database: DatabaseDep,
    party_no: Annotated[Text, Path(description="Number of the responsible party.", examples=["OP-1"])],
) -> Party:
    """The party, and for how many devices it bears which duty."""
    named = {"party_no": party_no}
    row = await database.fetch_one(DETAIL, named)
    if row is None:
        raise ProblemError(UNKNOWN_ENTRY, f"No party has the number {party_no!r}.")
    duties = {line["duty"]: line["devices"] for line in await database.fetch(DUTIES, named)}
    return Party.model_validate({**row, "duties": duties})
