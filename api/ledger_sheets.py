"""``/api/v1/ledger/{noun}/export`` and ``…/template``: the ledger as spreadsheets, to work on and to import again."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from api.callers import MAY_READ
from api.device_filters import DeviceFilters, choose
from api.ledger_desk import Desk, DeskDep
from api.problems import NO_ROUTE, RULE_BROKEN, ProblemError, documented
from fleet.ledger.export import MEDIA_TYPES, FileFormat, export
from fleet.ledger.nouns import LEDGERS
from fleet.ledger.report import Noun
from fleet.ledger.template import template
from fleet.ledger.workbook import Language

router = APIRouter(prefix="/api/v1/ledger", tags=["Sheets"], dependencies=MAY_READ)

# Each takes a connection of the desk as long as it is gathered, and changes have to find one, too.
EXPORTS_AT_ONCE: Final = 2
_CHUNK_BYTES: Final = 256 * 1024
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, as an attachment.",
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()},
    }
}

NounPath = Annotated[str, Path(description=f"Which part of the ledger: {', '.join(LEDGERS)}.", examples=["sites"])]


class TemplateQuery(BaseModel):
    """In which language."""

    model_config = ConfigDict(extra="forbid")

    language: Language = Field("zh", description="Of the headers. An import knows both.")


class ExportQuery(TemplateQuery):
    """In which form."""

    form: FileFormat = Field("csv", alias="format", description="CSV in UTF-8, or a workbook.")


class DeviceExportQuery(ExportQuery, DeviceFilters):
    """Which devices, and in which form."""


def slots() -> asyncio.Semaphore:
    """As many exports at once as the application gathers."""
    return asyncio.Semaphore(EXPORTS_AT_ONCE)


@router.get(
    "/devices/export",
    summary="Export devices",
    response_class=Response,
    responses=_FILES | documented(RULE_BROKEN),
)
async def export_devices(
    request: Request, desk: DeskDep, query: Annotated[DeviceExportQuery, Query()]
) -> StreamingResponse:
    """The devices that the filters choose, with all their columns, in the order of their numbers.

    Personal data is masked. An import of the file, with nothing changed in it, changes nothing.
    """
    return await _exported(request, desk, "devices", query, lambda connection: choose(connection, query))


@router.get(
    "/{noun}/export",
    summary="Export a part of the ledger",
    response_class=Response,
    responses=_FILES | documented(NO_ROUTE, RULE_BROKEN),
)
async def export_entries(
    request: Request, desk: DeskDep, noun: NounPath, query: Annotated[ExportQuery, Query()]
) -> StreamingResponse:
    """All entries with all their columns, in the order of their keys.

    Personal data is masked. An import of the file, with nothing changed in it, changes nothing.
    """
    return await _exported(request, desk, noun_of(noun), query, lambda _: None)


@router.get(
    "/{noun}/template",
    summary="An empty sheet to fill in",
    response_class=Response,
    responses=_FILES | documented(NO_ROUTE),
)
async def export_template(noun: NounPath, query: Annotated[TemplateQuery, Query()]) -> Response:
    """A workbook with the headers, words to choose from, and a second sheet that explains every column."""
    content = await asyncio.to_thread(template, noun_of(noun), query.language)
    return Response(content, headers=attachment(f"{noun}-template.xlsx"), media_type=MEDIA_TYPES["xlsx"])


def noun_of(name: str) -> Noun:
    """The noun of that name. Raises ProblemError for one that the ledger has not."""
    for noun in LEDGERS:
        if noun == name:
            return noun
    raise ProblemError(NO_ROUTE, f"The ledger has no part of that name; it has {', '.join(LEDGERS)}.")


async def _exported(
    request: Request, desk: Desk, noun: Noun, query: ExportQuery, choice: Callable[[Connection[Any]], list[str] | None]
) -> StreamingResponse:
    def gather(connection: Connection[Any]) -> IO[bytes]:
        # On disk, so that the database is let go before the caller has read it, however slowly that is.
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
        try:
            keys = choice(connection)
            export(connection, noun, file, form=query.form, language=query.language, keys=keys)
        except BaseException:
            file.close()
            raise
        return file

    async with request.app.state.exports:
        file = await desk.read(gather)
    size = file.seek(0, 2)
    file.seek(0)
    headers = attachment(f"{noun}.{query.form}") | {"Content-Length": str(size)}
    return StreamingResponse(sent(file), headers=headers, media_type=MEDIA_TYPES[query.form])


def sent(file: IO[bytes]) -> Iterator[bytes]:
    """The content of *file*, which is closed when it is sent."""
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def attachment(name: str) -> dict[str, str]:
    """The headers of a file that a browser saves as *name*."""
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
