"""How complete today and yesterday are: what was received, and what the gaps in the devices' numbers say is missing.

A gap closes when a device sends later what it kept, so only one that stays is a loss. No device can lack more than a
device sends: one whose numbers jump, by a clock in their place or a fault of its firmware, counts as missing as much as
it sent itself or, where that is more, as devices send on average. Else one could hide, or feign, the loss of all.
"""

from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection

from fleet.business_day import day_of

OUTCOMES: Final = ("received", "missing")

_COUNTED: Final[LiteralString] = """
WITH told AS MATERIALIZED (
    SELECT device_id, sum(records::int8 + dead_lettered)::float8 AS received, sum(missing)::float8 AS missing
    FROM device_days WHERE day BETWEEN %(yesterday)s::date AND %(today)s::date GROUP BY device_id
), counted AS (
    SELECT device_id, received,
           least(missing, greatest(received, avg(received) FILTER (WHERE received > 0) OVER ())) AS missing
    FROM told
)"""
READ: Final[LiteralString] = f"""{_COUNTED}
SELECT coalesce(sum(received), 0) AS received, coalesce(sum(missing), 0) AS missing FROM counted
"""  # noqa: S608 - constants of ours
# Whom it is mostly about: for those who ask, and not for each census.
WORST: Final[LiteralString] = f"""{_COUNTED}
SELECT device_no FROM counted JOIN devices USING (device_id) WHERE missing > 0
ORDER BY missing DESC, device_id LIMIT 3
"""  # noqa: S608 - as above


async def completeness(connection: AsyncConnection[Any], now: datetime) -> dict[str, float]:
    """Records by outcome, as the days were last rolled up."""
    today = day_of(now)
    asked = {"today": today, "yesterday": today - timedelta(days=1)}
    row = await (await connection.execute(READ, asked)).fetchone()
    return dict(zip(OUTCOMES, row or (0.0, 0.0), strict=True))
