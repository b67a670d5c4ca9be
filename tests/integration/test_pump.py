"""When a batch is written."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from ingest.arrival import Arrival, Receipt
from ingest.committer import Committer
from ingest.inbox import Inbox
from ingest.metrics import Metrics
from ingest.poison import Poison
from ingest.pump import Pump
from ingest.registry import Registry

LIMIT_SECONDS = 20


async def test_batch_that_holds_its_share_of_the_window_waits_for_nothing_more(
    database_url: str, tmp_path: Path
) -> None:
    """The broker sends nothing beyond the window, so a longer wait would only be one; in order of receipt."""
    inbox = Inbox(limit_bytes=1_000_000, on_room=lambda: None)
    metrics = Metrics(CollectorRegistry())
    acknowledged: list[Receipt] = []
    pump = Pump(
        inbox=inbox,
        registry=Registry(),
        committer=Committer(database_url, worker="w", metrics=metrics),
        poison=Poison(tmp_path, database_url, worker="w"),
        metrics=metrics,
        max_records=20_000,
        max_messages=5,
        max_wait_seconds=1000.0,
        acknowledge=acknowledged.extend,
    )
    receipts = [Receipt(1, 1, number) for number in range(1, 8)]
    for receipt in receipts[:4]:
        inbox.put([Arrival("tracefleet/v1/D/command", b"", datetime.now(UTC))], receipt)
    run = asyncio.create_task(pump.run())
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not inbox.is_empty:  # noqa: ASYNC110 - it is not ours to set an event
                await asyncio.sleep(0.01)
            assert acknowledged == []
            for receipt in receipts[4:]:
                inbox.put([Arrival("tracefleet/v1/D/command", b"", datetime.now(UTC))], receipt)
            while len(acknowledged) < 5:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.01)
            pump.drain()
            await run
    finally:
        run.cancel()
        await asyncio.wait({run})
    assert acknowledged == receipts
