"""The sweep of the rules: yesterday is judged once, when it is rolled up; every replica counts what is open."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any, Final

import structlog
from psycopg import AsyncConnection, Connection

from fleet.acting import Actor, acting
from fleet.keys import Keys
from fleet.leading import Lock, led
from fleet.lifecycle.metrology import SHANGHAI
from fleet.metrics import Metrics
from fleet.obsolescence.evaluating import Evaluation, evaluate
from fleet.obsolescence.gathering import midnight
from fleet.obsolescence.rules import RULES

ACTOR: Final = Actor("fleet", "fleet")
# Records of the evening come a little later than it.
NOT_BEFORE: Final = time(0, 15)

# Rolled up after its end: a day that was reckoned while it went on is not over.
IS_DUE: Final = """
SELECT count(*) > 0 FROM rolled_days AS r
WHERE r.day = %(day)s::date AND r.rolled_at >= %(ends)s::timestamptz
  AND (SELECT count(*) FROM evaluations AS e WHERE e.day >= r.day) = 0
"""
FINDINGS: Final = "SELECT rule, count(*) FROM findings WHERE cleared_at IS NULL GROUP BY rule"
FLAGS: Final = """
SELECT m.kind, left(s.region_code, 4) AS region, count(*)
FROM flags AS f JOIN devices AS d USING (device_id) JOIN models AS m USING (model_id) JOIN sites AS s USING (site_id)
WHERE f.ended_at IS NULL GROUP BY m.kind, left(s.region_code, 4)
"""

log = structlog.get_logger()


def obsolescence_sweep(
    database_url: str, keys: Keys, metrics: Metrics
) -> Callable[[AsyncConnection[Any]], Awaitable[None]]:
    """The work of the sweep."""
    lead = led(Lock.OBSOLESCENCE, partial(_judge, keys=keys), database_url, name="obsolescence")

    async def sweep(connection: AsyncConnection[Any]) -> None:
        await lead(connection)
        await count(connection, metrics)

    return sweep


def evaluate_due(connection: Connection[Any], *, keys: Keys, now: datetime) -> Evaluation | None:
    """Judge yesterday unless it was, or is not rolled up yet, or it is hardly over."""
    there = now.astimezone(SHANGHAI)
    day = there.date() - timedelta(days=1)
    asked = {"day": day, "ends": midnight(there.date())}
    if there.time() < NOT_BEFORE or connection.execute(IS_DUE, asked).fetchone() != (True,):
        return None
    with acting(connection, ACTOR, keys=keys, reason=f"obsolescence rules for {day}"):
        return evaluate(connection, day=day, now=now)


async def count(connection: AsyncConnection[Any], metrics: Metrics) -> None:
    """Bring the gauges up to date; every rule has one, of flags only kinds and regions with any."""
    findings: dict[str, int] = dict(await (await connection.execute(FINDINGS)).fetchall())
    flags = await (await connection.execute(FLAGS)).fetchall()
    for rule in RULES:
        metrics.findings.labels(rule).set(findings.get(rule, 0))
    metrics.flags.clear()
    for kind, region, flagged in flags:
        metrics.flags.labels(kind, region).set(flagged)


def _judge(connection: Connection[Any], *, keys: Keys) -> None:
    told = evaluate_due(connection, keys=keys, now=datetime.now(UTC))
    if told is not None:
        log.info(
            "fleet judged by the rules of obsolescence",
            day=told.day.isoformat(),
            devices=told.devices,
            opened=told.opened,
            cleared=told.cleared,
            flagged=told.flagged,
            held_back=told.held_back,
        )
