"""``/api/v1/devices/{device_no}/records/{stream}``: what a device reported in a span of time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from psycopg import sql
from psycopg.rows import DictRow
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api import cursors, lineage, resolution, series, span
from api.callers import MAY_READ
from api.database import Database, DatabaseDep
from api.device import unknown
from api.ledger import EXAMPLE_LOGGER
from api.lineage import Service
from api.parameters import CURSOR_HELP, LIMIT_HELP, Cursor, DeviceNo, Instant, Limit
from api.problems import BAD_CURSOR, BAD_SPAN, NO_ROLLUP, UNKNOWN_DEVICE, ProblemError, documented
from api.resolution import STEPS, Asked, Resolution, StreamName
from api.shapes import Item
from api.span import Order, Span

router = APIRouter(prefix="/api/v1/devices", tags=["Records"], dependencies=MAY_READ)


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
    lineage: bool = Field(
        False,
        description="Of the device's last place instead of the device: its own records since it came there, and before "
        "them those of the devices that it took the place of, each while it stood there. Items say whose they are; a "
        "bucket in which devices were swapped is there once for each.",
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
    # Of a lineage: the placement it began at, and the one that the page ended in.
    root: int = Field(0, ge=0, lt=2**63)
    placement_id: int = Field(0, ge=0, lt=2**63)

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
    own = Service(0, device["device_id"], device_no, shown.from_at, None)
    line = await lineage.services(database, device_no, after.root if after else None) if query.lineage else [own]
    parts = lineage.shares(line, shown, STEPS.get(used)) if query.lineage else [(own, shown)]
    rows = await _read(database, series.PAGES[stream, used, query.order], parts, query, after)
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
        next_cursor=cursors.seal(_position(whole, shown_rows[-1], root=line[0].placement_id), of=of) if more else None,
    )


async def _read(
    database: Database,
    page: sql.Composed,
    parts: Sequence[tuple[Service, Span]],
    query: RecordQuery,
    after: RecordPosition | None,
) -> list[DictRow]:
    """A page and one row more, out of *parts* (the newest first) one after the other until it is full.

    A query for each: their times do not overlap, and few pages reach into more than one.
    """
    rows: list[DictRow] = []
    for service, part in _left(parts if query.order == "desc" else parts[::-1], after):
        ended_here = after if after and after.placement_id == service.placement_id else None
        wanted = {"device_id": service.device_id, "rows": query.limit + 1 - len(rows)}
        found = await database.fetch(page, wanted | _bounds(part, ended_here, query.order))
        whose = {"device_no": service.device_no, "placement_id": service.placement_id} if query.lineage else {}
        rows += [row | whose for row in found]
        if len(rows) > query.limit:
            break
    return rows


def _left(parts: Sequence[tuple[Service, Span]], after: RecordPosition | None) -> Sequence[tuple[Service, Span]]:
    """The parts in which a page after *after* begins and goes on. Raises ProblemError when that one is gone."""
    if after is None:
        return parts
    for place, (service, _) in enumerate(parts):
        if service.placement_id == after.placement_id:
            return parts[place:]
    raise ProblemError(BAD_CURSOR, "The device did not stand there, or the ledger was corrected since.")


def _list_of(device_no: str, stream: StreamName, query: RecordQuery) -> tuple[str, ...]:
    bounds = (at.isoformat() if at else "" for at in (query.from_at, query.to_at))
    line = ("lineage",) if query.lineage else ()
    return ("records", device_no, stream, query.order, query.resolution, *bounds, *line)


def _bounds(shown: Span, after: RecordPosition | None, order: Order) -> dict[str, object]:
    """The parameters that say where the page begins.

    The position also narrows the span: TimescaleDB leaves out chunks by the time alone, not by a row comparison.
    """
    left = shown.beyond(after.at, order) if after else shown
    position = after.model_dump(include={"at", "boot_id", "seq", "probe"}) if after else {}
    return {"from_at": left.from_at, "to_at": left.to_at, "at": None, "boot_id": None, "seq": None, "probe": None} | (
        position
    )


def _position(whole: Span, last: DictRow, *, root: int) -> RecordPosition:
    ended_in = {"root": root, "placement_id": last.get("placement_id", 0)}
    if "bucket_at" in last:
        return RecordPosition(span=whole, at=last["bucket_at"], probe=last.get("probe", ""), **ended_in)
    return RecordPosition(span=whole, at=last["at"], boot_id=last["boot_id"], seq=last["seq"], **ended_in)
