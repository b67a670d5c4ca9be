"""Outages as rows: what is found or told is begun, drawn out, ended, each by one statement.

To be called within :func:`fleet.acting.acting`; whoever watches is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from fleet.events import Event, record

Scope = Literal["platform", "site"]
Source = Literal["detected", "declared"]

# Whom a platform outage is about, where a site has its number.
PLATFORM: Final = "platform"
REASONS: Final[Mapping[str, str]] = {
    "site": "全场设备同时失联 every device of the site fell silent at once",
    "sites": "几乎所有站点同时失联 nearly all sites fell silent at once",
    "no_worker": "平台接收服务未连接 no ingest worker was connected",
    "no_record": "平台未收到任何数据 nothing was received from anybody",
}

COLUMNS: Final[LiteralString] = """o.outage_id, o.scope, s.site_no, o.began_at, o.ended_at, o.source, o.reason,
       o.evidence, o.dismissed_at"""
OPEN: Final[LiteralString] = f"""
SELECT {COLUMNS} FROM outages AS o LEFT JOIN sites AS s USING (site_id)
WHERE o.ended_at IS NULL AND o.dismissed_at IS NULL ORDER BY o.outage_id
"""  # noqa: S608 - constants of ours
# What touches a span of time, dismissed ones included: what was found to be none is not found again.
TOUCHING: Final[LiteralString] = f"""
SELECT {COLUMNS} FROM outages AS o LEFT JOIN sites AS s USING (site_id)
WHERE o.began_at <= %(to)s::timestamptz AND (o.ended_at IS NULL OR o.ended_at >= %(from)s::timestamptz)
ORDER BY o.outage_id
"""  # noqa: S608 - constants of ours
BEGIN: Final[LiteralString] = f"""
WITH begun AS (
    INSERT INTO outages (scope, site_id, began_at, ended_at, source, reason, evidence)
    SELECT f.scope, s.site_id, f.began_at, f.ended_at, f.source, f.reason, f.evidence
    FROM unnest(%(scopes)s::text[], %(site_nos)s::text[], %(began_ats)s::timestamptz[], %(ended_ats)s::timestamptz[],
                %(sources)s::text[], %(reasons)s::text[], %(evidences)s::jsonb[])
        WITH ORDINALITY AS f (scope, site_no, began_at, ended_at, source, reason, evidence, place)
    LEFT JOIN sites AS s USING (site_no)
    ORDER BY f.place
    ON CONFLICT (scope, site_id, source) WHERE ended_at IS NULL AND dismissed_at IS NULL DO NOTHING
    RETURNING *
)
SELECT {COLUMNS} FROM begun AS o LEFT JOIN sites AS s USING (site_id) ORDER BY o.outage_id
"""  # noqa: S608 - constants of ours
DRAW_OUT: Final = """
UPDATE outages AS o SET began_at = f.began_at, ended_at = f.ended_at, updated_at = now()
FROM unnest(%(outage_ids)s::int4[], %(began_ats)s::timestamptz[], %(ended_ats)s::timestamptz[])
    AS f (outage_id, began_at, ended_at)
WHERE o.outage_id = f.outage_id
"""
DISMISS: Final = """
UPDATE outages SET dismissed_at = %(now)s::timestamptz, ended_at = coalesce(ended_at, greatest(began_at, %(now)s)),
    updated_at = now()
WHERE outage_id = ANY (%(outage_ids)s::int4[])
"""


@dataclass(frozen=True, slots=True)
class Outage:
    """Nothing could be heard from *began_at* until *ended_at*, or still: of a site, or of anybody."""

    outage_id: int
    scope: Scope
    site_no: str | None
    began_at: datetime
    ended_at: datetime | None
    source: Source
    reason: str
    evidence: dict[str, Any]
    dismissed_at: datetime | None

    @property
    def subject(self) -> str:
        """Whom it concerns, as people say it."""
        return self.site_no or PLATFORM


@dataclass(frozen=True, slots=True)
class Found:
    """An outage that is to be written down; of the platform where no site is named."""

    site_no: str | None
    began_at: datetime
    ended_at: datetime | None
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    source: Source = "detected"


def open_outages(connection: Connection[Any]) -> list[Outage]:
    """Those that last."""
    with connection.cursor(row_factory=class_row(Outage)) as cursor:
        return cursor.execute(OPEN.encode()).fetchall()


def touching(connection: Connection[Any], begins: datetime, ends: datetime) -> list[Outage]:
    """Those that touch the time between the two, dismissed ones included."""
    with connection.cursor(row_factory=class_row(Outage)) as cursor:
        return cursor.execute(TOUCHING.encode(), {"from": begins, "to": ends}).fetchall()


def begin(connection: Connection[Any], found: Sequence[Found]) -> list[Outage]:
    """Write *found* down and tell it; what was written. One that lasts is not begun twice."""
    if not found:
        return []
    rows = {
        "scopes": ["platform" if each.site_no is None else "site" for each in found],
        "site_nos": [each.site_no for each in found],
        "began_ats": [each.began_at for each in found],
        "ended_ats": [each.ended_at for each in found],
        "sources": [each.source for each in found],
        "reasons": [each.reason for each in found],
        "evidences": [Jsonb(each.evidence) for each in found],
    }
    with connection.cursor(row_factory=class_row(Outage)) as cursor:
        begun = cursor.execute(BEGIN.encode(), rows).fetchall()
    tell(connection, "outage.began", begun)
    tell(connection, "outage.ended", (outage for outage in begun if outage.ended_at is not None))
    return begun


def draw_out(connection: Connection[Any], spans: Sequence[tuple[Outage, datetime, datetime | None]]) -> None:
    """Let each outage begin and end as is told here; those that end now, and did not before, are told as events."""
    if not spans:
        return
    rows = {
        "outage_ids": [outage.outage_id for outage, _, _ in spans],
        "began_ats": [began_at for _, began_at, _ in spans],
        "ended_ats": [ended_at for _, _, ended_at in spans],
    }
    connection.execute(DRAW_OUT, rows)
    ended = (outage for outage, _, ended_at in spans if outage.ended_at is None and ended_at is not None)
    tell(connection, "outage.ended", ended)


def put_aside(connection: Connection[Any], outages: Sequence[Outage], *, now: datetime) -> None:
    """Let *outages* excuse nobody any more; they stay on record, ended."""
    if outages:
        connection.execute(DISMISS, {"outage_ids": [outage.outage_id for outage in outages], "now": now})
        tell(connection, "outage.ended", (outage for outage in outages if outage.ended_at is None))


def tell(connection: Connection[Any], kind: str, outages: Iterable[Outage]) -> None:
    """Tell whoever watches."""
    record(
        connection,
        [
            Event(kind, outage.subject, {"outage_id": outage.outage_id, "scope": outage.scope, "source": outage.source})
            for outage in outages
        ],
    )
