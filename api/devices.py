"""``/api/v1/devices``: the ledger's devices, one device, and its latest values."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api import cursors
from api.database import DatabaseDep
from api.ledger import EXAMPLE_LOGGER, Device, DeviceLine, Kind, State, device_of
from api.parameters import CURSOR_HELP, DEVICE_NO_PATTERN, LIMIT_HELP, Cursor, DeviceNo, Limit, Text
from api.problems import BAD_CURSOR, UNKNOWN_DEVICE, ProblemError, documented
from api.shapes import RecordFields

router = APIRouter(prefix="/api/v1/devices", tags=["Devices"])

_FILTERED: Final = """
FROM devices AS d
JOIN models AS m USING (model_id)
JOIN sites AS s USING (site_id)
LEFT JOIN device_presence AS p USING (device_id)
WHERE (%(site_no)s::text IS NULL OR s.site_no = %(site_no)s)
  AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)
  AND (%(state)s::text IS NULL OR d.state = %(state)s)
  AND (%(region_code)s::text IS NULL OR starts_with(s.region_code, %(region_code)s))
  AND (%(q)s::text IS NULL OR starts_with(d.device_no, %(q)s))
"""
LIST: Final = f"""
SELECT d.device_no, m.kind, m.model_no, s.site_no, s.region_code, d.stall_no, d.state,
       p.state AS presence, p.last_heard_at
{_FILTERED}  AND (%(after)s::text IS NULL OR d.device_no > %(after)s)
ORDER BY d.device_no LIMIT %(rows)s
"""
COUNT: Final = f"SELECT count(*) AS total {_FILTERED}"
DETAIL: Final = """
SELECT d.device_no, d.state, d.stall_no, c.merchant_code, d.created_at, d.updated_at,
       m.model_no AS model__model_no, m.kind AS model__kind, m.vendor AS model__vendor, k.streams AS model__streams,
       s.site_no AS site__site_no, s.name_zh AS site__name_zh, s.name_en AS site__name_en, s.kind AS site__kind,
       s.region_code AS site__region_code,
       p.state AS presence__state, p.state_at AS presence__state_at, p.last_heard_at AS presence__last_heard_at,
       p.clock_offset_ms AS presence__clock_offset_ms,
       b.boot AS presence__boot, p.boot_at AS presence__boot_at
FROM devices AS d
JOIN models AS m USING (model_id)
JOIN kinds AS k ON k.kind = m.kind
JOIN sites AS s USING (site_id)
LEFT JOIN merchants AS c USING (merchant_id)
LEFT JOIN device_presence AS p USING (device_id)
LEFT JOIN boots AS b USING (boot_id)
WHERE d.device_no = %(device_no)s
"""
# One row with nulls for a device without values, none for an unknown one.
LATEST: Final = """
SELECT l.stream, nullif(l.probe, '') AS probe, l.at, l.seq, l.received_at, l.record
FROM devices AS d LEFT JOIN latest AS l USING (device_id)
WHERE d.device_no = %(device_no)s ORDER BY l.stream, l.probe
"""


class DeviceQuery(BaseModel):
    """Which devices."""

    model_config = ConfigDict(extra="forbid")

    site_no: Text | None = Field(None, description="At this site.", examples=["410100001"])
    kind: Kind | None = Field(None, description="Of this kind.", examples=["trace_scale"])
    state: State | None = Field(None, description="In this state of the ledger.", examples=["in_service"])
    region_code: str | None = Field(
        None,
        pattern=r"^([0-9]{2}|[0-9]{4}|[0-9]{6})$",
        description="In this region: six digits of GB/T 2260, or the first four (prefecture) or two (province).",
        examples=["4101"],
    )
    q: str | None = Field(
        None, pattern=DEVICE_NO_PATTERN, description="The number begins with this.", examples=["TD-4101"]
    )
    cursor: Cursor | None = Field(None, description=CURSOR_HELP)
    limit: Limit = Field(50, description=LIMIT_HELP)
    count: bool = Field(False, description="Also count everything that matches, into `total`.")

    @property
    def filters(self) -> dict[str, str | None]:
        """What every page of a list shares."""
        return self.model_dump(include={"site_no", "kind", "state", "region_code", "q"})


class DevicePosition(BaseModel):
    """Where a page of devices ended."""

    device_no: str = Field(pattern=DEVICE_NO_PATTERN)


class DevicePage(BaseModel):
    """Devices in the order of their numbers."""

    items: list[DeviceLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")
    total: int | None = Field(description="with `count=true`: everything that matches, on all pages")


class Latest(BaseModel):
    """The newest record of a stream, and of a probe where the device has several."""

    stream: str = Field(examples=["coldchain"])
    probe: str | None = Field(examples=["door side"])
    at: datetime = Field(description="when the device made it")
    seq: int
    received_at: datetime = Field(description="when it arrived")
    record: RecordFields


class LatestOfDevice(BaseModel):
    """The newest records of a device; they never go back in time."""

    device_no: str = Field(examples=[EXAMPLE_LOGGER])
    latest: list[Latest]


@router.get("", summary="List devices", responses=documented(BAD_CURSOR))
async def list_devices(database: DatabaseDep, query: Annotated[DeviceQuery, Query()]) -> DevicePage:
    """Devices in the order of their numbers, filtered. A page stays right while devices are added or removed."""
    filters = query.filters
    of = ("devices", *(f"{name}={value}" for name, value in filters.items() if value is not None))
    after = cursors.unseal(query.cursor, DevicePosition, of=of).device_no if query.cursor else None
    rows = await database.fetch(LIST, {**filters, "after": after, "rows": query.limit + 1})
    items = [DeviceLine.model_validate(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    counted = await database.fetch_one(COUNT, filters) if query.count else None
    return DevicePage(
        items=items,
        next_cursor=cursors.seal(DevicePosition(device_no=items[-1].device_no), of=of) if more else None,
        total=counted["total"] if counted else None,
    )


@router.get("/{device_no}", summary="One device", responses=documented(UNKNOWN_DEVICE))
async def get_device(database: DatabaseDep, device_no: DeviceNo) -> Device:
    """The device as the ledger has it, its model, its site, and what is known of its line."""
    row = await database.fetch_one(DETAIL, {"device_no": device_no})
    if row is None:
        raise unknown(device_no)
    return device_of(row)


@router.get("/{device_no}/latest", summary="Latest values of a device", responses=documented(UNKNOWN_DEVICE))
async def get_latest(database: DatabaseDep, device_no: DeviceNo) -> LatestOfDevice:
    """The newest record of each stream and probe. Empty for a device that was never heard."""
    rows: list[dict[str, Any]] = await database.fetch(LATEST, {"device_no": device_no})
    if not rows:
        raise unknown(device_no)
    latest = [Latest.model_validate(row) for row in rows if row["stream"] is not None]
    return LatestOfDevice(device_no=device_no, latest=latest)


def unknown(device_no: str) -> ProblemError:
    """The problem of a number that no device has."""
    return ProblemError(UNKNOWN_DEVICE, f"No device has the number {device_no!r}.")
