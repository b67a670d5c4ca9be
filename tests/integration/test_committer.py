"""A batch is committed, however long the database is not as it should be."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import psycopg
import pytest
from prometheus_client import CollectorRegistry

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.committer import UNKNOWN_TRIES, Committer
from ingest.intake import take_in
from ingest.metrics import Metrics
from ingest.registry import Registry
from store.database import connect_service

Connection = psycopg.Connection[tuple[object, ...]]
LIMIT_SECONDS = 30


async def _batch(database_url: str) -> Batch:
    """One reading of the device D."""
    now = datetime.now(UTC)
    body = {"v": 1, "boot": "b", "seq": 0, "records": [{"at": now.isoformat(), "temperature_c": 1.0}]}
    batch, registry = Batch(), Registry()
    async with await connect_service(database_url, application_name="test") as opened:
        await registry.load(opened)
    take_in([Arrival("tracefleet/v1/D/coldchain", orjson.dumps(body), now)], registry, batch)
    return batch


@pytest.mark.parametrize(
    ("breaking", "mending"),
    [
        ("ALTER TABLE latest RENAME COLUMN record TO body", "ALTER TABLE latest RENAME COLUMN body TO record"),
        (
            "ALTER FUNCTION close_small_gaps RENAME TO close_gaps",
            "ALTER FUNCTION close_gaps RENAME TO close_small_gaps",
        ),
    ],
)
async def test_no_record_is_to_blame_for_another_schema(
    database_url: str, connection: Connection, register: Callable[..., None], breaking: str, mending: str
) -> None:
    """However often it is tried, nothing is buried; what waited is stored when the schema is right again."""
    register("D")
    connection.execute(breaking.encode())
    prometheus = CollectorRegistry()
    committer = Committer(database_url, worker="w", metrics=Metrics(prometheus))
    commit = asyncio.create_task(committer.commit(await _batch(database_url)))

    def retries() -> float:
        return prometheus.get_sample_value("tracefleet_ingest_retries_total", {"class": "42"}) or 0

    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not commit.done() and retries() < UNKNOWN_TRIES + 2:  # noqa: ASYNC110 - a counter sets no event
                await asyncio.sleep(0.02)
        assert not commit.done()
        assert committer.trouble is not None
        connection.execute(mending.encode())
        account = await asyncio.wait_for(commit, LIMIT_SECONDS)
    finally:
        commit.cancel()
        await asyncio.wait({commit})
        await committer.close()
    assert (account.of("coldchain").stored, account.buried) == (1, [])
