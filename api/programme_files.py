"""``/api/v1/programmes/{programme_no}/export.csv`` and ``.xlsx``: figures and devices for the reporting line."""

import asyncio
import tempfile
from datetime import date
from typing import IO, Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from psycopg import Connection
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from api.callers import MAY_READ
from api.ledger_desk import DeskDep
from api.ledger_sheets import attachment, sent
from api.programme_asked import READS, DayQuery, ProgrammeNo, on_day
from fleet.ledger.export import MEDIA_TYPES, FileFormat
from fleet.ledger.workbook import Language
from fleet.programmes.export import export
from fleet.programmes.programme import Programme

router = APIRouter(prefix="/api/v1/programmes", tags=["Programmes"])


class ExportQuery(DayQuery):
    """Of which day, in which language."""

    language: Language = Field("zh", description="of headers and words")


_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, as an attachment.",
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()},
    }
}


def _export(form: FileFormat) -> None:
    async def exported(
        request: Request, programme_no: ProgrammeNo, desk: DeskDep, query: Annotated[ExportQuery, Query()]
    ) -> StreamingResponse:
        def work(connection: Connection[Any], programme: Programme, day: date) -> IO[bytes]:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
            try:
                export(connection, programme, day, file, form=form, language=query.language)
            except BaseException:
                file.close()
                raise
            return file

        slots: asyncio.Semaphore = request.app.state.exports
        async with slots:
            file = await desk.read(on_day(programme_no, query.on, work))
        size = file.seek(0, 2)
        file.seek(0)
        headers = attachment(f"{programme_no}.{form}") | {"Content-Length": str(size)}
        return StreamingResponse(sent(file), headers=headers, media_type=MEDIA_TYPES[form])

    router.add_api_route(
        f"/{{programme_no}}/export.{form}",
        exported,
        name=f"export_{form}",
        summary=f"Export figures and devices as {form.upper()}",
        description="Of any day; the same day gives the same file, whenever it is made.",
        response_class=Response,
        responses=_FILES | READS,
        dependencies=MAY_READ,
    )


for _form in MEDIA_TYPES:
    _export(_form)
