"""What is written of a device's line and clock, and when it is not worth writing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import psycopg
import pytest
from psycopg import AsyncConnection

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.lines import AGAIN_AFTER, Line, Memory
from ingest.registry import Registry
from ingest.writer import write
from store.database import connect_service

Connection = psycopg.Connection[tuple[object, ...]]
# In the middle of a slot, so that a few seconds more stay in it.
NOW = datetime.now(UTC).replace(minute=2, second=0, microsecond=0) - timedelta(hours=1)


class Worker:
    """Takes in what the logger D1 says, and remembers what it has written of it."""

    def __init__(self, connection: AsyncConnection[tuple[object, ...]], registry: Registry) -> None:
        self._connection = connection
        self._registry = registry
        self._memory = Memory()
        self._seq = 0

    async def hear(self, *, after_seconds: float, sent_ahead_ms: int | None = None) -> None:
        """A reading that came so long after NOW, and was sent so much ahead of that by the device's clock."""
        at = NOW + timedelta(seconds=after_seconds)
        body: dict[str, object] = {
            "v": 1,
            "boot": "b",
            "seq": self._seq,
            "records": [{"at": at.isoformat(), "temperature_c": 1.0}],
        }
        if sent_ahead_ms is not None:
            body["sent_at"] = (at + timedelta(milliseconds=sent_ahead_ms)).isoformat()
        self._seq += 1
        await self._write("coldchain", body, at)

    async def die(self, *, after_seconds: float) -> None:
        """The broker tells the device's will."""
        await self._tell("offline", after_seconds)

    async def be_born(self, *, after_seconds: float) -> None:
        """The device says that it is there."""
        await self._tell("online", after_seconds)

    async def _tell(self, state: str, after_seconds: float) -> None:
        await self._write("presence", {"v": 1, "boot": "b", "state": state}, NOW + timedelta(seconds=after_seconds))

    async def _write(self, stream: str, body: dict[str, object], at: datetime) -> None:
        batch = Batch()
        arrival = Arrival(f"tracefleet/v1/D1/{stream}", orjson.dumps(body), at, connection=1)
        take_in([arrival], self._registry, batch)
        await write(self._connection, batch, worker="w", memory=self._memory)


@pytest.fixture
async def worker(database_url: str, connection: Connection) -> AsyncIterator[Worker]:
    """A worker that knows D1."""
    connection.execute(
        "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
        " VALUES ('S', '冷库', 'Store', 'cold_store', '410100')"
    )
    connection.execute("INSERT INTO models (model_no, kind, vendor) VALUES ('M', 'logger', 'v')")
    connection.execute(
        "INSERT INTO devices (device_no, model_id, site_id) SELECT 'D1', model_id, site_id FROM models, sites"
    )
    async with await connect_service(database_url, application_name="test") as opened:
        registry = Registry()
        await registry.load(opened)
        yield Worker(opened, registry)


def line(connection: Connection) -> tuple[object, ...]:
    """State, when it was last heard after NOW, the estimate of its clock."""
    row = connection.execute(
        "SELECT state, extract(epoch FROM last_heard_at - %s)::int, clock_offset_ms FROM device_presence", (NOW,)
    ).fetchone()
    assert row is not None
    return tuple(row)


async def test_device_that_goes_on_speaking_is_written_now_and_then(worker: Worker, connection: Connection) -> None:
    """Its line is a few seconds old at most, and costs no row for each message."""
    await worker.hear(after_seconds=0)
    await worker.hear(after_seconds=3)
    assert line(connection) == ("online", 0, None)
    await worker.hear(after_seconds=AGAIN_AFTER.total_seconds())
    assert line(connection) == ("online", 10, None)


