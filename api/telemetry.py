"""``POST /api/v1/telemetry``: what gateways and ERPs report for their devices, a message a line.

The answer comes after the commit. Everything between the line and the commit is ingest's.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from api import ndjson, reach
from api.body import BodiesDep
from api.callers import CallerDep, require
from api.ingest_stats import Account, StreamAccount
from api.ledger import EXAMPLE_DEVICE
from api.ndjson import LINES_MAX, UNPACKED_BYTES_MAX
from api.problems import (
    BUSY,
    LEDGER_UNKNOWN,
    NOT_MIGRATED,
    NOT_WRITTEN,
    OF_BODIES,
    TOO_LARGE,
    UNREADABLE,
    UNSUPPORTED_MEDIA,
    ProblemError,
    documented,
)
from api.rim import BODY_BYTES_MAX
from api.writers import WritersDep
from ingest import account
from ingest.arrival import Arrival
from ingest.batch import Batch, DeadLetter
from ingest.refusal import WHOLE_MESSAGE, Reason
from ingest.registry import Registry

router = APIRouter(prefix="/api/v1/telemetry", tags=["Ingest"])

MEDIA_TYPE: Final = "application/x-ndjson"
# As many as ingest puts into one transaction: what is more would hold up other requests for seconds.
RECORDS_MAX: Final = 20_000
REFUSALS_MAX: Final = 50
# Those of some numbers of devices that the caller may report for.
Within: TypeAlias = Callable[[AbstractSet[str]], Awaitable[set[str]]]
_CHARSET = re.compile(r';\s*charset="?([^";\s]+)', re.IGNORECASE)


class RefusedRecord(BaseModel):
    """A record, or a whole line, that is no telemetry now; it is kept as a dead letter and can be replayed."""

    line: int = Field(description="number of the line in the body, from 1 on", examples=[2])
    record_index: int | None = Field(
        description="of the record in the message, from 0 on; null: the whole message", examples=[0]
    )
    records: int = Field(description="how many records it stands for", examples=[1])
    reason: Reason = Field(description="one of a closed set", examples=["out_of_range"])
    detail: str = Field(description="for people: where it is wrong and what was expected")
    outcome: Literal["dead_lettered", "duplicate", "not_taken"] = Field(
        description="duplicate: the same bytes had been refused before; not_taken: the caller does not report for that "
        "device, and nothing was kept"
    )


_COUNTS_EXAMPLE: Final = {
    "messages": 2,
    "received": 3,
    "stored": 2,
    "duplicate": 0,
    "conflict": 0,
    "dead_lettered": 1,
    "late": 0,
    "backfilled": 0,
    "clock_ahead": 0,
}
_RECEIPT_EXAMPLE: Final[dict[str, Any]] = {
    "total": _COUNTS_EXAMPLE,
    "streams": [{"stream": "coldchain", **_COUNTS_EXAMPLE}],
    "refusals": [
        {
            "line": 2,
            "record_index": 0,
            "records": 1,
            "reason": "out_of_range",
            "detail": "humidity_pct: Input should be less than or equal to 100",
            "outcome": "dead_lettered",
        }
    ],
    "refusals_left_out": 0,
}


class Receipt(BaseModel):
    """What became of a body. It is committed: nothing of it needs to be sent again."""

    model_config = ConfigDict(json_schema_extra={"example": _RECEIPT_EXAMPLE})

    total: Account
    streams: list[StreamAccount] = Field(description="lines that name no stream are counted as `unknown`")
    refusals: list[RefusedRecord] = Field(description=f"in the order of the lines, the first {REFUSALS_MAX}")
    refusals_left_out: int = Field(description="how many more there were")


_BODY_SCHEMA: Final = {
    "type": "string",
    "description": (
        "One JSON object a line: `device_no`, `stream` (`weighing`, `scan`, `coldchain`, `status`, `presence`) and "
        "`message`, the very object that the device would publish over MQTT. Other members are ignored."
    ),
}
_BODY_EXAMPLE: Final = (
    f'{{"device_no":"{EXAMPLE_DEVICE}","stream":"scan","message":{{"v":1,"boot":"6f1e3e43a0b1c2d3","seq":4711,"records":'
    '[{"at":"2026-11-23T08:00:00Z","code":"41010000100010000001","purpose":"sale","result":"ok"}]}}\n'
    f'{{"device_no":"{EXAMPLE_DEVICE}","stream":"presence","message":{{"v":1,"boot":"6f1e3e43a0b1c2d3","state":"online"}}}}\n'
)
_REQUEST: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Content-Encoding",
            "in": "header",
            "required": False,
            "description": "How the body is packed.",
            "schema": {"type": "string", "enum": ["gzip", "identity"]},
        }
    ],
    "requestBody": {
        "required": True,
        "description": (
            f"At most {BODY_BYTES_MAX} bytes as sent, {UNPACKED_BYTES_MAX} unpacked, {LINES_MAX} lines, "
            f"{RECORDS_MAX} records; a message has at most 262144 bytes and 500 records."
        ),
        "content": {MEDIA_TYPE: {"schema": _BODY_SCHEMA, "example": _BODY_EXAMPLE}},
    },
}


@router.post(
    "",
    summary="Report telemetry",
    responses=documented(*OF_BODIES, BUSY, NOT_WRITTEN, LEDGER_UNKNOWN, besides=[NOT_MIGRATED]),
    openapi_extra=_REQUEST,
    dependencies=[Depends(require("gateway", "operator", "fleet_admin"))],
)
async def post_telemetry(request: Request, bodies: BodiesDep, writers: WritersDep, caller: CallerDep) -> Receipt:
    """Store messages of any number of devices, as if the devices had published them, and answer after the commit.

    The same body may be sent any number of times, at once or after any error: it gives the same rows, and what was
    there before is counted as `duplicate`. A line or a record that cannot be stored costs its neighbours nothing: it
    is kept as a dead letter with its bytes, is told in `refusals`, and the answer is 200 all the same.

    A caller of some regions and sites reports for devices there. A line of another one is told as `not_taken`: it is
    in no count and kept nowhere, since a replay would store it in that device's name.
    """
    is_packed = _is_packed(request)
    body = await bodies.receive(request)
    within = None if caller.scope.is_everywhere else partial(reach.devices_within, request, caller.scope)
    delivery = Delivery(body, is_packed=is_packed, within=within)
    entered = await writers.store(delivery.fill)
    writers.metrics.unknown_fields.inc(delivery.unknown_fields)
    return delivery.receipt(entered)


class Delivery:
    """The body of one request on its way, and from which line each message of the batch came."""

    def __init__(self, body: bytes, *, is_packed: bool, within: Within | None = None) -> None:
        """*within* says of which devices the caller may report; None: of all."""
        self._within = within
        self._not_taken: list[int] = []
        self._received_at = datetime.now(UTC)
        self._body = body
        self._is_packed = is_packed
        self.unknown_fields = 0
        # By the arrival itself, not its value: two lines may be the same.
        self._lines: dict[int, tuple[int, Arrival]] = {}

    async def fill(self, registry: Registry, batch: Batch) -> None:
        """Put every line into *batch*. Raises ProblemError when the body cannot be read or holds too much."""
        lines = self._lines_of_body()
        self._not_taken = await self._beyond(lines)
        passed_over = frozenset(self._not_taken)
        for number, line in lines:
            if number in passed_over:
                continue
            arrival, unknown_fields = ndjson.take_in(line, self._received_at, registry, batch)
            self._lines[id(arrival)] = number, arrival
            if batch.records > RECORDS_MAX:
                raise ProblemError(TOO_LARGE, f"At most {RECORDS_MAX} records are taken; line {number} goes beyond.")
            self.unknown_fields += unknown_fields
            # A line may hold 500 records that have to be explained: other requests get their turn in between.
            await asyncio.sleep(0)

    async def _beyond(self, lines: list[tuple[int, bytes]]) -> list[int]:
        """The numbers of the lines of devices that the caller does not report for."""
        if self._within is None:
            return []
        told: dict[int, str] = {}
        for number, line in lines:
            if (device_no := ndjson.device_no_of(line)) is not None:
                told[number] = device_no
            await asyncio.sleep(0)  # as above: a line may take long
        allowed = await self._within(set(told.values()))
        return [number for number, device_no in told.items() if device_no not in allowed]

    def _lines_of_body(self) -> list[tuple[int, bytes]]:
        if not self._is_packed and self._body.startswith(ndjson.GZIP_MAGIC):
            raise ProblemError(UNREADABLE, "The body is gzip, and no `Content-Encoding: gzip` says so.")
        return ndjson.lines_of(ndjson.unpack(self._body) if self._is_packed else self._body)

    def receipt(self, entered: account.Account) -> Receipt:
        """What became of the lines."""
        total = account.Counts()
        for counts in entered.streams.values():
            for name in account.Counts.__slots__:
                setattr(total, name, getattr(total, name) + getattr(counts, name))
        letters = sorted(
            [*((one, False) for one in entered.buried), *((one, True) for one in entered.refused_again)],
            key=lambda known: (self._line_of(known[0].arrival), known[0].refusal.record_index),
        )
        refusals = [self._refused(letter, again=again) for letter, again in letters]
        if self._not_taken:
            refusals = sorted([*refusals, *map(_not_taken, self._not_taken)], key=attrgetter("line"))
        return Receipt(
            total=Account.model_validate(total, from_attributes=True),
            streams=[
                StreamAccount(stream=stream, **Account.model_validate(counts, from_attributes=True).model_dump())
                for stream, counts in sorted(entered.streams.items())
            ],
            refusals=refusals[:REFUSALS_MAX],
            refusals_left_out=max(0, len(refusals) - REFUSALS_MAX),
        )

    def _line_of(self, arrival: Arrival) -> int:
        """The number of the line of *arrival*; one that had to be kept shortened is known by its beginning."""
        if (known := self._lines.get(id(arrival))) is not None:
            return known[0]
        return next(
            number
            for number, whole in self._lines.values()
            if whole.payload.startswith(arrival.payload) and whole.topic.startswith(arrival.topic)
        )

    def _refused(self, letter: DeadLetter, *, again: bool) -> RefusedRecord:
        refusal = letter.refusal
        return RefusedRecord(
            line=self._line_of(letter.arrival),
            record_index=refusal.record_index if refusal.record_index != WHOLE_MESSAGE else None,
            records=refusal.records,
            reason=refusal.reason,
            # It may quote half a character.
            detail=refusal.detail.encode("utf-8", "backslashreplace").decode(),
            outcome="duplicate" if again else "dead_lettered",
        )


def _not_taken(line: int) -> RefusedRecord:
    # Whether there is such a device elsewhere is not for this caller to know.
    detail = "the ledger has no such device where your rights count; the line was not kept"
    return RefusedRecord(
        line=line, record_index=None, records=1, reason="unknown_device", detail=detail, outcome="not_taken"
    )


def _is_packed(request: Request) -> bool:
    """Whether the body is gzip; ProblemError, unsupported-media-type, when it is anything unheard-of.

    The media type is also what keeps a page of another origin from posting here: no browser sends it unasked.
    """
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise ProblemError(UNSUPPORTED_MEDIA, f"Only {MEDIA_TYPE} is read.")
    charset = _CHARSET.search(given)
    if charset is not None and charset[1].lower() not in ("utf-8", "utf8"):
        raise ProblemError(UNSUPPORTED_MEDIA, "Only UTF-8 is read.")
    # The header may come several times, and name nothing at all.
    named = ",".join(request.headers.getlist("content-encoding")).lower().split(",")
    encodings = [encoding for encoding in map(str.strip, named) if encoding not in ("", "identity")]
    if encodings not in ([], ["gzip"], ["x-gzip"]):
        raise ProblemError(UNSUPPORTED_MEDIA, "No Content-Encoding but gzip is read, and that once.")
    return bool(encodings)
