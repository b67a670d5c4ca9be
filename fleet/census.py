"""The census: devices by kind and state, those online, cases, open security events, what ends soon, what is missing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import class_row

from fleet.days.completeness import completeness
from fleet.housekeeping import PAYLOADS
from fleet.identity.ending import ending
from fleet.identity.outsiders import LISTINGS
from fleet.ledger.nouns import DEVICE_STATES
from fleet.metrics import Metrics
from fleet.retirement.listing import TALLY
from fleet.retirement.states import STATES
from fleet.security.attempts import CHANNELS
from fleet.security.events import OPEN

KINDS: Final = "SELECT kind FROM kinds"
COUNT: Final = """
SELECT models.kind, devices.state, count(*) AS devices,
       count(*) FILTER (WHERE device_presence.last_heard_at > now() - INTERVAL '10 minutes'
                          AND device_presence.state IS DISTINCT FROM 'offline') AS online
FROM devices
JOIN models USING (model_id)
LEFT JOIN device_presence USING (device_id)
GROUP BY models.kind, devices.state
"""
# A job of TimescaleDB that has never run has no number of failures, and one of ours no row.
JOB_FAILURES: Final = """
SELECT job, coalesce(sum(failures), 0)::bigint
FROM (SELECT job, failures FROM jobs
      UNION ALL SELECT 'retention ' || relation, 0 FROM retention WHERE dropped_by = 'housekeeping'
      UNION ALL SELECT %(payloads)s::text, 0) AS all_jobs
GROUP BY job
"""


@dataclass(frozen=True, slots=True)
class Count:
    """The devices of one kind in one state."""

    kind: str
    state: str
    devices: int
    online: int


async def take_census(connection: AsyncConnection[Any], metrics: Metrics) -> None:
    """Bring the gauges up to date; every pair of kind and state has one, zero where no device is."""
    kinds = [kind for (kind,) in await (await connection.execute(KINDS)).fetchall()]
    async with connection.cursor(row_factory=class_row(Count)) as cursor:
        counts = await (await cursor.execute(COUNT)).fetchall()
    failures = await (await connection.execute(JOB_FAILURES, {"payloads": PAYLOADS})).fetchall()
    outsiders = {name: await _total(connection, listing.count) for name, listing in LISTINGS.items()}
    speaking = dict(await (await connection.execute(OPEN)).fetchall())
    now = datetime.now(UTC)
    records = await completeness(connection, now)
    ends = await ending(connection, now)
    cases = {state: numbers for state, *numbers in await (await connection.execute(TALLY)).fetchall()}
    by_pair = {(count.kind, count.state): count.devices for count in counts}
    # Nothing awaits from here on, but a scrape from its thread may still see half of the new numbers.
    for kind in kinds:
        for state in DEVICE_STATES:
            metrics.devices.labels(kind, state).set(by_pair.get((kind, state), 0))
        metrics.devices_online.labels(kind).set(sum(count.online for count in counts if count.kind == kind))
    for name, total in outsiders.items():
        metrics.outsiders.labels(name).set(total)
    for channel in CHANNELS:
        metrics.security_events.labels(channel).set(speaking.get(channel, 0))
    for state in STATES:
        total, overdue = cases.get(state, (0, 0))
        metrics.cases.labels(state).set(total)
        metrics.cases_overdue.labels(state).set(overdue)
    for outcome, number in records.items():
        metrics.day_records.labels(outcome).set(number)
    for holder, within, holders in ends:
        metrics.credentials_ending.labels(holder, within).set(holders)
    for job, failed in failures:
        metrics.job_failures.labels(job).set(failed)


async def _total(connection: AsyncConnection[Any], query: LiteralString) -> int:
    row = await (await connection.execute(query)).fetchone()
    return int(row[0]) if row is not None else 0
