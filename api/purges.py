"""``POST /api/v1/dead-letters/purge``: deletes dead letters that came long ago, a bounded number a request."""

import time
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import require
from api.database import DatabaseDep
from api.problems import BUSY, NOT_WRITTEN, OF_BODIES, ProblemError, documented
from api.writers import Writers, WritersDep
from ingest.quarantine import BEFORE, COUNT_OLDER, OLDEST_DAYS, purge_some
from ingest.refusal import Reason

router = APIRouter(prefix="/api/v1/dead-letters", tags=["Dead letters"])

# No chunk begins later than this.
WITHIN_SECONDS: Final = 8.0


class PurgeRequest(BaseModel):
    """Which dead letters are deleted for good."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"older_than_days": 90, "apply": False}})

    older_than_days: int = Field(
        ge=0, le=OLDEST_DAYS, description="Those that came longer ago, whether they wait or not."
    )
    reason: Reason | None = Field(None, description="Only those refused for this reason.")
    apply: bool = Field(False, description="Delete them; without it, they are only counted. It cannot be undone.")


class PurgeReceipt(BaseModel):
    """What was deleted, or would be."""

    applied: bool = Field(description="false: nothing was deleted")
    received_before: datetime = Field(description="what came before this instant was meant")
    deleted: int
    left: int = Field(description="letters that were meant and are still here; ask again, unless a replay holds them")


@router.post(
    "/purge",
    summary="Delete dead letters",
    responses=documented(*OF_BODIES, BUSY, NOT_WRITTEN),
    openapi_extra=described(PurgeRequest),
    dependencies=[Depends(require("operator", "fleet_admin"))],
)
async def post_purge(request: Request, bodies: BodiesDep, database: DatabaseDep, writers: WritersDep) -> PurgeReceipt:
    """Delete dead letters that came long ago, for good; without `apply`, only say how many that would be.

    A request works some seconds at most; `left` says how many it did not come to.
    """
    asked = await bodies.read(request, PurgeRequest)
    older_than = timedelta(days=asked.older_than_days)
    [row] = await database.fetch(BEFORE, {"older_than": older_than})
    before: datetime = row["before"]
    deleted = await _delete(writers, before, asked.reason) if asked.apply else 0
    [row] = await database.fetch(COUNT_OLDER, {"before": before, "reason": asked.reason})
    return PurgeReceipt(applied=asked.apply, received_before=before, deleted=deleted, left=row["letters"])


async def _delete(writers: Writers, before: datetime, reason: Reason | None) -> int:
    """Chunks until nothing or no time is left; how many letters are gone."""
    began = time.monotonic()
    deleted = 0
    while time.monotonic() - began < WITHIN_SECONDS:
        try:
            gone = await writers.run(partial(purge_some, before=before, reason=reason))
        except ProblemError as problem:
            if problem.kind is BUSY and deleted:
                break
            raise
        if not gone:
            break
        deleted += gone
    return deleted
