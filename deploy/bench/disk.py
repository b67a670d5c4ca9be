"""The benchmark of the disk: bytes a record and bytes a day, measured on days of a simulated city.

Indexes are counted in. On TimescaleDB the same days are compressed afterwards, and the roll-ups filled. Days of sites
and devices, health and audit are made by the fleet's own code.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from psycopg import sql

from deploy.bench import database, machine
from deploy.bench.database import Connection, one, wal_bytes
from deploy.bench.disk_days import Days
from deploy.bench.progress import Bar
from deploy.bench.run import signals_interrupt
from deploy.simulator import seeding
from deploy.simulator.city import City, build
from fleet.business_day import SHANGHAI, today
from fleet.days.rolling import roll
from fleet.health.days_of_health import close_day
from fleet.health.evaluating import evaluate
from fleet.keys import Keys
from store.arrays import register
from store.database import connect_once
from store.records import TELEMETRY

SEED: Final = 7
ROLLUPS: Final = ("coldchain_5m", "coldchain_1h", "weighing_1h", "scan_1h")
# What grows with every day, and the column that says which day a row is of.
DAILY: Final = ("device_days", "health_days", "presence_slots", "site_days", "rolled_days")
LEDGER: Final = ("devices", "device_placements", "device_transitions", "merchants", "sites")
HOW: Final = {
    "days": "of the simulator's city, each device well and on one boot, written batch by batch by ingest's own writer",
    "raw": "the table with its indexes as ingest left it, chunks included, before anything is compressed",
    "compressed": "the same chunks in the columnstore, with what indexes are left; TimescaleDB only",
    "daily": "rolled up and judged by the fleet's own code",
}

IS_HYPERTABLE: Final = "SELECT telemetry_is_hypertable()"
PLAIN_BYTES: Final = """
SELECT pg_total_relation_size(%(relation)s::regclass), pg_indexes_size(%(relation)s::regclass)
"""
COUNT: Final = sql.SQL("SELECT count(*) FROM {}")
# What follows is TimescaleDB's alone, and private, since the test that prepares all queries may run without it.
_HYPERTABLE_BYTES: Final = """
SELECT coalesce(sum(total_bytes), 0)::int8, coalesce(sum(index_bytes), 0)::int8
FROM hypertable_detailed_size(%(relation)s::regclass)
"""
_COMPRESS: Final = "SELECT count(compress_chunk(c)) FROM show_chunks(%(relation)s::regclass) AS c"
_REFRESH: Final = "CALL refresh_continuous_aggregate(%(relation)s::regclass, NULL, NULL)"
_MATERIALIZED: Final = """
SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_name = %(relation)s
"""
# So that no policy comes between a measurement and the next.
_NO_JOBS: Final = """
SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE job_id >= 1000
"""


def run(devices: int, days: int, *, database_url: str | None) -> dict[str, Any]:
    """The whole report. Everything started is ended and removed, also when interrupted.

    Raises TracefleetError when a server or a part of the benchmark cannot run.
    """
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(days + 2))
        stack.enter_context(signals_interrupt())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracefleet-bench-")))
        about = machine.machine(folder)
        served = stack.enter_context(database.serve(folder / "database", database_url))
        connection = stack.enter_context(connect_once(served.url, application_name=database.NAME))
        register(connection.adapters)
        bar.begin("the ledger")
        city, keys = build(devices, SEED), Keys(folder / "key")
        seeding.seed(served.url, city, keys=keys, is_wanted=None)
        rig = _Rig(connection, city, days)
        rig.begin()
        bar.end_scenario()
        first = today(datetime.now(UTC)) - timedelta(days=days)
        town = Days(city, first, seed=SEED)
        wal_before = wal_bytes(connection)
        for day in range(days):
            bar.begin(f"day {day + 1} of {town.devices:,} devices")
            town.write(served.url, day)
            bar.end_scenario()
        wal = wal_bytes(connection) - wal_before
        bar.begin("days, compression, sizes")
        rig.roll_days(first)
        report = {
            "machine": about,
            "settings": machine.server(connection, served) | {"devices": town.devices, "days": days, "method": HOW},
            "load": {
                "messages_a_day": {stream: round(n / days) for stream, n in sorted(town.messages.items())},
                "messages_per_second_peak_minute": round(town.peak_messages / 60, 2),
                "roles": rig.roles(),
            },
            "wal_bytes_per_record": None,
        } | rig.sizes()
        records = sum(stream["records"] for stream in report["streams"].values())
        report["wal_bytes_per_record"] = round(wal / records, 1)
        bar.end_scenario()
    return report


class _Rig:
    """The database under measurement."""

    def __init__(self, connection: Connection, city: City, days: int) -> None:
        self._connection = connection
        self._city = city
        self._days = days
        (self._is_hypertable,) = one(connection, IS_HYPERTABLE)

    def begin(self) -> None:
        """Nothing of the server's own comes in between."""
        if self._is_hypertable:
            self._connection.execute(_NO_JOBS)

    def roll_days(self, first: date) -> None:
        """What the fleet makes of the days, one after the other as they end."""
        for number in range(self._days):
            day = first + timedelta(days=number)
            over_at = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=SHANGHAI)
            with self._connection.transaction():
                roll(self._connection, day, now=over_at)
            evaluate(self._connection, now=over_at - timedelta(seconds=30))
            close_day(self._connection, day)

    def roles(self) -> dict[str, int]:
        """How many devices of which kind."""
        roles: dict[str, int] = {}
        for device in self._city.devices:
            roles[device.role] = roles.get(device.role, 0) + 1
        return dict(sorted(roles.items()))

    def sizes(self) -> dict[str, Any]:
        """Bytes of everything, by row where rows are what comes."""
        self._connection.execute("VACUUM ANALYZE")
        raw = {stream: self._of_stream(stream) for stream in TELEMETRY}
        daily = {relation: self._of_rows(relation) for relation in DAILY}
        once = {relation: self._of_rows(relation) for relation in (*LEDGER, "audit", "audit_seals", "latest", "boots")}
        if self._is_hypertable:
            for stream, told in raw.items():
                self._connection.execute(_COMPRESS, {"relation": stream})
                told["compressed_bytes_per_record"] = round(self._bytes(stream)[0] / told["records"], 2)
        return {
            "streams": raw,
            "rollups": dict(self._rollups()),
            "daily": daily,
            "ledger": once,
        }

    def _of_stream(self, stream: str) -> dict[str, Any]:
        told = self._of_rows(stream)
        _, index_bytes = self._bytes(stream)
        return {
            "records": told["rows"],
            "raw_bytes_per_record": told["bytes_per_row"],
            "index_bytes_per_record": round(index_bytes / told["rows"], 1) if told["rows"] else None,
        }

    def _of_rows(self, relation: str) -> dict[str, Any]:
        found = self._connection.execute(COUNT.format(sql.Identifier(relation))).fetchone()
        rows = int(found[0]) if found is not None else 0
        return {"rows": rows, "bytes_per_row": round(self._bytes(relation)[0] / rows, 1) if rows else None}

    def _bytes(self, relation: str) -> tuple[int, int]:
        """Of all of it, and of its indexes."""
        query = _HYPERTABLE_BYTES if self._is_hypertable and relation in TELEMETRY else PLAIN_BYTES
        found = self._connection.execute(query, {"relation": relation}).fetchone()
        return (int(found[0]), int(found[1])) if found is not None else (0, 0)

    def _rollups(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Of each, by the day."""
        if not self._is_hypertable:
            return
        for rollup in ROLLUPS:
            self._connection.execute(_REFRESH, {"relation": rollup})
            (table,) = self._connection.execute(_MATERIALIZED, {"relation": rollup}).fetchone() or (rollup,)
            told = {"bytes_a_day": self._a_day(table)}
            self._connection.execute(_COMPRESS, {"relation": table})
            yield rollup, told | {"compressed_bytes_a_day": self._a_day(table)}

    def _a_day(self, table: str) -> int:
        (total, _) = self._connection.execute(_HYPERTABLE_BYTES, {"relation": table}).fetchone() or (0, 0)
        return round(int(total) / self._days)