def test_devices_that_began_together_are_written_again_apart() -> None:
    """Never later than promised, and never all at once: a whole fleet in one batch would hold up what comes then."""
    memory = Memory()
    memory.keep({device_id: Line(1, "online", NOW) for device_id in range(1000)}, {})

    def again(after_seconds: float) -> int:
        at = NOW + timedelta(seconds=after_seconds)
        return sum(not memory.is_fresh(device_id, 1, at) for device_id in range(1000))

    longest = AGAIN_AFTER.total_seconds()
    assert again(0.49 * longest) == 0
    assert again(longest) == 1000
    steps = [again(longest * (50 + step) / 100) for step in range(51)]
    assert max(later - sooner for sooner, later in pairwise(steps)) < 50


async def test_each_new_slot_is_written(worker: Worker, connection: Connection) -> None:
    """Availability is counted in slots, so none may be missed; and outages begin with the slot after the line's."""
    for after_seconds in (0, 175, 181, 183):
        await worker.hear(after_seconds=after_seconds)
    assert line(connection)[1] == 181
    assert connection.execute("SELECT sum(bit_count(heard))::int FROM presence_slots").fetchall() == [(2,)]


async def test_device_that_speaks_after_its_death_is_online_at_once(worker: Worker, connection: Connection) -> None:
    """A will that was told too early is corrected by the next message."""
    await worker.hear(after_seconds=0)
    await worker.die(after_seconds=1)
    assert line(connection)[0] == "offline"
    await worker.hear(after_seconds=2)
    assert line(connection)[:2] == ("online", 2)


@pytest.mark.parametrize("states", [("offline", "online"), ("online", "offline")])
async def test_death_and_birth_of_one_instant(worker: Worker, connection: Connection, states: tuple[str, str]) -> None:
    """A device that connects anew while its old line stands brings both at once: it is there, in whatever batches."""
    await worker.hear(after_seconds=0)
    for state in states:
        await worker._tell(state, 1)
    assert line(connection)[0] == "online"


async def test_birth_after_a_death_that_another_worker_wrote(worker: Worker, connection: Connection) -> None:
    """Where a group shares the load, one is told the will of the lost connection, another the birth on the new one."""
    other = Worker(worker._connection, worker._registry)
    await worker.hear(after_seconds=0)
    await other.die(after_seconds=1)
    await worker.be_born(after_seconds=2)
    assert line(connection)[:2] == ("online", 2)


async def test_clock_estimate_believes_what_reads_highest(worker: Worker, connection: Connection) -> None:
    """A message that took long on its way makes the clock look slow; only many of them move the estimate down."""
    await worker.hear(after_seconds=0, sent_ahead_ms=-40)
    await worker.hear(after_seconds=20, sent_ahead_ms=60_000)
    assert line(connection)[2] == 60_000
    await worker.hear(after_seconds=40, sent_ahead_ms=28_000)
    assert line(connection)[2] == 58_000
    await worker.hear(after_seconds=60)
    assert line(connection)[2] == 58_000


@pytest.mark.parametrize("sent_at", ["yesterday", 2**62, "infinity"])
async def test_clock_that_says_nonsense_is_not_estimated(
    worker: Worker, connection: Connection, sent_at: object
) -> None:
    """The message is stored all the same."""
    body = {"v": 1, "boot": "b", "seq": 0, "sent_at": sent_at, "records": [{"at": NOW.isoformat(), "temperature_c": 1}]}
    await worker._write("coldchain", body, NOW)
    assert line(connection) == ("online", 0, None)
    assert connection.execute("SELECT count(*) FROM coldchain").fetchall() == [(1,)]


async def test_late_and_early_records_have_counters(worker: Worker, connection: Connection) -> None:
    """Late, a day late, and from the future: in the account of the minute."""
    ages_seconds = (0, 400, 90_000, -400)
    records = [{"at": (NOW - timedelta(seconds=age)).isoformat(), "temperature_c": 1.0} for age in ages_seconds]
    await worker._write("coldchain", {"v": 1, "boot": "b", "seq": 0, "records": records}, NOW)
    assert connection.execute("SELECT late, backfilled, clock_ahead FROM ingest_stats").fetchall() == [(2, 1, 1)]
