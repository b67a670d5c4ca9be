"""The year as it is lived through: each day what people enter and devices send, then the product's own rounds.

Days are rolled up and outages looked for every day, as in life. The rules run every third day, and daily where a day
more or less is what is asked; health is judged once a month.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from psycopg import Connection

from fleet.acting import Actor, acting
from fleet.days.due import roll_due, roll_stale
from fleet.days.rolling import roll
from fleet.health import days_of_health
from fleet.health import evaluating as health
from fleet.keys import Keys
from fleet.obsolescence import evaluating as obsolescence
from fleet.presence import outages
from tests.year.calendar import DAYS, SHANGHAI, Span, at, on_day
from tests.year.cohorts import fleet
from tests.year.ledger import Ledger
from tests.year.telemetry import Telemetry
from tests.year.world import DECLARED_CUT, NEW_YEAR, PLATFORM_OUTAGE, POWER_CUT

CITY: Final = Actor("city", "tests")
FLEET: Final = Actor("fleet", "fleet")


def _days(span: Span) -> tuple[date, date]:
    return span.begins.astimezone(SHANGHAI).date(), span.ends.astimezone(SHANGHAI).date()


OUTAGE_BEGAN, OUTAGE_ENDED = _days(PLATFORM_OUTAGE)
# The first days, when much is found at once, and whenever something that excuses many is longest, or just over.
A_WEEK: Final = timedelta(days=7)
DAILY: Final = (
    (on_day(0), on_day(9)),
    (NEW_YEAR, NEW_YEAR + A_WEEK),
    (OUTAGE_BEGAN, OUTAGE_ENDED + A_WEEK),
    *((_days(cut)[1] - timedelta(days=3), _days(cut)[1] + A_WEEK) for cut in (POWER_CUT, DECLARED_CUT)),
)
RULES_EVERY: Final = 3
HEALTH_EVERY: Final = 30
# In the midst of the outage as well.
HEALTH_ALSO: Final = OUTAGE_BEGAN + timedelta(days=4)


class Year:
    """A fleet and the year that it lives through, in the database of *connection*."""

    def __init__(self, connection: Connection[Any], seed: int, key: Path) -> None:
        self.connection = connection
        self.fleet = fleet(seed)
        self._keys = Keys(key)
        self._seed = seed
        self._ledger = Ledger(self.fleet)
        self._telemetry = Telemetry(connection, self.fleet)
        self._spent: Counter[str] = Counter()

    def live(self) -> None:
        """All days of the year, one after the other."""
        # Whether a simulated year would survive a crash of the server is nobody's question.
        self.connection.execute("SET synchronous_commit = off")
        with acting(self.connection, CITY, keys=self._keys):
            self._ledger.open(self.connection)
        self._telemetry.begin(self._seed)
        for number in range(DAYS):
            self._live(number)

    def timing(self) -> str:
        """Seconds that each part of it took."""
        return ", ".join(f"{part} {spent / 1000:.1f} s" for part, spent in self._spent.most_common())

    def _live(self, number: int) -> None:
        day = on_day(number)
        now = at(day + timedelta(days=1), 2)
        with self._clocked("ledger"):
            with acting(self.connection, CITY, keys=self._keys):
                self._ledger.enter(self.connection, day)
            self._telemetry.join()
        with self._clocked("telemetry"):
            self._telemetry.send(day)
            if number in (2, 20):
                # Later, the server's own rounds have seen that the tables are no longer empty.
                self.connection.execute("ANALYZE")
        with self._clocked("roll"):
            with acting(self.connection, FLEET, keys=self._keys):
                roll(self.connection, day, now=now)
            roll_stale(self.connection, now=now, keys=self._keys)
            self._tell_of_cuts(day, now)
        if number % HEALTH_EVERY == HEALTH_EVERY - 1 or day == HEALTH_ALSO:
            with self._clocked("health"):
                self._examine(day)
        if number % RULES_EVERY == 0 or any(first <= day <= last for first, last in DAILY):
            with self._clocked("rules"), acting(self.connection, FLEET, keys=self._keys):
                obsolescence.evaluate(self.connection, day=day, now=now)

    def _tell_of_cuts(self, day: date, now: datetime) -> None:
        """A long power cut is told of on its third day, and when it is over; the days that it touches count anew."""
        began, ended = _days(DECLARED_CUT)
        if day not in (began + timedelta(days=2), ended):
            return
        with acting(self.connection, CITY, keys=self._keys):
            if day == ended:
                told = next(of for of in outages.open_outages(self.connection) if of.source == "declared")
                outages.end(self.connection, told.outage_id, ended_at=DECLARED_CUT.ends, now=now)
            else:
                outages.declare(self.connection, "site", "W6", DECLARED_CUT.begins, None, "变压器损坏", now=now)
        roll_due(self.connection, now=now, keys=self._keys)

    def _examine(self, day: date) -> None:
        """The health of all as at the end of *day*, kept as its last."""
        now = at(day, 23, 59)
        self._telemetry.catch_up(now)
        health.evaluate(self.connection, now=now)
        days_of_health.close_day(self.connection, day)

    @contextmanager
    def _clocked(self, part: str) -> Iterator[None]:
        begun = perf_counter()
        yield
        self._spent[part] += round((perf_counter() - begun) * 1000)
