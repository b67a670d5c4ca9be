"""Labels of devices over HTTP, and the page that their codes lead to."""

import asyncio
import re
from html import escape
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import HTMLResponse, Response

from api.callers import MAY_READ, PUBLIC
from api.database import DatabaseDep
from api.device import unknown
from api.device_filters import DeviceFilters, choose
from api.html import page, table
from api.ledger_desk import Desk, DeskDep
from api.parameters import DEVICE_NO_PATTERN, DeviceNo
from api.problems import RULE_BROKEN, UNKNOWN_DEVICE, ProblemError, documented
from fleet.labels import pdf, svg
from fleet.labels.label import PAGE_PATH, Label, read_labels
from fleet.lifecycle.states import NAMES, State

router = APIRouter(prefix="/api/v1", tags=["Devices"], dependencies=MAY_READ)
pages = APIRouter(include_in_schema=False, dependencies=PUBLIC)

# Five hundred pages.
MOST_LABELS: Final = 12_000
NOT_FOUND: Final = 404

SHOWN: Final = """
SELECT d.device_no, k.name_zh AS kind_zh, k.name_en AS kind_en, s.name_zh AS site_zh, s.name_en AS site_en, d.stall_no,
       d.state, p.last_heard_at
FROM devices AS d JOIN models AS m USING (model_id) JOIN kinds AS k ON k.kind = m.kind JOIN sites AS s USING (site_id)
LEFT JOIN device_presence AS p USING (device_id)
WHERE d.device_no = %(device_no)s
"""
_PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {pdf.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}
_SVG: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {svg.MEDIA_TYPE: {"schema": {"type": "string"}}}}}


class LabelQuery(DeviceFilters):
    """Which devices, and in which form."""

    form: Literal["pdf", "svg"] = Field("pdf", alias="format", description="PDF, or all pages in one SVG.")


@router.get("/labels", summary="Sheet of labels", response_class=Response, responses=_PDF | documented(RULE_BROKEN))
async def sheet(request: Request, desk: DeskDep, query: Annotated[LabelQuery, Query()]) -> Response:
    """QR labels of the devices that the filters choose, 24 on A4, site by site; nothing personal stands on them."""
    found = await desk.read(
        lambda connection: read_labels(connection, choose(connection, query), limit=MOST_LABELS + 1)
    )
    if len(found) > MOST_LABELS:
        raise ProblemError(RULE_BROKEN, f"More than {MOST_LABELS} labels are no sheet: choose fewer devices.")
    public_url: str = request.app.state.settings.public_url
    if query.form == "svg":
        drawn = await asyncio.to_thread(svg.sheet_svg, found, public_url)
        return Response(drawn, media_type=svg.MEDIA_TYPE, headers=_named("labels.svg"))
    printed = await asyncio.to_thread(pdf.sheet_pdf, found, public_url)
    return Response(printed, media_type=pdf.MEDIA_TYPE, headers=_named("labels.pdf"))


@router.get(
    "/devices/{device_no}/label",
    summary="Label of a device",
    response_class=Response,
    responses=_SVG | documented(UNKNOWN_DEVICE),
)
async def label(request: Request, desk: DeskDep, device_no: DeviceNo) -> Response:
    """Its QR label as SVG."""
    [found] = await _labels(desk, device_no)
    return Response(svg.label_svg(found, request.app.state.settings.public_url), media_type=svg.MEDIA_TYPE)


@pages.get(PAGE_PATH + "{device_no}")
async def behind_the_code(device_no: str, database: DatabaseDep) -> HTMLResponse:
    """What whoever holds the device may know: what it is, where it belongs, whether it is heard."""
    # A text with a NUL is none that the database could be asked for.
    is_number = re.fullmatch(DEVICE_NO_PATTERN, device_no) is not None
    row = await database.fetch_one(SHOWN, {"device_no": device_no}) if is_number else None
    if row is None:
        nothing = page("设备 Device", "<h1>没有这台设备 No such device</h1><p>请核对标签 Check the label.</p>")
        nothing.status_code = NOT_FOUND
        return nothing
    heard = f"{row['last_heard_at']:%Y-%m-%d %H:%M} UTC" if row["last_heard_at"] else "从未 never"
    rows = [
        ["类型 Kind", f"{row['kind_zh']} {row['kind_en']}"],
        ["节点 Site", f"{row['site_zh']} {row['site_en']}"],
        ["摊位 Stall", row["stall_no"] or ""],
        ["状态 State", _state(row["state"])],
        ["最近收到 Last heard", heard],
    ]
    told = table(["", ""], [[escape(cell) for cell in line] for line in rows])
    return page(row["device_no"], f"<h1>{escape(row['device_no'])}</h1>{told}")


def _state(state: State) -> str:
    return " ".join(NAMES[state])


async def _labels(desk: Desk, device_no: str) -> list[Label]:
    found = await desk.read(lambda connection: read_labels(connection, [device_no], limit=1, retired=True))
    if not found:
        raise unknown(device_no)
    return found


def _named(file: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{file}"'}
