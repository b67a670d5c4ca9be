"""The history of health: of each day the last that was known of each device."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from psycopg import Connection

from fleet.business_day import SHANGHAI, today

# What was written after the day is of a later one: such a device keeps what was copied before, if anything was.
CLOSE: Final = """
INSERT INTO health_days AS k (device_id, day, presence, score, reasons)
SELECT device_id, %(day)s::date, presence, score, reasons FROM device_health
WHERE evaluated_at < %(ends)s::timestamptz
ON CONFLICT (device_id, day) DO UPDATE SET
    presence = excluded.presence, score = excluded.score, reasons = excluded.reasons
WHERE (k.presence, k.score, k.reasons) IS DISTINCT FROM (excluded.presence, excluded.score, excluded.reasons)
"""
# Among a hundred thousand devices something changes every day. Where nothing did, nobody was there to see.
IS_DUE: Final = """
SELECT count(*) > 0 FROM (
    SELECT FROM device_health
    WHERE evaluated_at >= %(begins)s::timestamptz AND evaluated_at < %(ends)s::timestamptz
      AND (SELECT count(*) FROM (SELECT FROM health_days WHERE day = %(day)s::date LIMIT 1) AS closed) = 0
    LIMIT 1
) AS open
"""


def close_day(connection: Connection[Any], day: date) -> int:
    """Copy what is known of each device into the history as the last of *day*; how many rows were new or another.

    Idempotent. To be called before the first evaluation of the day after.
    """
    return connection.execute(CLOSE, {"day": day, "ends": _begin(day + timedelta(days=1))}).rowcount


def close_if_over(connection: Connection[Any], *, now: datetime) -> date | None:
    """Close yesterday, if it was seen and is not closed yet; the day, or None."""
    day = today(now) - timedelta(days=1)
    bounds = {"day": day, "begins": _begin(day), "ends": _begin(day + timedelta(days=1))}
    if connection.execute(IS_DUE, bounds).fetchone() != (True,):
        return None
    close_day(connection, day)
    return day


def _begin(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=SHANGHAI).astimezone(UTC)
