"""``POST /api/v1/dead-letters/replay``: dead letters once more on the way of every message, a bounded number a request.

The work is ingest's, the same as that of `tracefleet dead-letters replay`; here each step takes its turn among the
telemetry that comes over HTTP.
"""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Request
from psycopg import AsyncConnection
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api import cursors
from api.body import BodiesDep, described
from api.callers import require
from api.database import Database, DatabaseDep
from api.parameters import CURSOR_HELP, DEVICE_NO_PATTERN, Cursor
from api.problems import BAD_CURSOR, BUSY, NOT_WRITTEN, OF_BODIES, ProblemError, documented
from api.resolution import StreamName
from api.writers import Work, Writers, WritersDep
from ingest.metrics import Metrics
from ingest.quarantine import COUNT, NO_END, Choice
from ingest.refusal import Reason
from ingest.replay import LETTERS_MAX, REFUSALS_MAX, Replayed, Step, replay_some, waiting

router = APIRouter(prefix="/api/v1/dead-letters", tags=["Dead letters"])

IDS_MAX: Final = 1000
LIMIT_MAX: Final = 10_000
# No step begins later than this; one takes a second or two, and most clients wait half a minute.
WITHIN_SECONDS: Final = 8.0

LetterId = Annotated[int, Field(ge=1, le=NO_END)]


class ReplayRequest(BaseModel):
    """Which dead letters are sent the way of every message again. Criteria narrow each other; one at least is given.

    Those that were `crashed` have ended a process before and may do so again: only `ids` or `reason` bring them.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"reason": "unknown_device"}})

    ids: list[LetterId] | None = Field(None, min_length=1, max_length=IDS_MAX, description="These.")
    reason: Reason | None = Field(None, description="Refused for this reason.")
    device_no: str | None = Field(None, pattern=DEVICE_NO_PATTERN, description="Of the device with this number.")
    stream: StreamName | None = Field(None, description="Of this stream.")
    everything: bool = Field(False, description="Every one that waits, in place of other criteria.")
    limit: int = Field(1000, ge=1, le=LIMIT_MAX, description="Letters that this request takes up at most.")
    cursor: Cursor | None = Field(None, description=CURSOR_HELP)

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        named = any(value is not None for value in (self.ids, self.reason, self.device_no, self.stream))
        if named == self.everything:
            raise ValueError("say which: ids, reason, device_no, stream, or everything")
        return self

    @property
    def choice(self) -> Choice:
        """Of those that wait."""
        return waiting(ids=self.ids, reason=self.reason, device_no=self.device_no, stream=self.stream)

    @property
    def of(self) -> tuple[str, ...]:
        """What a cursor is cut from."""
        shared = self.model_dump(exclude={"cursor", "limit"}, exclude_none=True)
        return ("replay", *(f"{name}={value}" for name, value in shared.items()))


class ReplayPosition(BaseModel):
    """Where a request ended, and the last letter that was here at the first one: what comes later is not meant."""

    after: int = Field(ge=0, le=NO_END)
    through: int = Field(ge=0, le=NO_END)


class RefusedAgain(BaseModel):
    """A letter that still cannot be stored. It goes on waiting."""

    dead_letter_id: int = Field(examples=[17])
    reason: Reason = Field(description="that holds now")
    detail: str = Field(description="for people: where it is wrong and what was expected")


class ReplayReceipt(BaseModel):
    """What a replay brought. It is committed: nothing of it needs to be asked for again."""

    letters: int = Field(description="taken up by this request: those that waited, and only they")
    stored: int = Field(description="records that are telemetry now")
    duplicate: int = Field(description="records that had been stored before")
    conflict: int = Field(description="records whose identity had been stored with another body: kept as evidence")
    dead_lettered: int = Field(description="records out of whole messages that have a dead letter of their own now")
    refused_again: int = Field(description="letters that still cannot be stored, and go on waiting")
    refusals: list[RefusedAgain] = Field(description=f"the first {REFUSALS_MAX} of them")
    left: int = Field(description="letters that were meant, and that this request did not come to")
    next_cursor: str | None = Field(description="for those that are left; null when there are none")


@router.post(
    "/replay",
    summary="Replay dead letters",
    responses=documented(*OF_BODIES, BAD_CURSOR, BUSY, NOT_WRITTEN),
    openapi_extra=described(ReplayRequest),
    dependencies=[Depends(require("operator", "fleet_admin"))],
)
async def post_replay(request: Request, bodies: BodiesDep, database: DatabaseDep, writers: WritersDep) -> ReplayReceipt:
    """Send dead letters that wait the way of every message again, and answer after the commit.

    What can be stored now gets the time at which it came; what cannot goes on waiting, with the reason that holds now.
    Asking again does nothing twice: what was replayed does not wait any more. A request takes up `limit` letters at
    most and works some seconds at most; `left` says how many it did not come to, and `next_cursor` goes on there.
    """
    return await take_up(await bodies.read(request, ReplayRequest), database, writers)


async def take_up(asked: ReplayRequest, database: Database, writers: Writers) -> ReplayReceipt:
    """What the replay that is *asked* for brought, committed. Raises ProblemError."""
    if asked.cursor is None:
        [row] = await database.fetch(COUNT, asked.choice.within())
        position = ReplayPosition(after=0, through=row["through"])
    else:
        position = cursors.unseal(asked.cursor, ReplayPosition, of=asked.of)
    done, position = await _replay(writers, asked, position)
    # By the readers: no queue may say "nothing was stored" of what is.
    [row] = await database.fetch(COUNT, asked.choice.within(after=position.after, through=position.through))
    left: int = row["letters"]
    next_cursor = cursors.seal(position, of=asked.of) if left else None
    return ReplayReceipt.model_validate({**asdict(done), "left": left, "next_cursor": next_cursor})


async def _replay(writers: Writers, asked: ReplayRequest, position: ReplayPosition) -> tuple[Replayed, ReplayPosition]:
    """Steps until the letters, the limit or the time are at their end, and where that was."""
    began = time.monotonic()
    done = Replayed()
    while done.letters < asked.limit and time.monotonic() - began < WITHIN_SECONDS:
        limit = min(LETTERS_MAX, asked.limit - done.letters)
        try:
            step = await writers.run(_step(asked.choice, position, limit, writers.metrics))
        except ProblemError as problem:
            if problem.kind is BUSY and done.letters:
                break
            raise
        if step is None:
            break
        done.add(step.done)
        position = ReplayPosition(after=step.through, through=position.through)
    return done, position


def _step(choice: Choice, position: ReplayPosition, limit: int, metrics: Metrics) -> Work[Step | None]:
    """One transaction, counted under the names that MQTT's are."""

    async def work(connection: AsyncConnection[Any]) -> Step | None:
        started = time.monotonic()
        step = await replay_some(connection, choice, after=position.after, through=position.through, limit=limit)
        if step is not None:
            # That a letter waited for weeks says nothing of how late ingest is.
            step.account.newest_ats.clear()
            metrics.committed(step.account, seconds=time.monotonic() - started, now=datetime.now(UTC))
        return step

    return work
