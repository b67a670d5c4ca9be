"""Which days are to be rolled up now.

The running one every ten minutes, every minute on an installation's first day; yesterday's once it is over, and again
after the assessment's cut-off; days missed while fleet was down; and devices to whose days something came later.

Each day is a transaction: what was done stays done, whatever becomes of the next one.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from fleet.acting import FLEET, acting
from fleet.business_day import begin_of, day_of
from fleet.days.day import DAY
from fleet.days.rolling import roll
from fleet.keys import Keys

AGAIN_AFTER: Final = timedelta(minutes=10)
# An installation is being set up: whoever looks on ought not to wait long for the first numbers.
AGAIN_AFTER_AT_FIRST: Final = timedelta(minutes=1)
# Where a day takes long, rolling the running one takes no more than a twentieth of the time.
AGAIN_AFTER_TIMES: Final = 20
# 考核截点: what comes until D+1 12:00 counts for D.
CUT_OFF: Final = timedelta(hours=36)
CATCH_UP_DAYS: Final = 60

ROLLED: Final = """
SELECT day, rolled_at, devices, seconds FROM rolled_days WHERE day >= %(from)s::date
"""
# Before anything but the running day was rolled up, as after the update to the first release that does, whose first
# round may have been broken off: since anybody was heard.
FIRST: Final = """
SELECT coalesce((SELECT min(day) FROM rolled_days WHERE day < %(today)s::date), (SELECT min(day) FROM presence_slots),
                %(today)s::date)
"""
# A day that was rolled up while it ran is not over.
IS_WHOLE: Final = """
SELECT count(*) > 0 FROM rolled_days WHERE day = %(day)s::date AND rolled_at >= %(ends)s::timestamptz
"""
STALE: Final = """
SELECT day, array_agg(device_id ORDER BY device_id) AS device_ids, array_agg(noted ORDER BY device_id) AS noted
FROM stale_days WHERE day <= %(today)s::date GROUP BY day ORDER BY day DESC
"""
STALE_OF: Final = """
SELECT day, array_agg(device_id ORDER BY device_id) AS device_ids, array_agg(noted ORDER BY device_id) AS noted
FROM stale_days WHERE day = %(day)s::date GROUP BY day
"""
# Only what was read: a note that was made since has another number, and one that is being made is waited for.
# Locked in the order in which every worker of ingest notes them, so that neither waits for the other in a ring.
DONE: Final = """
WITH done AS MATERIALIZED (
    SELECT s.device_id FROM stale_days AS s
    JOIN unnest(%(device_ids)s::int4[], %(noted)s::int8[]) AS r (device_id, noted) USING (device_id)
    WHERE s.day = %(day)s::date AND s.noted = r.noted
    ORDER BY s.device_id FOR UPDATE OF s
)
DELETE FROM stale_days AS s USING done WHERE s.day = %(day)s::date AND s.device_id = done.device_id
"""
# What no round has seen since the day was over is rolled up in the next one.
ASK_AGAIN: Final = """
UPDATE rolled_days SET rolled_at = 'epoch' WHERE day BETWEEN %(first)s::date AND %(last)s::date
"""


@dataclass(frozen=True, slots=True)
class Rolled:
    """When a day was rolled up last, and how long that took."""

    day: date
    rolled_at: datetime
    devices: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stale:
    """Devices to whose *day* something came, and how often that was noted of each."""

    day: date
    device_ids: list[int]
    noted: list[int]


def is_due(day: date, rolled: Rolled | None, *, now: datetime, is_first: bool = False) -> bool:
    """Whether *day*, which is not to come, is to be rolled up at *now*; *is_first*: it has none before it. Pure."""
    ends_at = begin_of(day) + DAY
    if rolled is None or rolled.rolled_at < ends_at <= now:
        return True
    if ends_at > now:
        least = AGAIN_AFTER_AT_FIRST if is_first or not rolled.devices else AGAIN_AFTER
        pause = max(least, timedelta(seconds=rolled.seconds * AGAIN_AFTER_TIMES))
        return now - rolled.rolled_at >= pause
    return rolled.rolled_at < begin_of(day) + CUT_OFF <= now


def is_whole(connection: Connection[Any], day: date) -> bool:
    """Whether *day* was rolled up since it is over, and nobody asked for it anew."""
    return connection.execute(IS_WHOLE, {"day": day, "ends": begin_of(day) + DAY}).fetchone() == (True,)


def roll_due(connection: Connection[Any], *, now: datetime, keys: Keys | None = None) -> list[date]:
    """Roll up what is due, the running day first, then the others in their order; the days that were rolled up whole.

    *connection* is in autocommit. With *keys*, outages that are found are sealed in the audit at once.
    """
    rolled: list[date] = []
    for day in _due(connection, now):
        with _at_it(connection, keys):
            with connection.cursor(row_factory=class_row(Stale)) as cursor:
                stale = cursor.execute(STALE_OF, {"day": day}).fetchall()
            roll(connection, day, now=now)
            for each in stale:
                _done(connection, each)
        rolled.append(day)
    roll_stale(connection, now=now, keys=keys)
    return rolled


def roll_stale(connection: Connection[Any], *, now: datetime, keys: Keys | None = None) -> None:
    """Roll up, of each day, the devices to which something came after it was rolled up."""
    with connection.cursor(row_factory=class_row(Stale)) as cursor:
        found = cursor.execute(STALE, {"today": day_of(now)}).fetchall()
    for stale in found:
        with _at_it(connection, keys):
            roll(connection, stale.day, now=now, device_ids=stale.device_ids)
            _done(connection, stale)


def ask_again(connection: Connection[Any], began_at: datetime, ended_at: datetime) -> None:
    """Have the days between the two rolled up anew, as far as they were: what is expected in them has changed."""
    connection.execute(ASK_AGAIN, {"first": day_of(began_at), "last": day_of(ended_at)})


def _due(connection: Connection[Any], now: datetime) -> Iterator[date]:
    today = day_of(now)
    found = connection.execute(FIRST, {"today": today}).fetchone()
    first = max(found[0] if found is not None else today, today - timedelta(days=CATCH_UP_DAYS))
    with connection.cursor(row_factory=class_row(Rolled)) as cursor:
        rolled = {each.day: each for each in cursor.execute(ROLLED, {"from": first}).fetchall()}
    days = [first + timedelta(days=ahead) for ahead in range((today - first).days)]
    # The running day is waited for; of the others each goes on where an outage of the one before left off.
    for day in (today, *days):
        if is_due(day, rolled.get(day), now=now, is_first=first == today):
            yield day


def _done(connection: Connection[Any], stale: Stale) -> None:
    connection.execute(DONE, {"day": stale.day, "device_ids": stale.device_ids, "noted": stale.noted})


def _at_it(connection: Connection[Any], keys: Keys | None) -> AbstractContextManager[object]:
    return connection.transaction() if keys is None else acting(connection, FLEET, keys=keys)
