"""``/api/v1/dead-letters``: what could not be stored as telemetry, with the reason and the very bytes."""

import base64
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api import cursors
from api.callers import MAY_READ
from api.database import Database, DatabaseDep
from api.ledger import EXAMPLE_LOGGER
from api.parameters import CURSOR_HELP, DEVICE_NO_PATTERN, LIMIT_HELP, Cursor, Instant, Limit
from api.problems import BAD_CURSOR, UNKNOWN_DEAD_LETTER, ProblemError, documented
from api.resolution import StreamName
from ingest.quarantine import BY_REASON, LIST, NO_END, Choice, Order
from ingest.refusal import WHOLE_MESSAGE, Reason

router = APIRouter(prefix="/api/v1/dead-letters", tags=["Dead letters"], dependencies=MAY_READ)

# Above it a payload is not shown within JSON, which would hold it twice and make it longer.
SHOWN_BYTES_MAX: Final = 1_048_576
_WHOLE: Final = 2**31 - 1

DeadLetterId = Annotated[
    int, Path(ge=1, le=NO_END, description="Number of the dead letter, as the list has it.", examples=[17])
]


class DeadLetterQuery(BaseModel):
    """Which dead letters."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = Field(None, description="Refused for this reason.", examples=["unknown_device"])
    device_no: str | None = Field(
        None, pattern=DEVICE_NO_PATTERN, description="Of the device with this number, registered or not."
    )
    stream: StreamName | None = Field(None, description="Of this stream.", examples=["coldchain"])
    replayed: bool | None = Field(
        None, description="`false`: those that wait; `true`: those that were replayed since.", examples=[False]
    )
    since: Instant | None = Field(None, description="Came at this instant or later, RFC 3339 with an offset.")
    until: Instant | None = Field(None, description="Came before this instant.")
    order: Order = Field("desc", description="In the order in which they were kept: the last first, or the first.")
    cursor: Cursor | None = Field(None, description=CURSOR_HELP)
    limit: Limit = Field(50, description=LIMIT_HELP)
    count: bool = Field(False, description="Also count everything that matches, by reason.")

    @property
    def choice(self) -> Choice:
        """What every page of a list shares."""
        return Choice(**self.model_dump(include={"reason", "device_no", "stream", "replayed", "since", "until"}))

    @property
    def of(self) -> tuple[str, ...]:
        """The list that a cursor is cut from."""
        shared = self.model_dump(exclude={"cursor", "limit", "count"}, exclude_none=True)
        return ("dead-letters", *(f"{name}={value}" for name, value in shared.items()))


class DeadLetterPosition(BaseModel):
    """Where a page of dead letters ended."""

    dead_letter_id: int = Field(ge=1, le=NO_END)


class DeadLetterLine(BaseModel):
    """A dead letter in the list."""

    dead_letter_id: int = Field(examples=[17])
    received_at: datetime = Field(description="when it came first; coming again makes no other dead letter")
    reason: Reason = Field(description="why it could not be stored, when that was last tried")
    detail: str = Field(description="for people: where it is wrong and what was expected")
    topic: str = Field(
        description="as it came over MQTT; `http/telemetry` for a line that named no device and stream",
        examples=[f"tracefleet/v1/{EXAMPLE_LOGGER}/coldchain"],
    )
    device_no: str | None = Field(description="where the topic names one", examples=[EXAMPLE_LOGGER])
    stream: str | None = Field(description="where the topic names one", examples=["coldchain"])
    record_index: int | None = Field(
        description="of the record in the message, from 0 on; null: the whole message", examples=[0]
    )
    records: int = Field(description="how many records it stands for", examples=[1])
    replayed_at: datetime | None = Field(description="when a replay stored it; null while it waits")
    payload_bytes: int = Field(description="length of the message that it came in", examples=[184])


class DeadLetter(DeadLetterLine):
    """A dead letter with its message."""

    payload_base64: str | None = Field(
        description=f"the bytes as they came; null above {SHOWN_BYTES_MAX} bytes, which `/payload` gives"
    )
    payload_text: str | None = Field(description="the same as text, where they are UTF-8; else null")


class ReasonCount(BaseModel):
    """The dead letters of one reason."""

    reason: Reason
    letters: int
    records: int = Field(description="for which they stand")
    waiting: int = Field(description="of the letters: not replayed yet")


class DeadLetterPage(BaseModel):
    """Dead letters in the order in which they were kept."""

    items: list[DeadLetterLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")
    by_reason: list[ReasonCount] | None = Field(
        description="with `count=true`: everything that matches, on all pages, the commonest reason first"
    )


@router.get("", summary="List dead letters", responses=documented(BAD_CURSOR))
async def list_dead_letters(database: DatabaseDep, query: Annotated[DeadLetterQuery, Query()]) -> DeadLetterPage:
    """Messages and records that could not be stored, filtered, without their bytes.

    A page stays right while others are kept, replayed or deleted.
    """
    asked = query.choice.within()
    shown = query.choice.within(**_bounds(query))
    rows = await database.fetch(LIST[query.order], {**shown, "head_bytes": 0, "limit": query.limit + 1})
    items = [DeadLetterLine.model_validate(_shown(row)) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    counted = await database.fetch(BY_REASON, asked) if query.count else None
    return DeadLetterPage(
        items=items,
        next_cursor=cursors.seal(DeadLetterPosition(dead_letter_id=items[-1].dead_letter_id), of=query.of)
        if more
        else None,
        by_reason=[ReasonCount.model_validate(row) for row in counted] if counted is not None else None,
    )


@router.get("/{dead_letter_id}", summary="One dead letter", responses=documented(UNKNOWN_DEAD_LETTER))
async def get_dead_letter(database: DatabaseDep, dead_letter_id: DeadLetterId) -> DeadLetter:
    """All that is known of it, and the bytes of its message: as base64, and as text where they are text."""
    row = await _one(database, dead_letter_id, head_bytes=SHOWN_BYTES_MAX)
    payload = bytes(row["payload"]) if row["payload_bytes"] <= SHOWN_BYTES_MAX else None
    return DeadLetter.model_validate(
        _shown(row)
        | {
            "payload_base64": base64.b64encode(payload).decode() if payload is not None else None,
            "payload_text": _text(payload) if payload is not None else None,
        }
    )


@router.get(
    "/{dead_letter_id}/payload",
    summary="The bytes of a dead letter",
    response_class=Response,
    responses={
        **documented(UNKNOWN_DEAD_LETTER),
        200: {
            "description": "The message as it came, whatever it is.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
async def get_payload(database: DatabaseDep, dead_letter_id: DeadLetterId) -> Response:
    """The message as it came, to the byte, as a file to keep: never shown by a browser."""
    row = await _one(database, dead_letter_id, head_bytes=_WHOLE)
    return Response(
        bytes(row["payload"]),
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="dead-letter-{dead_letter_id}.bin"'},
    )


async def _one(database: Database, dead_letter_id: int, *, head_bytes: int) -> DictRow:
    asked = Choice(ids=[dead_letter_id]).within() | {"head_bytes": head_bytes, "limit": 1}
    row = await database.fetch_one(LIST["asc"], asked)
    if row is None:
        raise ProblemError(UNKNOWN_DEAD_LETTER, f"No dead letter has the number {dead_letter_id}.")
    return row


def _bounds(query: DeadLetterQuery) -> dict[str, int]:
    """The ids between which a page lies."""
    if query.cursor is None:
        return {}
    position = cursors.unseal(query.cursor, DeadLetterPosition, of=query.of).dead_letter_id
    return {"after": position} if query.order == "asc" else {"through": position - 1}


def _shown(row: DictRow) -> dict[str, Any]:
    return row | {"record_index": None if row["record_index"] == WHOLE_MESSAGE else row["record_index"]}


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None
