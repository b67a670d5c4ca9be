"""A market with devices in it, their days written as the roll-up would, and a run of the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row

from fleet.acting import Actor, acting
from fleet.business_day import SHANGHAI
from fleet.keys import Keys
from fleet.obsolescence.evaluating import Evaluation, evaluate

KINDS: Final = ("trace_scale", "kiosk", "logger", "handheld")
# A Sunday long after the first versions of the rules.
DAY: Final = date(2026, 3, 1)


def after(day: date) -> datetime:
    """When the day before is judged: a quarter past midnight in Shanghai."""
    return datetime(day.year, day.month, day.day, 0, 20, tzinfo=SHANGHAI) + timedelta(days=1)


@dataclass
class Fleet:
    """The fleet under test."""

    connection: psycopg.Connection[Any]
    keys: Keys

    def device(self, device_no: str, kind: str = "trace_scale", site_no: str = "S1", /, **more: object) -> int:
        """The id of a new device, in service and acquired before the notice unless told otherwise."""
        given = {"acquired_on": date(2017, 5, 1), "created_at": datetime(2018, 1, 1, tzinfo=UTC), **more}
        row = self.connection.execute(
            f"INSERT INTO devices (device_no, model_id, site_id, {', '.join(given)})"  # noqa: S608
            f" SELECT %s, model_id, site_id{', %s' * len(given)} FROM models, sites"
            " WHERE model_no = %s AND site_no = %s RETURNING device_id",
            (device_no, *given.values(), kind, site_no),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def days(self, device_ids: Sequence[int] | int, *, ends: date = DAY, days: int = 60, **of_a_day: object) -> None:
        """Days of devices, the last of them *ends*: 120 slots expected and heard, 20 sales, unless told otherwise."""
        ids = [device_ids] if isinstance(device_ids, int) else list(device_ids)
        given = {"expected_slots": 120, "online_slots": 120, "records": 150, "trades": 20, **of_a_day}
        self.connection.execute(
            f"INSERT INTO device_days (device_id, day, site_id, {', '.join(given)})"  # noqa: S608
            f" SELECT device_id, day, site_id{', %s' * len(given)} FROM devices,"
            " generate_series(%s::date, %s::date, '1 day') AS day WHERE device_id = ANY(%s)"
            f" ON CONFLICT (device_id, day) DO UPDATE SET {', '.join(f'{c} = EXCLUDED.{c}' for c in given)}",
            (*given.values(), ends - timedelta(days=days - 1), ends, ids),
        )

    def run(self, day: date = DAY) -> Evaluation:
        """Judge a day, as the sweep does after it."""
        with acting(self.connection, Actor("fleet", "fleet"), keys=self.keys):
            return evaluate(self.connection, day=day, now=after(day))

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What a query answers."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), values).fetchall()

    def findings(self, device_id: int) -> list[dict[str, Any]]:
        """The findings of a device, the first first."""
        return self.rows("SELECT * FROM findings WHERE device_id = %s ORDER BY finding_id", device_id)

    def open_rules(self, device_id: int) -> set[str]:
        """The rules whose findings are open."""
        return {of["rule"] for of in self.findings(device_id) if of["cleared_at"] is None}

    def flag(self, device_id: int) -> dict[str, Any] | None:
        """The last flag of a device."""
        flags = self.rows("SELECT * FROM flags WHERE device_id = %s ORDER BY flag_id DESC LIMIT 1", device_id)
        return flags[0] if flags else None

    def verdict(self, device_id: int) -> tuple[str, int, str | None] | None:
        """Verdict, score, and what holds a flag back."""
        rows = self.rows("SELECT * FROM device_verdicts WHERE device_id = %s", device_id)
        return (rows[0]["verdict"], rows[0]["score"], rows[0]["held_back_by"]) if rows else None


@pytest.fixture
def fleet(connection: psycopg.Connection[Any], tmp_path: Path) -> Fleet:
    """Two sites, and a model of some kinds."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code) VALUES"
        " ('S1', '市场一', 'Market 1', 'wet_market', '410102'), ('S2', '市场二', 'Market 2', 'wet_market', '410203')"
    )
    connection.execute(
        "INSERT INTO models (model_no, kind, vendor) SELECT kind, kind, 'v' FROM unnest(%s::text[]) AS kind",
        (list(KINDS),),
    )
    return Fleet(connection, Keys(tmp_path / "key"))
