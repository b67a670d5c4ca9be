"""``/api/v1/merchants``: those who trade, and at which sites. Personal data is masked."""

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

router = APIRouter(prefix="/api/v1/merchants", tags=["Parties"], dependencies=MAY_READ)

LIST: Final = """
SELECT c.merchant_code, c.name, c.credit_code, c.status, c.contact_name, c.phone_masked AS phone,
       c.identity_masked AS identity_no
FROM merchants AS c
WHERE (%(after)s::text IS NULL OR c.merchant_code > %(after)s)
  AND (%(status)s::text IS NULL OR c.status = %(status)s)
  AND (%(site_no)s::text IS NULL OR c.merchant_id IN (
       SELECT x.merchant_id FROM site_merchants AS x JOIN sites AS s USING (site_id) WHERE s.site_no = %(site_no)s))
ORDER BY c.merchant_code LIMIT %(rows)s
"""
DETAIL: Final = """
SELECT c.merchant_code, c.name, c.credit_code, c.status, c.contact_name, c.phone_masked AS phone,
       c.identity_masked AS identity_no, c.created_at, c.updated_at,
       (SELECT count(*) FROM devices AS d WHERE d.merchant_id = c.merchant_id) AS devices
FROM merchants AS c WHERE c.merchant_code = %(merchant_code)s
"""
MEMBERSHIPS: Final = """
SELECT s.site_no, s.name_zh, nullif(x.stall_no, '') AS stall_no
FROM merchants AS c JOIN site_merchants AS x USING (merchant_id) JOIN sites AS s USING (site_id)
WHERE c.merchant_code = %(merchant_code)s ORDER BY s.site_no, x.stall_no
"""

Status = Literal["active", "suspended"]


class MerchantQuery(PageQuery):
    """Which merchants."""

    site_no: Text | None = Field(None, description="Members of this site.", examples=["410100001"])
    status: Status | None = Field(None, description="Of this status.")


class MerchantLine(BaseModel):
    """A merchant in the list."""

    merchant_code: str = Field(examples=["4101000010001"])
    name: str = Field(examples=["张记鲜肉"])
    credit_code: str | None
    status: Status
    contact_name: str | None
    phone: str | None = Field(description=MASKED, examples=["138****5678"])
    identity_no: str | None = Field(description=MASKED, examples=["4101**********1234"])


class MerchantPage(BaseModel):
    """Merchants in the order of their codes."""

    items: list[MerchantLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")


class Membership(BaseModel):
    """A site at which a merchant trades."""

    site_no: str
    name_zh: str
    stall_no: str | None


class Merchant(MerchantLine):
    """A merchant, who registers once and trades at many sites."""

    sites: list[Membership]
    devices: int = Field(description="devices that are the merchant's")
    created_at: datetime
    updated_at: datetime


@router.get("", summary="List merchants", responses=documented(BAD_CURSOR))
async def list_merchants(database: DatabaseDep, query: Annotated[MerchantQuery, Query()]) -> MerchantPage:
    """Merchants (商户) in the order of their codes."""
    rows, cursor = await read_page(database, LIST, query, route="merchants", key="merchant_code")
    return MerchantPage(items=[MerchantLine.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/{merchant_code}", summary="One merchant", responses=documented(UNKNOWN_ENTRY))
async def get_merchant(
    database: DatabaseDep,
    merchant_code: Annotated[Text, Path(description="Code of the merchant.", examples=["4101000010001"])],
) -> Merchant:
    """The merchant, the sites it is a member of, and how many devices it has."""
    named = {"merchant_code": merchant_code}
    row = await database.fetch_one(DETAIL, named)
    if row is None:
        raise ProblemError(UNKNOWN_ENTRY, f"No merchant has the code {merchant_code!r}.")
    return Merchant.model_validate({**row, "sites": await database.fetch(MEMBERSHIPS, named)})
