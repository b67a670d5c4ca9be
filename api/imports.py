"""``POST /api/v1/ledger/{noun}/import``: a spreadsheet into the ledger; by default it is only said what it would do."""

import asyncio
import dataclasses
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.body import BodiesDep
from api.callers import Caller, CallerDep, require
from api.ledger_desk import ActorDep, DeskDep
from api.ledger_sheets import NounPath, noun_of
from api.parameters import Reason
from api.problems import (
    BUSY,
    FORBIDDEN,
    MEDIA_TYPE,
    NO_ROUTE,
    OF_BODIES,
    OF_CHANGES,
    UNREADABLE,
    UNSUPPORTED_MEDIA,
    ProblemError,
    documented,
)
from api.rim import SHEET_BYTES_MAX
from fleet.errors import SheetError
from fleet.ledger.export import MEDIA_TYPES
from fleet.ledger.imports import import_rows
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun, Report
from fleet.ledger.rows import names_personal
from fleet.ledger.sheet import read_sheet
from fleet.ledger.table import Sheet

router = APIRouter(prefix="/api/v1/ledger", tags=["Sheets"], dependencies=[Depends(require("operator", "fleet_admin"))])

# Each holds a whole sheet, and one of them the ledger.
IMPORTS_AT_ONCE: Final = 2
_MEDIA: Final = frozenset(media.partition(";")[0] for media in MEDIA_TYPES.values())
_BAD_ROWS: Final = 422
# What OpenAPI is told besides of a route that answers a report: when its rows are wrong, that is the answer as well.
OR_REPORT: Final[dict[str, Any]] = {
    "responses": {
        str(_BAD_ROWS): {
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Report"}},
                MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
            }
        }
    }
}
_REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"The file as it is, at most {SHEET_BYTES_MAX} bytes. Its first row is the header.",
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in sorted(_MEDIA)},
    }
}


class ImportQuery(BaseModel):
    """Whether it is meant."""

    model_config = ConfigDict(extra="forbid")

    apply: bool = Field(False, description="Write it. Without this, it is only said what would be done.")
    reason: Reason | None = Field(None, description="Why; the audit keeps it.", examples=["年度盘点"])


@router.post(
    "/{noun}/import",
    summary="Import a sheet",
    openapi_extra=_REQUEST | OR_REPORT,
    responses=documented(*OF_BODIES, FORBIDDEN, NO_ROUTE, BUSY, besides=OF_CHANGES),
    response_model=Report,
)
async def import_entries(
    request: Request,
    noun: NounPath,
    query: Annotated[ImportQuery, Query()],
    bodies: BodiesDep,
    desk: DeskDep,
    actor: ActorDep,
    caller: CallerDep,
) -> Response:
    """What a sheet creates, changes field by field and leaves alone, with every error and warning of every row.

    Sheets with personal columns are for fleet administrators alone: what they would change tells what is held.

    All rows or none. An empty cell changes nothing, and applying a sheet twice changes nothing the second time.
    When rows are wrong, the answer is 422 with the report as `application/json`: nothing was written.
    """
    wanted = noun_of(noun)
    _require_media(request)
    slots: asyncio.Semaphore = request.app.state.imports
    if slots.locked():
        raise ProblemError(BUSY, f"{IMPORTS_AT_ONCE} imports are under way.")
    async with slots:
        sheet = await _sheet(await bodies.receive(request, at_most=SHEET_BYTES_MAX))
        guard_personal(caller, sheet, wanted)

        def work(connection: Connection[Any]) -> Report:
            return import_rows(connection, wanted, sheet, apply=query.apply, keys=desk.keys)

        report = await (desk.change(actor, work, reason=query.reason or "") if query.apply else desk.read(work))
        return await asyncio.to_thread(answer, report)


def guard_personal(caller: Caller, sheet: Sheet, noun: Noun) -> None:
    """Refuse *sheet* to who may not know the personal data that comparing it would tell. Raises ProblemError."""
    if names_personal(sheet, LEDGERS[noun]) and not caller.has("fleet_admin"):
        raise ProblemError(FORBIDDEN, "Personal columns need the role fleet_admin.")


def slots() -> asyncio.Semaphore:
    """As many imports at once as the application takes."""
    return asyncio.Semaphore(IMPORTS_AT_ONCE)


def answer(report: Report, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The answer that holds *report*: 422 when it has errors, else *status*."""
    return Response(
        orjson.dumps(dataclasses.asdict(report), default=str),
        status_code=status if report.is_good else _BAD_ROWS,
        headers=headers if report.is_good else None,
        media_type="application/json",
    )


async def _sheet(content: bytes) -> Sheet:
    try:
        return await asyncio.to_thread(read_sheet, content)
    except SheetError as error:
        raise ProblemError(UNREADABLE, f"{str(error)[:1].upper()}{str(error)[1:]}") from error


def _require_media(request: Request) -> None:
    """The media type is also what keeps a page of another origin from posting."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in _MEDIA or request.headers.get("content-encoding"):
        raise ProblemError(UNSUPPORTED_MEDIA, f"Only {' or '.join(sorted(_MEDIA))} is read here, and not packed.")
