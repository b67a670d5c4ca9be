"""A small fleet with the days behind it that a test wants; the time is fixed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from fleet.health.evaluating import Evaluated, evaluate
from tests.conftest import fresh_database

# Ten in the morning in Shanghai, a Wednesday.
NOW = datetime(2026, 6, 10, 2, 0, tzinfo=UTC)
TODAY = date(2026, 6, 10)
LONG_AGO = NOW - timedelta(days=400)


@dataclass
class Fleet:
    """Rows put where ingest, the ledger and the roll-up would put them."""

    connection: psycopg.Connection[Any]

    def device(self, device_no: str, kind: str = "trace_scale", **more: object) -> int:
        """The id of a new device at the one site, in service, heard just now."""
        self.connection.execute(
            "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
            " VALUES ('410100001', '市场', 'Market', 'wet_market', '410105') ON CONFLICT DO NOTHING"
        )
        self.connection.execute(
            "INSERT INTO models (model_no, kind, vendor, min_firmware) VALUES (%(kind)s, %(kind)s, 'v', '2.4.0')"
            " ON CONFLICT DO NOTHING",
            {"kind": kind},
        )
        row: dict[str, object] = {"device_no": device_no, "created_at": LONG_AGO, "state_since": LONG_AGO} | more
        found = self.connection.execute(
            sql.SQL(
                "INSERT INTO devices (model_id, site_id, {}) SELECT model_id, site_id, {} FROM models, sites"
                " WHERE model_no = %s RETURNING device_id"
            ).format(sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join([sql.Placeholder()] * len(row))),
            [*row.values(), kind],
        ).fetchone()
        assert found is not None
        device_id = int(found[0])
        self.heard(device_id, NOW)
        return device_id

    def heard(self, device_id: int, at: datetime, **more: object) -> None:
        """It was heard last at that time."""
        self.connection.execute("DELETE FROM device_presence WHERE device_id = %s", (device_id,))
        line = {"device_id": device_id, "boot_id": 1, "boot_at": at, "state": "online", "state_at": at, "told_at": at}
        self.add("device_presence", **line, last_heard_at=at, **more)

    def days(self, device_id: int, first: int, last: int = 0, **more: object) -> None:
        """Days of it from *first* days ago to *last* days ago, well unless told otherwise."""
        row: dict[str, object] = {"expected_slots": 288, "online_slots": 288, "heard_slots": 288, "records": 300} | more
        for back in range(first, last - 1, -1):
            day = TODAY - timedelta(days=back)
            self.connection.execute("DELETE FROM device_days WHERE device_id = %s AND day = %s", (device_id, day))
            self.add("device_days", device_id=device_id, day=day, site_id=1, **row)

    def status(self, device_id: int, at: datetime = NOW, **record: object) -> None:
        """What it said of itself last."""
        self.connection.execute("DELETE FROM latest WHERE device_id = %s AND stream = 'status'", (device_id,))
        told = {"stream": "status", "at": at, "seq": 1, "received_at": at, "record": Jsonb(record)}
        self.add("latest", device_id=device_id, **told)

    def add(self, table: str, **row: object) -> None:
        """Insert one row."""
        self.connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            list(row.values()),
        )

    def evaluate(self, now: datetime = NOW) -> Evaluated:
        """Judge everything."""
        return evaluate(self.connection, now=now)

    def health(self, device_id: int) -> dict[str, Any] | None:
        """The row of a device, its reasons as points by check."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute("SELECT * FROM device_health WHERE device_id = %s", (device_id,)).fetchone()
        return row and row | {"lost": {reason["check"]: reason["points"] for reason in row["reasons"]}}

    def value(self, query: str) -> Any:
        """The one value of a query of the test's own."""
        row = self.connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="session")
def health_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """One database for all tests that take back what they did."""
    yield from fresh_database(server_url, template=template_database)


@pytest.fixture
def fleet(health_database_url: str) -> Iterator[Fleet]:
    """An empty one, in a transaction that is rolled back."""
    with psycopg.connect(health_database_url) as connection:
        yield Fleet(connection)
        connection.rollback()
