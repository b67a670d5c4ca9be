"""The simulator's account against what ingest stored: reconciled to the row."""

import asyncio

import psycopg

from deploy.simulator import service
from deploy.simulator.tally import Tally
from ingest.service import Service
from store.settings import Settings

LIMIT_SECONDS = 30
OUTCOMES = """
SELECT sum(received)::int, sum(stored)::int, sum(duplicate)::int, sum(conflict)::int, sum(dead_lettered)::int
FROM ingest_stats WHERE stream <> 'presence'
"""
ROWS = """
SELECT (SELECT count(*) FROM weighing) + (SELECT count(*) FROM scan) + (SELECT count(*) FROM coldchain)
     + (SELECT count(*) FROM status)
"""


def test_account_agrees_with_ingest(settings: Settings, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Acknowledged is stored, duplicate, conflict or dead letter; every good record is a row, every bad one is not."""
    tally = asyncio.run(_simulate_into_ingest(settings))
    told, total = tally.as_dict(), tally.totals()
    outcomes = connection.execute(OUTCOMES).fetchone()
    assert outcomes is not None
    received, stored, duplicate, conflict, dead_lettered = (int(str(count)) for count in outcomes)
    # A connection that broke between message and acknowledgement is the only way to more than was acknowledged.
    surplus = tally.sent_again_records + tally.unacknowledged_records
    assert 0 <= received - told["acknowledged_records"] <= surplus
    assert received == stored + duplicate + conflict + dead_lettered
    assert 0 <= stored - told["good_records"] <= tally.unacknowledged_records
    assert connection.execute(ROWS).fetchone() == (stored,)
    assert duplicate + dead_lettered >= total.resent_records
    assert conflict >= total.conflicting_records > 0
    assert total.bad_records > 0


async def _simulate_into_ingest(settings: Settings) -> Tally:
    ingest = Service(settings)
    stop = asyncio.Event()
    task = asyncio.create_task(ingest.run(stop))
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while ingest.readiness()["broker"] is not None:  # noqa: ASYNC110 - a condition has no event
                await asyncio.sleep(0.02)
        tally = await service.run(
            settings, devices=60, rate=400, seed=3, seconds=4, faults="many", bad_share=0.03, strangers=2
        )
        # What the broker has taken over comes in its own time, on a busy machine after the last word of the devices.
        async with asyncio.timeout(LIMIT_SECONDS):
            while await asyncio.to_thread(_received, settings) < tally.as_dict()["acknowledged_records"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return tally
    finally:
        stop.set()
        await asyncio.wait_for(task, LIMIT_SECONDS)


def _received(settings: Settings) -> int:
    with psycopg.connect(settings.require_database_url()) as connection:
        outcomes = connection.execute(OUTCOMES).fetchone()
    return int(outcomes[0] or 0) if outcomes is not None else 0
