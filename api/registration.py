"""``POST /api/v1/devices`` and ``PATCH /api/v1/devices/{device_no}``: one device, through the rules of the sheets."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, RootModel, StrictBool, StrictFloat, StrictInt, StrictStr
from starlette.responses import Response

from api.body import BodiesDep, described
from api.callers import Caller, CallerDep, require
from api.imports import OR_REPORT, answer, guard_personal
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import DeviceNo, Reason
from api.problems import (
    FORBIDDEN,
    OF_BODIES,
    OF_CHANGES,
    RULE_BROKEN,
    UNKNOWN_ENTRY,
    ProblemError,
    documented,
)
from fleet.errors import RefusedError
from fleet.ledger.registering import amend, register, sheet_of
from fleet.ledger.report import Report

router = APIRouter(
    prefix="/api/v1/devices", tags=["Devices"], dependencies=[Depends(require("operator", "fleet_admin"))]
)

_CREATED: Final = 201
_MOST_COLUMNS: Final = 256
_KINDS: Final = (*OF_BODIES, FORBIDDEN)

Cell = StrictStr | StrictBool | StrictInt | StrictFloat


class NewDevice(RootModel[dict[str, Cell]]):
    """Columns of the sheet of devices by their names; codes and numbers of things as text."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "device_no": "TD-410100-TH-000777-6",
                "model_no": "SL-TH20",
                "site_no": "410100001",
                "acquired_on": "2026-11-01",
            }
        }
    )

    root: dict[str, Cell] = Field(min_length=1, max_length=_MOST_COLUMNS)


class DeviceChange(RootModel[dict[str, Cell | None]]):
    """Columns that get another value; null empties one. What is not named stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"custodian": "王强", "seal_no": None}})

    root: dict[str, Cell | None] = Field(min_length=1, max_length=_MOST_COLUMNS)


class WhyQuery(BaseModel):
    """Why it is done."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = Field(None, description="Why; the audit keeps it.", examples=["新到货"])


@router.post(
    "",
    summary="Register a device",
    status_code=_CREATED,
    openapi_extra=described(NewDevice) | OR_REPORT,
    responses=documented(*_KINDS, besides=[kind for kind in OF_CHANGES if kind is not UNKNOWN_ENTRY]),
    response_model=Report,
)
async def register_device(
    request: Request,
    query: Annotated[WhyQuery, Query()],
    bodies: BodiesDep,
    desk: DeskDep,
    actor: ActorDep,
    caller: CallerDep,
) -> Response:
    """Enter one device, as an import of one row would. The answer is the report of that.

    When something is wrong with it, the answer is 422 with the report as `application/json`: nothing was written.
    """
    given = (await bodies.read(request, NewDevice)).root
    cells = {name: _written(value) for name, value in given.items()}
    _guard_personal(caller, cells)
    report = await desk.change(
        actor,
        lambda connection: register(connection, "devices", cells, keys=desk.keys),
        reason=query.reason or "",
    )
    # As the ledger has it: the key may have come under another header.
    number = quote(report.created[0], safe="") if report.created else ""
    return answer(report, status=_CREATED, headers={"Location": f"/api/v1/devices/{number}"})


@router.patch(
    "/{device_no}",
    summary="Change a device",
    openapi_extra=described(DeviceChange) | OR_REPORT,
    responses=documented(*_KINDS, besides=OF_CHANGES),
    response_model=Report,
)
async def change_device(
    request: Request,
    device_no: DeviceNo,
    query: Annotated[WhyQuery, Query()],
    bodies: BodiesDep,
    desk: DeskDep,
    actor: ActorDep,
    caller: CallerDep,
) -> Response:
    """Change fields of one device, as an import of one row would. The answer is the report of that.

    When something is wrong with it, the answer is 422 with the report as `application/json`: nothing was written.
    """
    given = (await bodies.read(request, DeviceChange)).root
    cells = {name: None if value is None else _written(value) for name, value in given.items()}
    _guard_personal(caller, dict.fromkeys(cells, ""))
    report = await desk.change(
        actor,
        lambda connection: amend(connection, "devices", device_no, cells, keys=desk.keys),
        reason=query.reason or "",
    )
    return answer(report)


def _guard_personal(caller: Caller, cells: Mapping[str, str]) -> None:
    try:
        sheet = sheet_of(cells)
    except RefusedError as error:
        raise ProblemError(RULE_BROKEN, str(error)) from error
    guard_personal(caller, sheet, "devices")


def _written(value: Cell) -> str:
    """As a sheet would show it: no exponent, and true and false as its words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)
