"""What the fleet sends, day by day, in the tables as ingest would leave it."""

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection, sql

from tests.year import sending
from tests.year.calendar import ALWAYS, BEGINS, DAYS, on_day, written
from tests.year.things import Device, Site
from tests.year.world import PLATFORM_OUTAGE, sites

STREAMS: Final = ("weighing", "scan", "coldchain", "status")
HABITS: Final = """
COPY year.habits (device_id, device_no, site_id, first_day, last_day, stream, slots, every, purpose, is_valid, runs,
    is_linked, by_hours, on_mains, bulk, firmware, battery_pct, battery_a_day, base_c, refused_every, fault_every,
    jump_every, is_stuck, boots, boots_nightly) FROM STDIN
"""


class Telemetry:
    """The devices' records of each day, over a connection of its own."""

    def __init__(self, connection: Connection[Any], fleet: Sequence[Device]) -> None:
        self._connection = connection
        self._fleet = fleet
        self._caught_up = BEGINS

    def begin(self, seed: int) -> None:
        """Write down what every device will do. Whoever is not in the ledger yet has no number: see :meth:`join`."""
        with self._connection.transaction():
            self._connection.execute(sending.SCHEMA)
            site_ids = dict(self._connection.execute("SELECT site_no, site_id FROM sites"))
            with self._connection.cursor().copy("COPY year.site_days FROM STDIN") as copy:
                for site in sites():
                    for row in _days_of(site):
                        copy.write_row((site_ids[site.site_no], *row))
            chance = random.Random(seed)  # noqa: S311 - no secret
            with self._connection.cursor().copy(HABITS) as copy:
                for device in self._fleet:
                    for row in _habits_of(device, chance):
                        copy.write_row((None, device.device_no, site_ids[device.site.site_no], *row))
        self._connection.execute("ANALYZE year.habits, year.site_days")
        self._connection.execute(sending.DAY_TABLES)
        self.join()

    def join(self) -> None:
        """Give the devices that are in the ledger by now their numbers."""
        self._connection.execute(
            "UPDATE year.habits AS h SET device_id = d.device_id FROM devices AS d"
            " WHERE d.device_no = h.device_no AND h.device_id IS NULL"
        )

    def send(self, day: date) -> None:
        """Everything that comes on *day*."""
        asked = {"day": day, "number": (day - BEGINS).days}
        with self._connection.transaction():
            for statement in sending.DAY:
                self._connection.execute(statement, asked)

    def catch_up(self, now: datetime) -> None:
        """Bring up what ingest keeps of each device's line and newest records, as at *now*."""
        with self._connection.transaction():
            self._connection.execute(sending.LINES_TOLD, {"now": now})
            for stream in STREAMS:
                statement = sql.SQL(sending.NEWEST.format(stream=stream))
                self._connection.execute(statement, {"since": self._caught_up - timedelta(days=8)})
            self._connection.execute(
                "INSERT INTO workers (worker, started_at, heartbeat_at, connected, unacknowledged)"
                " VALUES ('year', %(begins)s, %(now)s, true, 0)"
                " ON CONFLICT (worker) DO UPDATE SET heartbeat_at = excluded.heartbeat_at",
                {"begins": BEGINS, "now": now},
            )
        self._caught_up = now.date()


def _days_of(site: Site) -> Iterator[tuple[date, str, str, str, float]]:
    for day in map(on_day, range(DAYS)):
        powered, lit = ALWAYS, ALWAYS & ~PLATFORM_OUTAGE.slots(day)
        for cut in site.power_cuts:
            # Loggers have batteries; what they would send over has none.
            powered &= ~cut.slots(day)
            lit &= ~cut.slots(day)
        yield day, written(site.open_slots(day)), written(powered), written(lit), site.warmth.get(day, 0.0)


def _habits_of(device: Device, chance: random.Random) -> Iterator[tuple[Any, ...]]:
    runs = None
    loss = -1.0
    for first, last, habit in device.phases():
        if runs is None or habit.loss != loss:
            runs, loss = habit.runs(chance), habit.loss
        yield (
            first, last, habit.stream, list(habit.slots), habit.every, habit.purpose, habit.is_valid, written(runs),
            habit.is_linked, habit.by_hours, habit.on_mains, habit.bulk, habit.firmware, habit.battery_pct,
            habit.battery_a_day, habit.base_c, habit.refused_every, habit.fault_every, habit.jump_every, habit.is_stuck,
            habit.boots, habit.boots_nightly,
        )  # fmt: skip
