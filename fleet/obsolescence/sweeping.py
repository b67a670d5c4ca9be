"""The sweep of the rules: each day is judged once, when it is rolled up; every replica counts what is open."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, Final

import structlog
from psycopg import AsyncConnection, Connection

from fleet.acting import FLEET, acting
from fleet.business_day import SHANGHAI
from fleet.days.due import is_whole
from fleet.keys import Keys
from fleet.leading import Lock, in_a_thread, led
from fleet.metrics import Metrics
from fleet.obsolescence.evaluating import Evaluation, evaluate
from fleet.obsolescence.rules import RULES

# Records of the evening come a little later than it.
NOT_BEFORE: Final = time(0, 15)

# Missed while fleet was down: no more than these are made up for.
CATCH_UP_DAYS: Final = 14

LAST: Final = "SELECT max(day) FROM evaluations"
FINDINGS: Final = "SELECT rule, count(*) FROM findings WHERE cleared_at IS NULL GROUP BY rule"
FLAGS: Final = """
SELECT k.kind, count(f.flag_id)
FROM kinds AS k LEFT JOIN models AS m USING (kind) LEFT JOIN devices AS d USING (model_id)
LEFT JOIN flags AS f ON f.device_id = d.device_id AND f.ended_at IS NULL
GROUP BY k.kind
"""

log = structlog.get_logger()


def obsolescence_sweep(
    database_url: str, keys: Keys, metrics: Metrics
) -> Callable[[AsyncConnection[Any]], Awaitable[str | None]]:
    """The work of the sweep."""
    lead = led(Lock.OBSOLESCENCE, partial(in_a_thread, partial(_judge, keys=keys), database_url, name="obsolescence"))

    async def sweep(connection: AsyncConnection[Any]) -> str | None:
        comes_to = await lead(connection)
        await count(connection, metrics)
        return comes_to

    return sweep


def evaluate_due(connection: Connection[Any], *, keys: Keys, now: datetime) -> Evaluation | None:
    """Judge the day that is due: the first that was not judged, once it is rolled up whole; None where none is.

    Yesterday is not before it is hardly over. Of an installation that judged none yet, yesterday is the first.
    """
    day = _next_day(connection, now)
    if day is None or not is_whole(connection, day):
        return None
    with acting(connection, FLEET, keys=keys, reason=f"obsolescence rules for {day}"):
        return evaluate(connection, day=day, now=now)


def _next_day(connection: Connection[Any], now: datetime) -> date | None:
    there = now.astimezone(SHANGHAI)
    yesterday = there.date() - timedelta(days=1)
    found = connection.execute(LAST).fetchone()
    last: date | None = found[0] if found is not None else None
    first_of_all = yesterday - timedelta(days=CATCH_UP_DAYS - 1)
    day = yesterday if last is None else max(last + timedelta(days=1), first_of_all)
    is_over = day < yesterday or (day == yesterday and there.time() >= NOT_BEFORE)
    return day if is_over else None


async def count(connection: AsyncConnection[Any], metrics: Metrics) -> None:
    """Bring the gauges up to date; every rule and every kind has one."""
    findings: dict[str, int] = dict(await (await connection.execute(FINDINGS)).fetchall())
    flags = await (await connection.execute(FLAGS)).fetchall()
    for rule in RULES:
        metrics.findings.labels(rule).set(findings.get(rule, 0))
    for kind, flagged in flags:
        metrics.flags.labels(kind).set(flagged)


def _judge(connection: Connection[Any], *, keys: Keys) -> None:
    now = datetime.now(UTC)
    while (told := evaluate_due(connection, keys=keys, now=now)) is not None:
        log.info(
            "fleet judged by the rules of obsolescence",
            day=told.day.isoformat(),
            devices=told.devices,
            opened=told.opened,
            cleared=told.cleared,
            flagged=told.flagged,
            held_back=told.held_back,
        )
