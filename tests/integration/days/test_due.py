"""Which days are rolled up when, and that nothing that comes late is forgotten."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest

from fleet.business_day import begin_of, day_of
from fleet.days.day import DAY as ONE_DAY
from fleet.days.due import Rolled, ask_again, is_due, roll_due
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.registry import Registry
from ingest.writer import write
from store.database import connect_service
from tests.integration.days.conftest import DAY, World, at

NOON = at(12)


@pytest.mark.parametrize(
    ("rolled_at", "seconds", "now", "expected"),
    [
        (None, 0, at(0), True),
        (at(8), 1, at(8, 9, 59), False),
        (at(8), 1, at(8, 10), True),
        # It takes a minute each time, so every twenty minutes will do.
        (at(8), 60, at(8, 19, 59), False),
        (at(8), 60, at(8, 20), True),
        (at(23, 59), 1, at(24), True),
        (at(24), 1, at(35, 59), False),
        (at(24), 1, at(36), True),
        (at(36), 1, at(240), False),
    ],
)
def test_day_is_due(rolled_at: datetime | None, seconds: float, now: datetime, expected: bool) -> None:
    """Every ten minutes while it runs, when it is over, and after the cut-off at noon of the next day."""
    assert is_due(DAY, Rolled(DAY, rolled_at, 1, seconds) if rolled_at else None, now=now) == expected


@pytest.mark.parametrize(
    ("seconds", "minutes", "expected"), [(1, 0.9, False), (1, 1, True), (6, 1, False), (6, 2, True)]
)
def test_day_of_an_empty_ledger_is_due_soon(seconds: float, minutes: float, expected: bool) -> None:
    """Whoever has just filled it sees first numbers within a minute; a slow day waits its twenty times all the same."""
    now = NOON + timedelta(minutes=minutes)
    assert is_due(DAY, Rolled(DAY, NOON, 0, seconds), now=now) == expected
    assert is_due(DAY, Rolled(DAY, NOON, 9, seconds), now=now, is_first=True) == expected


def test_first_day_is_rolled_up_every_minute(world: World) -> None:
    """With devices in it from the start; once a day is behind it, every ten minutes."""
    world.site("M")
    world.device("S1", "M")
    assert due(world, NOON) == [0]
    assert due(world, NOON + timedelta(seconds=50)) == []
    assert due(world, NOON + timedelta(minutes=1)) == [0]
    tomorrow = NOON + timedelta(days=1)
    assert due(world, tomorrow) == [0, 1]
    assert due(world, tomorrow + timedelta(minutes=9)) == []


def due(world: World, now: datetime) -> list[int]:
    """How many days back each is that was rolled up, in a savepoint each."""
    return [(day_of(now) - day).days for day in roll_due(world.connection, now=now)]


def test_days_missed_are_rolled_up_once(world: World) -> None:
    """The running one first, the others in their order since anybody was heard; after that each when it is due."""
    world.site("M")
    world.device("S1", "M")
    world.heard("S1", day=DAY - timedelta(days=3))
    assert due(world, NOON) == [0, 3, 2, 1]
    assert due(world, NOON) == []
    assert due(world, NOON + timedelta(minutes=10)) == [0]
    assert due(world, at(24 + 11)) == [0, 1]
    assert due(world, at(24 + 12)) == [0, 1]
    assert world.value("SELECT count(*) FROM device_days") == 5


def test_first_round_that_was_broken_off_is_taken_up(world: World) -> None:
    """After the running day alone: those before it are rolled up in the next round."""
    world.site("M")
    world.device("S1", "M")
    world.heard("S1", day=DAY - timedelta(days=3))
    world.roll(now=NOON)
    assert due(world, NOON) == [3, 2, 1]


def test_no_more_days_are_caught_up_than_anybody_waits_for(world: World) -> None:
    """Sixty, and the running one; in a new installation the running one alone."""
    assert due(world, NOON) == [0]
    world.connection.execute("UPDATE rolled_days SET day = day - 400")
    assert due(world, NOON) == [0, *range(60, 0, -1)]


def test_days_are_rolled_up_anew_when_asked(world: World) -> None:
    """As far as they were."""
    world.connection.execute("INSERT INTO rolled_days SELECT %s::date - n, %s, 0, 0 FROM generate_series(0, 5) AS n",
                             (DAY, NOON))  # fmt: skip
    ask_again(world.connection, at(-30), at(-1))
    assert due(world, NOON) == [2, 1]


async def test_what_comes_late_is_rolled_up(database_url: str, connection: psycopg.Connection[Any]) -> None:
    """A backlog of the day before yesterday, and what crossed midnight on its way; once, and only those devices."""
    world = World(connection)
    world.site("M")
    for device_no in ("S1", "S2", "S3"):
        world.device(device_no, "M", "logger")
    noon = begin_of(day_of(datetime.now(UTC))) - ONE_DAY / 2
    midnight = begin_of(day_of(noon))
    # It is no installation's first day, on which each minute counts.
    connection.execute("INSERT INTO rolled_days VALUES (%s, %s, 3, 0)", (day_of(noon) - 3 * ONE_DAY, noon))
    roll_due(connection, now=noon)
    await arrive(database_url, "S1", noon, noon - 2 * ONE_DAY, noon)
    await arrive(database_url, "S2", midnight + timedelta(seconds=1), midnight - timedelta(seconds=1))
    await arrive(database_url, "S3", noon, noon)
    stale = [("S1", day_of(noon) - 2 * ONE_DAY, 1), ("S2", day_of(noon) - ONE_DAY, 1)]
    query = "SELECT device_no, day, noted FROM stale_days JOIN devices USING (device_id) ORDER BY device_no"
    assert connection.execute(query.encode()).fetchall() == stale
    assert roll_due(connection, now=noon + timedelta(minutes=1)) == []
    assert connection.execute(query.encode()).fetchall() == []
    assert world.day("S1", "records", "late", day=day_of(noon) - 2 * ONE_DAY) == (1, 1)
    assert world.day("S2", "records", "late", day=day_of(noon) - ONE_DAY) == (1, 0)
    assert world.day("S3", "records", day=day_of(noon)) == 0


def test_note_made_meanwhile_stays(connection: psycopg.Connection[Any]) -> None:
    """What was noted again after it was read is not done."""
    world = World(connection)
    world.site("M")
    world.device("S1", "M")
    connection.execute("INSERT INTO stale_days VALUES (%s, %s)", (world.numbers["S1"], DAY))
    trigger = """
    CREATE FUNCTION come_late() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN UPDATE stale_days SET noted = noted + 1; RETURN NULL; END $$;
    CREATE TRIGGER late AFTER INSERT ON device_days EXECUTE FUNCTION come_late()
    """
    connection.execute(trigger.encode())
    insert = "INSERT INTO rolled_days VALUES (%s, %s, 1, 0)"
    for day in (DAY - ONE_DAY, DAY, DAY + ONE_DAY):
        connection.execute(insert, (day, at(30)))
    roll_due(connection, now=at(30, 1))
    assert world.value("SELECT noted FROM stale_days") == 2


async def arrive(database_url: str, device_no: str, received_at: datetime, *ats: datetime) -> None:
    """Write a message as a worker does that got it at *received_at*."""
    async with await connect_service(database_url, application_name="test") as connection:
        registry = Registry()
        await registry.load(connection)
        records = [{"at": at.isoformat(), "temperature_c": 1.0} for at in ats]
        payload = orjson.dumps({"v": 1, "boot": "b", "seq": 0, "records": records})
        batch = Batch()
        take_in([Arrival(f"tracefleet/v1/{device_no}/coldchain", payload, received_at)], registry, batch)
        await write(connection, batch, worker="w")
