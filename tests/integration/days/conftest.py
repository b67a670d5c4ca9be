"""A market, a cold store and their devices, with rows put where ingest would put them; the days are fixed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from fleet.business_day import begin_of
from fleet.days.day import SLOT_SECONDS, SLOTS
from fleet.days.rolling import roll
from store.records import IDENTITY_COLUMNS
from tests.conftest import fresh_database

# A Wednesday.
DAY = date(2026, 6, 10)
LATER = begin_of(DAY) + timedelta(days=3)
LONG_AGO = begin_of(DAY) - timedelta(days=400)
SAMPLES: dict[str, dict[str, Any]] = {
    "weighing": {
        "trade_no": "T1",
        "kind": "sale",
        "net_g": 500,
        "unit_price_fen_per_kg": 3000,
        "amount_fen": 1500,
        "stable": True,
    },
    "scan": {"code": "4101000010001", "purpose": "sale", "result": "ok"},
    "coldchain": {"temperature_c": 2.5},
    "status": {"uptime_s": 60},
}


@dataclass
class World:
    """The ledger and the telemetry under test."""

    connection: psycopg.Connection[Any]
    numbers: dict[str, int] = field(default_factory=dict)
    seq: int = 0

    def add(self, table: str, returning: str | None = None, /, **row: object) -> Any:
        """Insert one row; the value of the column *returning*, or None."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        if returning:
            statement += sql.SQL(" RETURNING {}").format(sql.Identifier(returning))
        cursor = self.connection.execute(statement, list(row.values()))
        found = cursor.fetchone() if returning else None
        return found[0] if found else None

    def site(self, site_no: str, hours: str | None = None, kind: str = "wet_market", **more: object) -> int:
        """The id of a new site."""
        names = {"name_zh": "市场", "name_en": "Market", "region_code": "410105"}
        return int(self.add("sites", "site_id", site_no=site_no, kind=kind, opening_hours=hours, **names, **more))

    def device(self, device_no: str, site_no: str, kind: str = "trace_scale", **more: object) -> int:
        """The id of a new device, in service for long unless told otherwise."""
        self.connection.execute(
            "INSERT INTO models (model_no, kind, vendor) VALUES (%(kind)s, %(kind)s, 'v') ON CONFLICT DO NOTHING",
            {"kind": kind},
        )
        model_id, site_id = self.value(
            "SELECT ARRAY[model_id, site_id] FROM models, sites WHERE model_no = %s AND site_no = %s", kind, site_no
        )
        since = {"created_at": LONG_AGO, "state_since": LONG_AGO}
        row = {"device_no": device_no, "model_id": model_id, "site_id": site_id} | since | more
        self.numbers[device_no] = int(self.add("devices", "device_id", **row))
        return self.numbers[device_no]

    def step(self, device_no: str, before: str | None, after: str, at: datetime) -> None:
        """A step on record."""
        names = {"from_state": before, "to_state": after, "at": at, "actor": "li"}
        self.add("device_transitions", device_id=self.numbers[device_no], **names)

    def heard(self, device_no: str, first: int = 0, end: int = SLOTS, day: date = DAY) -> None:
        """It was heard in the slots from *first* until before *end*."""
        bits = "".join("1" if first <= slot < end else "0" for slot in range(SLOTS))
        self.connection.execute(
            "INSERT INTO presence_slots AS p (device_id, day, heard) VALUES (%s, %s, %s::text::bit(288))"
            " ON CONFLICT (device_id, day) DO UPDATE SET heard = p.heard | excluded.heard",
            (self.numbers[device_no], day, bits),
        )

    def record(
        self, stream: str, device_no: str, at: datetime, late: timedelta = timedelta(seconds=1), **more: object
    ) -> None:
        """A record of a stream, as the sample of it unless told otherwise."""
        self.seq += 1
        identity = (self.numbers[device_no], 1, self.seq, at + late, False, at)
        self.add(stream, **dict(zip(IDENTITY_COLUMNS, identity, strict=True)), **(SAMPLES[stream] | more))

    def value(self, query: str, *parameters: object) -> Any:
        """The one value that a query of the test's own finds."""
        row = self.connection.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return row[0]

    def roll(self, day: date = DAY, *, now: datetime = LATER, device_ids: list[int] | None = None) -> int:
        """Roll a day up, in a transaction."""
        with self.connection.transaction():
            return roll(self.connection, day, now=now, device_ids=device_ids)

    def day(self, device_no: str, *columns: str, day: date = DAY) -> Any:
        """What the day of a device came to: a value, or a tuple of them; None where there is no row."""
        query = sql.SQL("SELECT {} FROM device_days JOIN devices USING (device_id) WHERE device_no = %s AND day = %s")
        names = sql.SQL(", ").join(sql.Identifier("device_days", column) for column in columns)
        row = self.connection.execute(query.format(names), (device_no, day)).fetchone()
        return row[0] if row is not None and len(columns) == 1 else row

    def open(self, site_no: str, day: date = DAY) -> tuple[list[int], str | None]:
        """The first slot and the one after the last of each run of open slots, and why there is none."""
        bits, closed_by = self.connection.execute(
            "SELECT open::text, closed_by FROM site_days JOIN sites USING (site_id) WHERE site_no = %s AND day = %s",
            (site_no, day),
        ).fetchone() or ("", None)
        padded = f"0{bits}0"
        return [slot for slot in range(len(bits) + 1) if padded[slot] != padded[slot + 1]], closed_by


@pytest.fixture(scope="session")
def days_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """One database for all tests that take back what they did."""
    yield from fresh_database(server_url, template=template_database)


@pytest.fixture
def world(days_database_url: str) -> Iterator[World]:
    """An empty one, in a transaction that is rolled back."""
    with psycopg.connect(days_database_url) as connection:
        yield World(connection)
        connection.rollback()


def at(hour: int, minute: int = 0, second: int = 0, day: date = DAY) -> datetime:
    """A time of the day in Shanghai."""
    return begin_of(day) + timedelta(hours=hour, minutes=minute, seconds=second)


def slot(hour: int, minute: int = 0) -> int:
    """The number of the slot that begins then."""
    return (hour * 3600 + minute * 60) // SLOT_SECONDS
