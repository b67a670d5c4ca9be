"""``/api/v1/lifecycle`` and the steps that a device has taken: what may follow what, and what did."""

from datetime import datetime
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.callers import MAY_READ
from api.database import DatabaseDep
from api.device import unknown
from api.parameters import DeviceNo
from api.problems import UNKNOWN_DEVICE, documented
from fleet.lifecycle.states import NAMES, TERMINAL, TRANSITIONS, State

router = APIRouter(tags=["Lifecycle"], dependencies=MAY_READ)

TAKEN: Final = """
SELECT t.from_state, t.to_state, t.at, t.actor, t.reason, t.document, t.cost_fen
FROM devices AS d LEFT JOIN device_transitions AS t USING (device_id)
WHERE d.device_no = %(device_no)s ORDER BY t.transition_id DESC LIMIT 500
"""


class Taken(BaseModel):
    """A step that a device took."""

    from_state: State | None
    to_state: State
    at: datetime
    actor: str
    reason: str | None
    document: str | None
    cost_fen: int | None


class TakenSteps(BaseModel):
    """The steps of a device, the newest first; at most 500."""

    items: list[Taken]


class StateNames(BaseModel):
    """A state, and whether nothing follows it."""

    state: State
    name_zh: str
    name_en: str
    is_terminal: bool


class Arrow(BaseModel):
    """A state that may follow another, and what has to be so."""

    before: State
    after: State
    name_zh: str
    name_en: str
    guards: list[str]
    document: str | None = Field(description="the document it needs, if any")


class Lifecycle(BaseModel):
    """The life of a device, as data."""

    states: list[StateNames]
    transitions: list[Arrow]


@router.get("/api/v1/lifecycle", summary="The states of devices, and what may follow what", responses=documented())
async def lifecycle() -> Lifecycle:
    """The same for every device; guards are asked for each step."""
    return Lifecycle(
        states=[
            StateNames(state=state, name_zh=chinese, name_en=english, is_terminal=state in TERMINAL)
            for state, (chinese, english) in NAMES.items()
        ],
        transitions=[Arrow.model_validate(arrow, from_attributes=True) for arrow in TRANSITIONS],
    )


@router.get(
    "/api/v1/devices/{device_no}/transitions", summary="Steps of a device", responses=documented(UNKNOWN_DEVICE)
)
async def transitions(database: DatabaseDep, device_no: DeviceNo) -> TakenSteps:
    """What states it went through, when, by whom and why."""
    rows = await database.fetch(TAKEN, {"device_no": device_no})
    if not rows:
        raise unknown(device_no)
    return TakenSteps(items=[Taken.model_validate(row) for row in rows if row["to_state"] is not None])
