"""When the fleet is judged by itself, what is counted, and how the facts are read."""

from datetime import date, datetime, timedelta

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from fleet.metrics import Metrics
from fleet.obsolescence.facts import Windows
from fleet.obsolescence.gathering import FACTS, FACTS_OF, parameters
from fleet.obsolescence.rules import RULES
from fleet.obsolescence.sweeping import count, evaluate_due
from tests.integration.obsolescence.conftest import DAY, Fleet, after

TELEMETRY = ("weighing", "scan", "coldchain", "status", "presence_slots", "dead_letters", "boots")


def rolled(fleet: Fleet, at: datetime, day: date = DAY) -> None:
    """Say that a day was rolled up."""
    fleet.connection.execute(
        "INSERT INTO rolled_days (day, rolled_at, devices, seconds) VALUES (%s, %s, 1, 1)"
        " ON CONFLICT (day) DO UPDATE SET rolled_at = EXCLUDED.rolled_at",
        (day, at),
    )


def test_yesterday_is_judged_once_when_it_is_rolled_up(fleet: Fleet) -> None:
    """Not before its roll is complete, nor at midnight; and no second time."""
    fleet.days(fleet.device("D-1"), trades=0)
    now = after(DAY)
    assert evaluate_due(fleet.connection, keys=fleet.keys, now=now) is None
    rolled(fleet, now - timedelta(hours=1))
    assert evaluate_due(fleet.connection, keys=fleet.keys, now=now) is None
    rolled(fleet, now - timedelta(minutes=5))
    assert evaluate_due(fleet.connection, keys=fleet.keys, now=now - timedelta(minutes=6)) is None
    told = evaluate_due(fleet.connection, keys=fleet.keys, now=now)
    assert told is not None
    assert (told.day, told.flagged) == (DAY, 1)
    assert evaluate_due(fleet.connection, keys=fleet.keys, now=now + timedelta(hours=1)) is None
    [sealed] = fleet.rows("SELECT DISTINCT actor, reason FROM audit WHERE entity IN ('findings', 'flags')")
    assert sealed == {"actor": "fleet", "reason": f"obsolescence rules for {DAY}"}


def judged(fleet: Fleet, now: datetime) -> list[date]:
    """The days that are judged by *now*, in their order."""
    days: list[date] = []
    while (told := evaluate_due(fleet.connection, keys=fleet.keys, now=now)) is not None:
        days.append(told.day)
    return days


def test_days_missed_are_judged_in_their_order(fleet: Fleet) -> None:
    """Fleet was away for three days: each once it is rolled up, at any hour, and yesterday at its own."""
    fleet.days(fleet.device("D-1"))
    fleet.run()
    back = after(DAY) + timedelta(days=3, hours=9)
    days = [DAY + timedelta(days=n) for n in range(1, 4)]
    rolled(fleet, back, days[0])
    rolled(fleet, back, days[2])
    assert judged(fleet, back) == [days[0]]
    rolled(fleet, back, days[1])
    assert judged(fleet, back - timedelta(hours=9, minutes=10)) == [days[1]]
    assert judged(fleet, back) == [days[2]]


def test_no_more_missed_days_are_judged_than_anybody_waits_for(fleet: Fleet) -> None:
    """Two weeks."""
    fleet.run(DAY - timedelta(days=100))
    for n in range(30):
        rolled(fleet, after(DAY), DAY - timedelta(days=n))
    assert judged(fleet, after(DAY)) == [DAY - timedelta(days=n) for n in range(13, -1, -1)]


@pytest.mark.anyio
async def test_what_is_open_is_counted(fleet: Fleet, database_url: str) -> None:
    """By rule and by kind, zero where nothing is."""
    fleet.days(fleet.device("D-1"), trades=0)
    fleet.device("K-1", "kiosk", "S2")
    fleet.run()
    registry = CollectorRegistry()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await count(connection, Metrics(registry))
    found = {rule: registry.get_sample_value("tracefleet_fleet_findings", {"rule": rule}) for rule in RULES}
    assert found == dict.fromkeys(RULES, 0) | {"dormant": 1, "forbidden_kind": 1}
    for kind, flagged in (("kiosk", 1), ("gateway", 0)):
        assert registry.get_sample_value("tracefleet_fleet_flags", {"kind": kind}) == flagged


def _plan(fleet: Fleet, query: str, asked: dict[str, object]) -> str:
    """How the server reads the facts when two years of days are kept."""
    lines = fleet.connection.execute(f"EXPLAIN {query}".encode(), asked).fetchall()
    return "\n".join(str(line) for (line,) in lines)


def test_facts_are_read_from_days_alone(fleet: Fleet) -> None:
    """No telemetry; of two years only the window, by its index; once over, not once a device."""
    devices = [fleet.device(f"D-{n}") for n in range(40)]
    fleet.days(devices, days=750)
    fleet.connection.execute("VACUUM ANALYZE")
    asked: dict[str, object] = parameters(DAY, Windows())
    plan = _plan(fleet, FACTS, asked)
    assert not [table for table in TELEMETRY if f"on {table}" in plan]
    assert "HashAggregate" in plan or "GroupAggregate" in plan
    assert plan.count("on device_days") in (1, 2)
    few = _plan(fleet, FACTS_OF, asked | {"device_ids": devices[:3]})
    assert "device_days_pkey" in few
    assert "Seq Scan on device_days" not in few
    fleet.connection.execute("SET enable_seqscan = off")
    assert "device_days_by_day" in _plan(fleet, FACTS, asked) or "device_days_pkey" in _plan(fleet, FACTS, asked)
