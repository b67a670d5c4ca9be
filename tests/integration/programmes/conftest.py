"""A ledger with a past: devices that came, moved, were held, had cases and went, each on a day of its own."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from fleet.business_day import SHANGHAI
from fleet.programmes.programme import Programme, create

BEGINS, DUE = date(2026, 3, 1), date(2026, 6, 30)


def at(day: date, hour: int = 12, minute: int = 0) -> datetime:
    """A moment of *day* where the devices stand."""
    return datetime.combine(day, time(hour, minute), SHANGHAI)


@dataclass
class Past:
    """Rows as the ledger's own functions would have left them on those days."""

    connection: psycopg.Connection[Any]

    def add(self, table: str, returning: str, /, **row: object) -> int:
        """Insert one row; its number."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
            sql.Identifier(returning),
        )
        found = self.connection.execute(statement, list(row.values())).fetchone()
        assert found is not None
        return int(found[0])

    def site(self, site_no: str, region_code: str = "410102", kind: str = "wet_market") -> int:
        """The id of a new site."""
        return self.add(
            "sites", "site_id", site_no=site_no, name_zh="市场", name_en="Market", kind=kind, region_code=region_code
        )

    def device(self, device_no: str, model_id: int, site_id: int, since: date = date(2025, 1, 1), **more: Any) -> int:
        """The id of a device that is in the ledger, and in its place, since a day."""
        device_id = self.add(
            "devices",
            "device_id",
            device_no=device_no,
            model_id=model_id,
            site_id=site_id,
            created_at=at(since),
            **({"owner_type": "government", "original_value_fen": 500_000} | more),
        )
        self.connection.execute("UPDATE device_placements SET since = %s WHERE device_id = %s", (at(since), device_id))
        return device_id

    def step(self, device_id: int, before: str, after: str, moment: datetime) -> None:
        """A step of a device's life, and the row that follows it."""
        self.connection.execute("UPDATE devices SET state = %s WHERE device_id = %s", (after, device_id))
        self.add(
            "device_transitions",
            "transition_id",
            device_id=device_id,
            from_state=before,
            to_state=after,
            at=moment,
            actor="t",
        )

    def retire(self, device_id: int, day: date) -> None:
        """Dispose of a device."""
        self.step(device_id, "pending_disposal", "disposed", at(day))

    def move(self, device_id: int, site_id: int, day: date) -> None:
        """Carry a device to another site."""
        self.connection.execute("UPDATE devices SET site_id = %s WHERE device_id = %s", (site_id, device_id))
        self.connection.execute(
            "UPDATE device_placements SET until = %(at)s WHERE device_id = %(id)s AND until IS NOT NULL",
            {"at": at(day), "id": device_id},
        )
        self.connection.execute(
            "UPDATE device_placements SET since = %(at)s WHERE device_id = %(id)s AND until IS NULL",
            {"at": at(day), "id": device_id},
        )

    def case(self, device_id: int, case_no: str, *steps: tuple[str, date], path: str = "state", **more: Any) -> int:
        """A case that went through *steps*; its row is that of the last."""
        state, day = steps[-1]
        row: dict[str, Any] = {"case_no": case_no, "device_id": device_id, "path": path, "state": state}
        row |= {"state_since": at(day), "grounds": Jsonb([]), "opened_by": "a"}
        if any(name == "approved" for name, _ in steps):
            row |= {"proposed_by": "a", "approved_by": "b", "approval": "approved"}
        if any(name == "executing" for name, _ in steps):
            row |= {"executed_by": "c", "executed_at": at(day)}
        case_id = self.add("cases", "case_id", **(row | more))
        before = None
        for name, reached in steps:
            self.add(
                "case_steps",
                "step_id",
                case_id=case_id,
                from_state=before,
                to_state=name,
                at=at(reached),
                document="批复7号" if name == "approved" else None,
            )
            before = name
        return case_id

    def flag(self, device_id: int, day: date) -> None:
        """Flag a device."""
        self.add(
            "flags",
            "flag_id",
            device_id=device_id,
            flagged_on=day,
            flagged_at=at(day),
            policy_version=1,
            score=70,
            findings=[],
            sentence_zh="应淘汰",
            sentence_en="It ought to go.",
        )


@pytest.fixture
def past(connection: psycopg.Connection[Any]) -> Past:
    """An empty ledger to be filled."""
    return Past(connection)


@pytest.fixture
def kiosk(past: Past) -> int:
    """The id of a model of kiosks."""
    return past.add("models", "model_id", model_no="QM-1", kind="kiosk", vendor="v")


@pytest.fixture
def market(past: Past) -> int:
    """The id of a market in the prefecture."""
    return past.site("S1")


def campaign(connection: psycopg.Connection[Any], **more: Any) -> Programme:
    """All kiosks of Zhengzhou from March to June, unless told otherwise."""
    told: dict[str, Any] = {
        "programme_no": "P-1",
        "name_zh": "郑州查询机淘汰",
        "name_en": "Kiosks of Zhengzhou",
        "region_code": "4101",
        "kinds": ("kiosk",),
        "begins_on": BEGINS,
        "due_on": DUE,
    }
    return create(connection, Programme(**(told | more)))


def after(days: int) -> date:
    """So many days after the beginning."""
    return BEGINS + timedelta(days=days)
