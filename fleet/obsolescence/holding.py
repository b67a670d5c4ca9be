"""What keeps devices from being flagged on a day, whatever they come to: outages, and cases that keep them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from fleet.business_day import begin_of

# On that day, or going on now: who cannot be heard cannot be asked.
OUTAGES: Final = """
SELECT CASE WHEN scope = 'site' THEN site_id END FROM outages
WHERE dismissed_at IS NULL
  AND ((began_at < %(ends)s::timestamptz AND (ended_at IS NULL OR ended_at > %(begins)s::timestamptz))
       OR (began_at <= %(now)s::timestamptz AND (ended_at IS NULL OR ended_at > %(now)s::timestamptz)))
"""
# The last case of a device counts.
KEPT: Final = """
SELECT device_id FROM (
    SELECT DISTINCT ON (device_id) device_id, state, kept_until FROM cases ORDER BY device_id, case_id DESC
) AS last
WHERE state = 'kept' AND kept_until >= %(day)s::date
"""


@dataclass(frozen=True, slots=True)
class Held:
    """*outages* are sites, None among them for the platform; *kept* are devices."""

    outages: frozenset[int | None]
    kept: frozenset[int]


def held_on(connection: Connection[Any], day: date, *, now: datetime) -> Held:
    """What holds flags back on *day*, seen from *now*."""
    bounds = {"begins": begin_of(day), "ends": begin_of(day + timedelta(days=1)), "now": now}
    return Held(
        frozenset(site_id for (site_id,) in connection.execute(OUTAGES, bounds)),
        frozenset(device_id for (device_id,) in connection.execute(KEPT, {"day": day})),
    )
