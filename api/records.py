"""``/api/v1/devices/{device_no}/records/{stream}``: what a device reported in a span of time."""

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from psycopg.rows import DictRow
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api import cursors, resolution, series, span
from api.database import DatabaseDep
from api.device import unknown
from api.ledger import EXAMPLE_LOGGER
from api.parameters import CURSOR_HELP, LIMIT_HELP, Cursor, DeviceNo, Instant, Limit
from api.problems import BAD_CURSOR, BAD_SPAN, NO_ROLLUP, UNKNOWN_DEVICE, documented
from api.resolution import STEPS, Asked, Resolution, StreamName
from api.shapes import Item
from api.span import Order, Span

router = APIRouter(prefix="/api/v1/devices", tags=["Records"])


class RecordQuery(BaseModel):
    """Which records."""

    model_config = ConfigDict(extra="forbid")

    from_at: Instant | None = Field(
        None,
        alias="from",
        description="From this instant on, RFC 3339 with an offset (in a URL a `+` is `%2B`). An hour before `to`.",
    )
    to_at: Instant | None = Field(
        None,
        alias="to",
        description="Up to and without this instant. Now, and 5 minutes more for fast clocks.",
    )
    order: Order = Field("desc", description="Newest first, or oldest first.")
    resolution: Asked = Field(
        "auto",
        description="`raw`, a roll-up, or `auto`: raw up to 6 hours, then `5m` up to 3 days where the stream has it, "
        "else `1h`. `status` and `presence` are always raw.",
    )
    cursor: Cursor | None = Field(None, description=CURSOR_HELP)
    limit: Limit = Field(100, description=LIMIT_HELP)


class RecordPosition(BaseModel):
    """Where a page ended, and the span it was cut from: "the last hour" must not move while it is read."""

    span: Span
    at: AwareDatetime
    boot_id: int = Field(0, ge=0, lt=2**63)
    seq: int = Field(0, ge=0, lt=2**63)
    probe: str = Field("", max_length=128, pattern=r"^[^\u0000]*$")

    @model_validator(mode="after")
    def _stands_in_its_span(self) -> Self:
        # A bucket starts before the span when the span does not start with it, by an hour at most.
        if not self.span.aligned(STEPS["1h"]).from_at <= self.at < self.span.to_at:
            raise ValueError("a position stands in its span")
        return self


class RecordPage(BaseModel):
    """Records or buckets; `resolution` says which."""

    device_no: str = Field(examples=[EXAMPLE_LOGGER])
    stream: StreamName
    resolution: Resolution = Field(description="what the items are")
    from_at: datetime = Field(serialization_alias="from", description="for buckets, the start of the first")
    to_at: datetime = Field(serialization_alias="to")
    order: Order
    items: list[Item]
    next_cursor: str | None = Field(description="for the next page; null on the last")


@router.get(
    "/{device_no}/records/{stream}",
    summary="Records of a device",
    responses=documented(UNKNOWN_DEVICE, BAD_CURSOR, BAD_SPAN, NO_ROLLUP),
)
async def list_records(
    database: DatabaseDep,
    device_no: DeviceNo,
    stream: Annotated[StreamName, Path(description="What kind of record.", examples=["coldchain"])],
    query: Annotated[RecordQuery, Query()],
) -> RecordPage:
    """Records of one stream in a span of at most 400 days, raw or rolled up, a page at a time.

    A page stays right while records arrive; late ones appear where the reader has not been yet.
    """
    of = _list_of(device_no, stream, query)
    after = cursors.unseal(query.cursor, RecordPosition, of=of) if query.cursor else None
    whole = after.span if after else span.resolve(query.from_at, query.to_at, datetime.now(UTC))
    used = resolution.choose(stream, query.resolution, whole.length)
    shown = whole.aligned(STEPS[used]) if used in STEPS else whole

    device = await database.fetch_one(series.DEVICE, {"device_no": device_no})
    if device is None:
        raise unknown(device_no)
    rows = await database.fetch(
        series.PAGES[stream, used, query.order],
        {"device_id": device["device_id"], "rows": query.limit + 1, **_bounds(shown, after, query.order)},
    )
    shown_rows = rows[: query.limit]
    more = len(rows) > query.limit
    return RecordPage(
        device_no=device_no,
        stream=stream,
        resolution=used,
        from_at=shown.from_at,
        to_at=shown.to_at,
        order=query.order,
        items=[series.item_of(stream, used, row) for row in shown_rows],
        next_cursor=cursors.seal(_position(whole, shown_rows[-1]), of=of) if more else None,
    )


def _list_of(device_no: str, stream: StreamName, query: RecordQuery) -> tuple[str, ...]:
    bounds = (at.isoformat() if at else "" for at in (query.from_at, query.to_at))
    return ("records", device_no, stream, query.order, query.resolution, *bounds)


def _bounds(shown: Span, after: RecordPosition | None, order: Order) -> dict[str, object]:
    """The parameters that say where the page begins.

    The position also narrows the span: TimescaleDB leaves out chunks by the time alone, not by a row comparison.
    """
    left = shown.beyond(after.at, order) if after else shown
    position = after.model_dump(include={"at", "boot_id", "seq", "probe"}) if after else {}
    return {"from_at": left.from_at, "to_at": left.to_at, "at": None, "boot_id": None, "seq": None, "probe": None} | (
        position
    )


def _position(whole: Span, last: DictRow) -> RecordPosition:
    if "bucket_at" in last:
        return RecordPosition(span=whole, at=last["bucket_at"], probe=last.get("probe", ""))
    return RecordPosition(span=whole, at=last["at"], boot_id=last["boot_id"], seq=last["seq"])
