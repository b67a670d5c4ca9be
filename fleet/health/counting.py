"""How many devices are how well, for Prometheus: read from what was written, so that every replica tells the same."""

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection

from fleet.health.catalogue import CHECKS
from fleet.health.score import BAND_IN_SQL, BANDS
from fleet.metrics import Metrics
from fleet.presence.presence import PRESENCES

KINDS: Final = "SELECT kind FROM kinds"
COUNT: Final[LiteralString] = f"""
SELECT m.kind, h.presence, {BAND_IN_SQL} AS band, count(*) AS devices
FROM device_health AS h JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id)
GROUP BY 1, 2, 3
"""  # noqa: S608 - a constant in a constant
EXPECTED: Final = """
SELECT h.presence, count(*) AS devices
FROM device_health AS h JOIN devices AS d USING (device_id)
WHERE d.state = 'in_service' AND h.excused_by IS NULL GROUP BY h.presence
"""
COUNT_REASONS: Final = """
SELECT r ->> 'check' AS name, count(*) AS devices
FROM device_health AS h CROSS JOIN LATERAL jsonb_array_elements(h.reasons) AS r WHERE h.reasons <> '[]' GROUP BY 1
"""


async def count(connection: AsyncConnection[Any], metrics: Metrics) -> None:
    """Bring the gauges up to date; what no device has is zero."""
    kinds = [kind for (kind,) in await (await connection.execute(KINDS)).fetchall()]
    rows = await (await connection.execute(COUNT)).fetchall()
    reasons = dict(await (await connection.execute(COUNT_REASONS)).fetchall())
    expected: dict[str, int] = dict(await (await connection.execute(EXPECTED)).fetchall())
    for presence in PRESENCES:
        metrics.expected_devices.labels(presence).set(expected.get(presence, 0))
    for kind in kinds:
        of_kind = [row for row in rows if row[0] == kind]
        for presence in PRESENCES:
            metrics.presence.labels(kind, presence).set(sum(row[3] for row in of_kind if row[1] == presence))
        for band in BANDS:
            metrics.health_devices.labels(kind, band).set(sum(row[3] for row in of_kind if row[2] == band))
    for check in CHECKS:
        metrics.health_reasons.labels(check.name).set(reasons.get(check.name, 0))
