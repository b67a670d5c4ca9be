"""``/api/v1/devices/{device_no}/lineage``: who stood where a device stands, before it and after it.

Also the spans of time in which each of them did: a place's series is read through them as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.callers import MAY_READ
from api.database import Database, DatabaseDep
from api.device import unknown
from api.ledger import EXAMPLE_DEVICE
from api.parameters import DeviceNo
from api.problems import UNKNOWN_DEVICE, documented
from api.span import Span
from fleet.lifecycle.states import State

router = APIRouter(prefix="/api/v1/devices", tags=["Lifecycle"], dependencies=MAY_READ)

# A place is a stall of a site; a device that was put aside there, when another took its place, stands at none.
_OWN: Final = """
    SELECT p.placement_id AS root, p.placement_id, p.device_id, p.predecessor_id, p.site_id, p.stall_no,
           p.since, p.until
    FROM devices AS d JOIN device_placements AS p USING (device_id)
    WHERE d.device_no = %(device_no)s
      AND NOT EXISTS (SELECT FROM device_placements AS s WHERE s.predecessor_id = p.device_id AND s.since = p.since)
"""
# What stood there last before: the device itself at an earlier time, or the one whose place it took. Each step goes
# back in time, so that devices which replaced each other by turns end, too.
_EARLIER: Final = """
    SELECT c.root, e.placement_id, e.device_id, e.predecessor_id, e.site_id, e.stall_no, e.since,
           least(e.until, c.since) AS until
    FROM earlier AS c CROSS JOIN LATERAL (
        SELECT p.* FROM device_placements AS p
        WHERE p.device_id IN (c.device_id, c.predecessor_id)
          AND p.site_id = c.site_id AND p.stall_no IS NOT DISTINCT FROM c.stall_no
          AND (p.since, p.placement_id) < (c.since, c.placement_id)
        ORDER BY p.since DESC, p.placement_id DESC LIMIT 1
    ) AS e
"""
_LATER: Final = """
    SELECT c.root, e.placement_id, e.device_id, e.predecessor_id, e.site_id, e.stall_no, e.since, e.until
    FROM later AS c CROSS JOIN LATERAL (
        SELECT p.* FROM device_placements AS p
        WHERE (p.predecessor_id = c.device_id OR p.device_id = c.device_id)
          AND p.site_id = c.site_id AND p.stall_no IS NOT DISTINCT FROM c.stall_no
          AND (p.since, p.placement_id) > (c.since, c.placement_id)
        ORDER BY p.since, p.placement_id LIMIT 1
    ) AS e
"""
# The newest first. Without a placement of its own to begin at, the last is meant.
SERVICE: Final = f"""
WITH RECURSIVE earlier AS (
    (SELECT * FROM ({_OWN}) AS own WHERE %(root)s::bigint IS NULL OR placement_id = %(root)s
     ORDER BY since DESC, placement_id DESC LIMIT 1)
    UNION ALL {_EARLIER}
)
SELECT c.placement_id, c.device_id, d.device_no, c.since, c.until
FROM earlier AS c JOIN devices AS d USING (device_id) ORDER BY c.since DESC, c.placement_id DESC
"""  # noqa: S608 - constants in a constant
LINEAGE: Final = f"""
WITH RECURSIVE own AS (
    SELECT DISTINCT ON (site_id, stall_no) * FROM ({_OWN}) AS own
    ORDER BY site_id, stall_no, since DESC, placement_id DESC
), earlier AS (
    SELECT * FROM own UNION ALL {_EARLIER}
), later AS (
    SELECT * FROM own UNION ALL {_LATER}
), told AS (
    SELECT root, placement_id, device_id, site_id, stall_no, since, until FROM earlier
    UNION SELECT root, placement_id, device_id, site_id, stall_no, since, until FROM later
)
SELECT t.root, s.site_no, t.stall_no, d.device_no, m.kind, m.model_no, d.factory_no, d.state, t.since,
       least(t.until, lead(t.since) OVER (PARTITION BY t.root ORDER BY t.since, t.placement_id)) AS until
FROM told AS t JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id)
JOIN sites AS s ON s.site_id = t.site_id
ORDER BY (SELECT own.since FROM own WHERE own.root = t.root) DESC, t.root, t.since, t.placement_id
"""  # noqa: S608 - constants in a constant
KNOWN: Final = "SELECT FROM devices WHERE device_no = %(device_no)s"


@dataclass(frozen=True, slots=True)
class Service:
    """The time in which a device stood at a place; *until* is None while it does."""

    placement_id: int
    device_id: int
    device_no: str
    since: datetime
    until: datetime | None


class Tenure(BaseModel):
    """A device's time at a place."""

    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    kind: str = Field(examples=["trace_scale"])
    model_no: str = Field(examples=["YH-ACS15"])
    factory_no: str | None = Field(description="as it is today; a mainboard may have brought another since")
    state: State = Field(description="today")
    since: datetime
    until: datetime | None = Field(description="without this instant; null while it stands there")


class Place(BaseModel):
    """A stall of a site, and the devices that stood there one after the other."""

    site_no: str = Field(examples=["410100001"])
    stall_no: str | None = Field(examples=["B001"])
    devices: list[Tenure] = Field(description="the oldest first")


class Lineage(BaseModel):
    """Where a device stood, the last place first, and which devices it followed there and which followed it."""

    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    places: list[Place]


@router.get(
    "/{device_no}/lineage",
    summary="Predecessors and successors of a device",
    responses=documented(UNKNOWN_DEVICE),
)
async def get_lineage(database: DatabaseDep, device_no: DeviceNo) -> Lineage:
    """Each place where the device stood, with all that stood there by being swapped for each other.

    Empty for one that was never in service. With `lineage=true` the records of a device go back through these.
    """
    if not await database.fetch(KNOWN, {"device_no": device_no}):
        raise unknown(device_no)
    rows = await database.fetch(LINEAGE, {"device_no": device_no})
    places = []
    for _, group in groupby(rows, key=lambda row: row["root"]):
        tenures = list(group)
        devices = [Tenure.model_validate(row) for row in tenures]
        places.append(Place(site_no=tenures[0]["site_no"], stall_no=tenures[0]["stall_no"], devices=devices))
    return Lineage(device_no=device_no, places=places)


async def services(database: Database, device_no: str, root: int | None) -> list[Service]:
    """Who stood at the last place of a device, or that of its placement *root*, up to itself; the newest first."""
    rows = await database.fetch(SERVICE, {"device_no": device_no, "root": root})
    return [Service(**row) for row in rows]


def shares(line: Sequence[Service], span: Span, step: timedelta | None = None) -> list[tuple[Service, Span]]:
    """The part of *span* in which each of *line* stood there, the newest first; none for who was not there. Pure.

    Records are of one device at any time. Buckets of a *step* cannot be cut: those in which a device came or went are
    whole, and there are two of them, one of each; but never two of the same device.
    """
    found = []
    told: dict[int, datetime] = {}
    for service in line:
        begins, ends = service.since, min(span.to_at, service.until or span.to_at)
        if step is not None:
            begins = Span.model_construct(from_at=begins, to_at=span.to_at).aligned(step).from_at
            ends = min(ends, told.get(service.device_id, ends))
            told[service.device_id] = begins
        begins = max(begins, span.from_at)
        if begins < ends:
            found.append((service, Span.model_construct(from_at=begins, to_at=ends)))
    return found
