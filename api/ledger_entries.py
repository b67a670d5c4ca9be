"""``/api/v1/ledger/{noun}``: the entries of any part of the ledger as its sheets show them, page by page."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api import cursors
from api.callers import MAY_READ
from api.database import DatabaseDep
from api.keyset import PageQuery
from api.ledger_sheets import NounPath, noun_of
from api.problems import BAD_CURSOR, NO_ROUTE, ProblemError, documented
from fleet.ledger.cells import CellError
from fleet.ledger.columns import Ledger
from fleet.ledger.entries import PAGE
from fleet.ledger.nouns import LEDGERS

router = APIRouter(prefix="/api/v1/ledger", tags=["Sheets"], dependencies=MAY_READ)

_LONGEST_KEY: Final = 4


class EntryPosition(BaseModel):
    """Where a page ended: the columns of the key as text."""

    key: list[str] = Field(min_length=1, max_length=_LONGEST_KEY)


class EntryPage(BaseModel):
    """Entries in the order of their keys, each with every column of the sheet under its English name."""

    items: list[dict[str, str | int | float | bool | Decimal | date | None]]
    next_cursor: str | None = Field(description="for the next page; null on the last")


@router.get("/{noun}", summary="List entries of the ledger", responses=documented(NO_ROUTE, BAD_CURSOR))
async def list_entries(database: DatabaseDep, noun: NounPath, query: Annotated[PageQuery, Query()]) -> EntryPage:
    """Entries as an export has them. Personal data is masked; amounts of money are text, to the fen."""
    wanted = noun_of(noun)
    key = LEDGERS[wanted].key
    of = ("ledger", wanted)
    after = _position(query.cursor, LEDGERS[wanted], of) if query.cursor else [None] * len(key)
    positions = {f"after_{place}": value for place, value in enumerate(after)}
    rows = await database.fetch(PAGE[wanted], {**positions, "rows": query.limit + 1})
    page = rows[: query.limit]
    more = len(rows) > query.limit
    last = [str(page[-1][name]) for name in key] if more else []
    cursor = cursors.seal(EntryPosition(key=last), of=of) if more else None
    return EntryPage.model_validate({"items": page, "next_cursor": cursor})


def _position(cursor: str, ledger: Ledger, of: tuple[str, ...]) -> list[object]:
    """The values of the key, each read as a sheet's would be."""
    key = cursors.unseal(cursor, EntryPosition, of=of).key
    try:
        return [ledger.column(name).read(text) for name, text in zip(ledger.key, key, strict=True)]
    except (CellError, ValueError):
        raise ProblemError(BAD_CURSOR, "The cursor names no entry.") from None
