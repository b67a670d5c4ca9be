"""Whose credential ends soon: devices in service that will not get in any more, and callers of the API."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

HOLDERS: Final = ("device", "api_key")
WITHIN: Final = ("ended", "7d", "30d")

# Of a device the credential that lasts longest. A key that was made for some days, or ended a week ago, is left to end,
# and so is one whose place another has taken.
# Each is counted where it ends first: `30d` leaves out those of `7d`.
COUNT: Final = """
WITH lasting AS (
    SELECT 'device' AS holder, max(coalesce(c.expires_at, 'infinity')) AS ends_at
    FROM credentials AS c JOIN devices AS d USING (device_id)
    WHERE c.revoked_at IS NULL AND d.state = 'in_service' GROUP BY device_id
    UNION ALL
    SELECT 'api_key', k.expires_at FROM api_keys AS k
    WHERE k.revoked_at IS NULL AND k.expires_at > %(now)s::timestamptz - INTERVAL '7 days'
      AND k.expires_at - k.created_at > INTERVAL '30 days'
      AND NOT EXISTS (SELECT FROM api_keys AS n WHERE n.replaces = k.key_id AND n.revoked_at IS NULL)
)
SELECT holder, CASE WHEN ends_at <= %(now)s::timestamptz THEN 'ended'
                    WHEN ends_at <= %(now)s::timestamptz + INTERVAL '7 days' THEN '7d' ELSE '30d' END AS within,
       count(*) AS holders
FROM lasting WHERE ends_at <= %(now)s::timestamptz + INTERVAL '30 days' GROUP BY 1, 2
"""


async def ending(connection: AsyncConnection[Any], now: datetime) -> Iterator[tuple[str, str, int]]:
    """Holder, when, and how many: every pair, zero where there are none."""
    rows = await (await connection.execute(COUNT, {"now": now})).fetchall()
    found = {(holder, within): holders for holder, within, holders in rows}
    return ((holder, within, found.get((holder, within), 0)) for holder in HOLDERS for within in WITHIN)
