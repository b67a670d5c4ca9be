"""``/api/v1/devices``: the list of devices, filtered, counted, and counted by each axis."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, LiteralString

from fastapi import APIRouter, Query
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from api import cursors
from api.callers import MAY_READ, CallerDep
from api.database import Database, DatabaseDep
from api.device_filters import CLAUSES, CLAUSES_OF_LINES, DEVICES, LINES, DeviceFilters, parameters, where
from api.device_parts import Connectivity
from api.ledger import EXAMPLE_DEVICE
from api.parameters import CURSOR_HELP, DEVICE_NO_PATTERN, LIMIT_HELP, Cursor, Limit
from api.problems import BAD_CURSOR, documented
from fleet.identity import scope as scopes
from fleet.lifecycle import freshness, metrology
from fleet.lifecycle.freshness import Freshness
from fleet.lifecycle.holds import HoldKind
from fleet.lifecycle.metrology import Metrology
from fleet.lifecycle.states import State
from fleet.presence import thresholds

router = APIRouter(prefix="/api/v1/devices", tags=["Devices"], dependencies=MAY_READ)


def list_of(clauses: LiteralString) -> LiteralString:
    """The query for a page. It is found by the filters alone; what is shown is looked up for its devices only."""
    return f"""
WITH page AS MATERIALIZED (SELECT d.device_id {DEVICES} {clauses} ORDER BY d.device_no LIMIT %(rows)s)
SELECT d.device_no, d.name, m.kind, m.model_no, s.site_no, s.region_code, d.stall_no, c.merchant_code, d.state,
       p.state AS presence, p.last_heard_at, coalesce(p.state, 'never') AS connectivity,
       n.late_seconds, n.silent_seconds, {metrology.IN_SQL} AS metrology,
       ARRAY(SELECT DISTINCT h.kind FROM device_holds AS h
             WHERE h.device_id = d.device_id AND h.begins_at <= now() AND (h.ends_at IS NULL OR h.ends_at > now())
             ORDER BY h.kind) AS holds
FROM page JOIN devices AS d USING (device_id)
JOIN models AS m USING (model_id)
JOIN sites AS s USING (site_id)
CROSS JOIN LATERAL {thresholds.NEAREST} AS n
LEFT JOIN merchants AS c USING (merchant_id)
LEFT JOIN device_presence AS p USING (device_id)
ORDER BY d.device_no
"""  # noqa: S608 - constants and clauses of ours


def count_of(clauses: LiteralString) -> LiteralString:
    """The query that counts."""
    return f"SELECT count(*) AS devices {DEVICES} {clauses}"


def groups_of(clauses: LiteralString) -> LiteralString:
    """The query that counts by state, kind and metrology.

    Grouped by narrow columns first: what a group means is said of a few dozen groups then, not of each device.
    """
    return f"""
