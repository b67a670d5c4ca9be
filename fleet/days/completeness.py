"""How complete today and yesterday are: what was received, and what the gaps in the devices' numbers say is missing.

A gap closes when a device sends later what it kept, so only one that stays is a loss.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from fleet.business_day import day_of

OUTCOMES: Final = ("received", "missing")

READ: Final = """
SELECT coalesce(sum(records::int8 + dead_lettered), 0)::float8 AS received, coalesce(sum(missing), 0)::float8 AS missing
FROM device_days WHERE day BETWEEN %(yesterday)s::date AND %(today)s::date
"""


async def completeness(connection: AsyncConnection[Any], now: datetime) -> dict[str, float]:
    """Records by outcome, as the days were last rolled up."""
    today = day_of(now)
    asked = {"today": today, "yesterday": today - timedelta(days=1)}
    row = await (await connection.execute(READ, asked)).fetchone()
    return dict(zip(OUTCOMES, row or (0.0, 0.0), strict=True))
