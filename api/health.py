"""``/livez``, ``/readyz`` and ``/metrics``: what supervisors and Prometheus ask."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from api import readiness
from api.callers import PUBLIC
from api.database import DatabaseDep
from api.metrics import CONTENT_TYPE, Metrics
from api.problems import RETRY_AFTER_SECONDS
from api.readiness import Readiness
from store.settings import Settings

router = APIRouter(tags=["Health"], dependencies=PUBLIC)
NOT_READY = 503


class Alive(BaseModel):
    """The process runs."""

    alive: bool = Field(examples=[True])


@router.get("/livez", summary="Whether the process runs")
async def livez() -> Alive:
    """200 while the process runs, whatever else is wrong: restarting it would mend nothing."""
    return Alive(alive=True)


@router.get(
    "/readyz",
    summary="Whether the system does its work",
    responses={NOT_READY: {"model": Readiness, "description": "A part is not in order; its `reason` says why."}},
)
async def readyz(request: Request, response: Response, database: DatabaseDep) -> Readiness:
    """Database, schema, broker and ingest, each with its reason. 503, in the same shape, when one is not in order."""
    settings: Settings = request.app.state.settings
    found = await readiness.check(database, settings)
    if not found.ready:
        response.status_code = NOT_READY
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return found


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text."}},
)
async def metrics(request: Request) -> Response:
    """What the API counts of itself. Ingest and fleet serve their own."""
    counted: Metrics = request.app.state.metrics
    return Response(counted.render(), media_type=CONTENT_TYPE)
