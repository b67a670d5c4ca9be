"""Who is online, late, silent, never seen, and whose silence is excused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest

from fleet.presence.presence import PRESENCE
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.registry import Registry
from ingest.writer import write
from store.database import connect_service
from tests.integration.days.conftest import DAY, LONG_AGO, World, at


def line(world: World, device_no: str, heard_at: datetime | None, offline_at: datetime | None = None) -> None:
    """What is known of a line: when it was heard, and when its will came."""
    state, state_at = ("online", heard_at or LONG_AGO) if offline_at is None else ("offline", offline_at)
    row = {"boot_id": 1, "boot_at": LONG_AGO, "state": state, "state_at": state_at, "told_at": state_at}
    world.add("device_presence", device_id=world.numbers[device_no], last_heard_at=heard_at, **row)


def presence(world: World, device_no: str, now: datetime) -> tuple[Any, ...]:
    """Its presence, and by what it is excused."""
    row: tuple[Any, ...] | None = world.connection.execute(
        f"SELECT presence, excused_by FROM ({PRESENCE}) AS p WHERE device_id = {world.numbers[device_no]}",  # noqa: S608
        {"now": now},
    ).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "online"), (600, "online"), (601, "late"), (86_400, "late"), (86_401, "silent")]
)
def test_presence_where_it_never_closes(world: World, seconds: int, expected: str) -> None:
    """Late and silent after the seconds of its kind."""
    world.site("M")
    world.device("S1", "M")
    line(world, "S1", at(12))
    assert presence(world, "S1", at(12) + timedelta(seconds=seconds)) == (expected, None)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(17, 59), ("online", None)),
        (at(18, 4), ("online", None)),
        # At night the clock on the wall tells, and nobody is to blame.
        (at(23), ("late", "closed")),
        (at(24 + 17, 57), ("late", None)),
        # In the morning it has the rest of its ten minutes, of which two were open the evening before.
        (at(24 + 6, 8), ("online", None)),
        (at(24 + 6, 9), ("late", None)),
        # Two days of twelve hours are a day of silence.
        (at(48 + 17, 57), ("late", None)),
        (at(48 + 17, 59), ("silent", None)),
        (at(48 + 19), ("silent", "closed")),
    ],
)
def test_silence_counts_while_the_site_is_open(world: World, now: datetime, expected: tuple[str, str | None]) -> None:
    """A shop that was closed over night is not late before it could have been heard."""
    world.site("M", "1-7 06:00-18:00")
    world.device("S1", "M")
    line(world, "S1", at(17, 58))
    assert presence(world, "S1", now) == expected


def test_will_makes_late_at_once(world: World) -> None:
    """Until the site opens the next time: switched off in the evening, it has time in the morning."""
    world.site("M", "1-7 06:00-18:00")
    world.device("S1", "M")
    line(world, "S1", at(17, 58), offline_at=at(17, 59))
    assert presence(world, "S1", at(17, 59, 30)) == ("late", None)
    assert presence(world, "S1", at(24 + 6, 1)) == ("online", None)
    assert presence(world, "S1", at(24 + 6, 9)) == ("late", None)


def test_closure_of_a_festival_is_no_silence(world: World) -> None:
    """Closed for a week, it is late ten minutes after it opened again, and silent much later."""
    site_id = world.site("M", "1-7 06:00-18:00")
    world.device("S1", "M")
    line(world, "S1", at(18))
    days = {"begins_on": DAY + timedelta(days=1), "ends_on": DAY + timedelta(days=7)}
    world.add("site_closures", site_id=site_id, kind="holiday", reason="春节", **days)
    assert presence(world, "S1", at(24 * 5 + 12)) == ("silent", "closed")
    assert presence(world, "S1", at(24 * 8 + 6, 9)) == ("online", None)
    assert presence(world, "S1", at(24 * 8 + 6, 11)) == ("late", None)


def test_outages_excuse(world: World) -> None:
    """While they last; after them whoever was cut off has its whole time again."""
    one, _ = world.site("ONE"), world.site("OTHER")
    for device_no, site_no in (("S1", "ONE"), ("S2", "OTHER")):
        world.device(device_no, site_no)
        line(world, device_no, at(9))
    outage = {"source": "detected", "reason": "x", "began_at": at(9), "ended_at": at(11)}
    world.add("outages", scope="site", site_id=one, **outage)
    assert presence(world, "S1", at(10, 59)) == ("online", None)
    assert presence(world, "S2", at(10, 59)) == ("late", None)
    assert presence(world, "S1", at(11, 9)) == ("online", None)
    assert presence(world, "S1", at(11, 11)) == ("late", None)
    world.add("outages", scope="platform", source="declared", reason="x", began_at=at(11, 30))
    assert presence(world, "S1", at(11, 40)) == ("late", "platform_outage")
    world.connection.execute("UPDATE outages SET dismissed_at = now() WHERE scope = 'platform'")
    assert presence(world, "S1", at(11, 40)) == ("late", None)
    world.connection.execute("UPDATE outages SET began_at = %s, ended_at = NULL WHERE scope = 'site'", (at(10),))
    assert presence(world, "S1", at(11, 40)) == ("late", "site_outage")


def test_who_never_spoke_is_never_seen(world: World) -> None:
    """A will alone is no life; who is out of service or at a site that is given up is excused."""
    world.site("M")
    world.site("GONE", status="cancelled")
    for device_no, site_no, state in (
        ("NONE", "M", "in_service"),
        ("WILL", "M", "in_service"),
        ("FAULTY", "M", "faulty"),
        ("GONE", "GONE", "in_service"),
    ):
        world.device(device_no, site_no, state=state)
    line(world, "WILL", None, offline_at=at(9))
    assert presence(world, "NONE", at(12)) == presence(world, "WILL", at(12)) == ("never_seen", None)
    assert presence(world, "FAULTY", at(12)) == ("never_seen", "not_in_service")
    assert presence(world, "GONE", at(12)) == ("never_seen", "closed")


async def test_death_after_rebirth_is_no_death(database_url: str, connection: psycopg.Connection[Any]) -> None:
    """The will of the boot before comes after the birth of the next one: the device is online, and stays so."""
    world = World(connection)
    world.site("M")
    world.device("S1", "M")
    now = datetime.now(UTC)
    async with await connect_service(database_url, application_name="test") as opened:
        registry = Registry()
        await registry.load(opened)
        for seconds, state, boot in ((0, "online", "a"), (60, "online", "b"), (61, "offline", "a")):
            batch = Batch()
            payload = orjson.dumps({"v": 1, "boot": boot, "state": state})
            arrived_at = now + timedelta(seconds=seconds)
            take_in([Arrival("tracefleet/v1/S1/presence", payload, arrived_at)], registry, batch)
            await write(opened, batch, worker="w")
    assert presence(world, "S1", now + timedelta(seconds=70)) == ("online", None)
    assert presence(world, "S1", now + timedelta(seconds=600)) == ("online", None)
