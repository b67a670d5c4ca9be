"""Outages: declared, ended and dismissed by people; detected live and afterwards.

Within :func:`fleet.acting.acting`. Days gone by that an outage touches are rolled up anew.
"""

from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from fleet.days.due import ask_again
from fleet.errors import RefusedError, UnknownEntryError
from fleet.presence.gaps import detect_day
from fleet.presence.live import detect
from fleet.presence.outage import COLUMNS, Found, Outage, Scope, begin, draw_out, open_outages, put_aside

__all__ = ["declare", "detect", "detect_day", "dismiss", "end", "open_outages", "overdue"]

# Open for longer, an outage wants somebody who looks whether it still is one.
OVERDUE: Final = timedelta(days=1)

TAKE: Final[LiteralString] = f"""
SELECT {COLUMNS} FROM outages AS o LEFT JOIN sites AS s USING (site_id)
WHERE o.outage_id = %(outage_id)s FOR UPDATE OF o
"""  # noqa: S608 - constants of ours
# The latest first. Each filter is NULL where it is not asked for.
LIST: Final[LiteralString] = f"""
SELECT {COLUMNS} FROM outages AS o LEFT JOIN sites AS s USING (site_id)
WHERE (%(scope)s::text IS NULL OR o.scope = %(scope)s) AND (%(site_no)s::text IS NULL OR s.site_no = %(site_no)s)
  AND (%(open)s::bool IS NULL OR (o.ended_at IS NULL AND o.dismissed_at IS NULL) = %(open)s)
  AND (%(since)s::timestamptz IS NULL OR o.ended_at IS NULL OR o.ended_at >= %(since)s)
  AND (%(after)s::int4 IS NULL OR o.outage_id < %(after)s)
ORDER BY o.outage_id DESC LIMIT %(rows)s
"""  # noqa: S608 - constants of ours
SITE: Final = "SELECT site_id FROM sites WHERE site_no = %(site_no)s"


def declare(
    connection: Connection[Any],
    scope: Scope,
    site_no: str | None,
    began_at: datetime,
    ended_at: datetime | None,
    reason: str,
    *,
    now: datetime,
) -> Outage:
    """An outage that somebody knows of. Without *ended_at* it lasts until it is ended.

    Raises UnknownEntryError; RefusedError for a time to come, an end before the beginning, a site that is not named or
    named in vain, and where one that was declared lasts already.
    """
    if (scope == "site") != (site_no is not None):
        raise RefusedError("an outage of a site names its site, one of the platform names none.")
    if site_no is not None and connection.execute(SITE, {"site_no": site_no}).fetchone() is None:
        raise UnknownEntryError(f"no site has the number {site_no!r}.")
    if began_at > now or (ended_at is not None and ended_at > now):
        raise RefusedError("an outage is declared when it has begun: what is planned is a closure (停业报备).")
    if ended_at is not None and ended_at < began_at:
        raise RefusedError("an outage ends after it has begun.")
    begun = begin(connection, [Found(site_no, began_at, ended_at, reason, source="declared")])
    if not begun:
        raise RefusedError(f"an outage of {site_no or 'the platform'} that was declared still lasts: end it first.")
    ask_again(connection, began_at, ended_at or now)
    return begun[0]


def end(connection: Connection[Any], outage_id: int, *, ended_at: datetime | None = None, now: datetime) -> Outage:
    """The outage, over at *ended_at*, or *now*. Raises UnknownEntryError; RefusedError when it is over already."""
    outage = _take(connection, outage_id)
    at = ended_at or now
    if outage.ended_at is not None:
        raise RefusedError(f"the outage {outage_id} is over since {outage.ended_at:%Y-%m-%dT%H:%M:%SZ}.")
    if not outage.began_at <= at <= now:
        raise RefusedError("an outage ends after it has begun, and not in time to come.")
    draw_out(connection, [(outage, outage.began_at, at)])
    ask_again(connection, outage.began_at, now)
    return _take(connection, outage_id)


def dismiss(connection: Connection[Any], outage_id: int, *, now: datetime) -> Outage:
    """The outage, which was none and excuses nobody now. Raises UnknownEntryError; RefusedError the second time."""
    outage = _take(connection, outage_id)
    if outage.dismissed_at is not None:
        raise RefusedError(f"the outage {outage_id} was dismissed already.")
    put_aside(connection, [outage], now=now)
    ask_again(connection, outage.began_at, outage.ended_at or now)
    return _take(connection, outage_id)


def overdue(connection: Connection[Any], *, now: datetime) -> list[Outage]:
    """Those that have been open for more than a day."""
    return [outage for outage in open_outages(connection) if now - outage.began_at > OVERDUE]


def _take(connection: Connection[Any], outage_id: int) -> Outage:
    with connection.cursor(row_factory=class_row(Outage)) as cursor:
        found = cursor.execute(TAKE.encode(), {"outage_id": outage_id}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no outage has the number {outage_id}.")
    return found