WITH counted AS (
    SELECT d.state, d.model_id, {metrology.OF_THE_DEVICE} AS verified, count(*) AS devices
    {DEVICES} {clauses} GROUP BY 1, 2, 3
)
SELECT n.state, m.kind, coalesce(n.verified, {metrology.OF_THE_KIND}) AS metrology, sum(n.devices)::int8 AS devices
FROM counted AS n JOIN models AS m USING (model_id) GROUP BY 1, 2, 3
"""  # noqa: S608 - as above


def lines_of(clauses: LiteralString) -> LiteralString:
    """The query that counts by what the line said last, of those that ever said something.

    Apart from the groups, though it is a join of the same: at once they take half the time.
    """
    return f"SELECT p.state, count(*) AS devices {LINES} {clauses} GROUP BY 1"


# Every clause in every query, so that a test can have the server read them all.
EVERY: Final[Mapping[str, LiteralString]] = {
    **{query.__name__: query(where(CLAUSES)) for query in (list_of, count_of, groups_of)},
    "lines_of": lines_of(where(CLAUSES, CLAUSES_OF_LINES)),
}


class DeviceQuery(DeviceFilters):
    """Which devices, and what of them."""

    cursor: Cursor | None = Field(None, description=CURSOR_HELP)
    limit: Limit = Field(50, description=LIMIT_HELP)
    count: bool = Field(False, description="Also count everything that matches, into `total`.")
    facets: bool = Field(False, description="Also count it by state, kind, connectivity and metrology, into `facets`.")


class DevicePosition(BaseModel):
    """Where a page of devices ended."""

    device_no: str = Field(pattern=DEVICE_NO_PATTERN)


class DeviceLine(BaseModel):
    """A device in the list, each axis apart."""

    device_no: str = Field(examples=[EXAMPLE_DEVICE])
    name: str | None
    kind: str = Field(examples=["trace_scale"])
    model_no: str = Field(examples=["YH-ACS15"])
    site_no: str = Field(examples=["410100001"])
    region_code: str = Field(examples=["410100"])
    stall_no: str | None = Field(examples=["B001"])
    merchant_code: str | None = Field(examples=["4101000010001"])
    state: State = Field(description="in the ledger")
    presence: Connectivity | None = Field(description="of its line; null when never heard")
    last_heard_at: datetime | None
    connectivity: Connectivity = Field(description="the same, with a word for null")
    freshness: Freshness | None = Field(description="how lately, for its kind; null when never heard")
    metrology: Metrology = Field(description="how its verification stands today")
    holds: list[HoldKind] = Field(description="kinds of the holds in force")


class Facets(BaseModel):
    """How many of all that match are of each value; what none is of is left out."""

    state: dict[State, int] = Field(examples=[{"in_service": 180, "faulty": 4}])
    kind: dict[str, int] = Field(examples=[{"trace_scale": 120, "logger": 64}])
    connectivity: dict[Connectivity, int] = Field(examples=[{"online": 170, "offline": 12, "never": 2}])
    metrology: dict[Metrology, int] = Field(examples=[{"valid": 100, "overdue": 20, "not_applicable": 64}])


class DevicePage(BaseModel):
    """Devices in the order of their numbers."""

    items: list[DeviceLine]
    next_cursor: str | None = Field(description="for the next page; null on the last")
    total: int | None = Field(description="with `count=true` or `facets=true`: everything that matches, on all pages")
    facets: Facets | None = Field(description="with `facets=true`")


@router.get("", summary="List devices", responses=documented(BAD_CURSOR))
async def list_devices(database: DatabaseDep, caller: CallerDep, query: Annotated[DeviceQuery, Query()]) -> DevicePage:
    """Devices in the order of their numbers, filtered. A page stays right while devices are added or removed."""
    of = ("devices", *(f"{name}={value}" for name, value in query.given.items()))
    after = cursors.unseal(query.cursor, DevicePosition, of=of).device_no if query.cursor else None
    now = datetime.now(UTC)
    asked = parameters(query, now=now) | scopes.parameters(caller.scope)
    clauses = where(asked)
    paged = asked | {"after": after, "rows": query.limit + 1}
    rows, counted, lines = await asyncio.gather(
        database.fetch(list_of(where(paged)), paged),
        _counted(database, groups_of(clauses) if query.facets else count_of(clauses) if query.count else None, asked),
        _counted(database, lines_of(where(asked, CLAUSES_OF_LINES)) if query.facets else None, asked),
    )
    items = [_line_of(row, now) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return DevicePage(
        items=items,
        next_cursor=cursors.seal(DevicePosition(device_no=items[-1].device_no), of=of) if more else None,
        total=sum(group["devices"] for group in counted) if query.count or query.facets else None,
        facets=_facets_of(counted, lines) if query.facets else None,
    )


async def _counted(database: Database, query: LiteralString | None, asked: Mapping[str, object]) -> list[DictRow]:
    return await database.fetch(query, asked) if query else []


def _line_of(row: DictRow, now: datetime) -> DeviceLine:
    seconds = freshness.since_heard(row["last_heard_at"], now=now)
    judged = freshness.judge(seconds, late_seconds=row["late_seconds"], silent_seconds=row["silent_seconds"])
    return DeviceLine.model_validate({**row, "freshness": judged})


def _facets_of(groups: list[DictRow], lines: list[DictRow]) -> Facets:
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("state", "kind", "metrology")}
    for group in groups:
        for name, counter in counts.items():
            counter[group[name]] += group["devices"]
    connectivity = {line["state"]: line["devices"] for line in lines}
    never = counts["state"].total() - sum(connectivity.values())
    # Read at the same time, not in the same instant.
    return Facets.model_validate({**counts, "connectivity": connectivity | ({"never": never} if never > 0 else {})})
