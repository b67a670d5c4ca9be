"""What the pump holds while nothing can be written."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from ingest.arrival import Arrival
from ingest.committer import Committer
from ingest.inbox import Inbox
from ingest.metrics import Metrics
from ingest.poison import Poison
from ingest.pump import CHUNK_BYTES, Pump, due_seconds
from ingest.registry import Registry

NOWHERE = "postgresql://127.0.0.1:1/nowhere"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_batch_waits_for_others_only_while_others_come() -> None:
    """A fifth of the longest wait after the last, and never longer than that wait after the first."""
    assert due_seconds(100.0, 100.0, 0.625) == 100.125
    assert due_seconds(100.0, 100.25, 0.625) == 100.375
    assert due_seconds(100.0, 100.5, 0.5) == 100.5
    # Less would be the wait of a session for company.
    assert due_seconds(0.0, 0.0, 0.015625) == 0.01
    assert due_seconds(0.0, 0.0, 0.005) == 0.005


async def test_messages_that_hold_no_record_fill_a_batch_too(tmp_path: Path) -> None:
    """Commands on their way down are not stored, only acknowledged; the inbox, which has a bound, keeps them."""
    inbox = Inbox(limit_bytes=CHUNK_BYTES, on_room=lambda: None)
    metrics = Metrics(CollectorRegistry())
    committer = Committer(NOWHERE, worker="w", metrics=metrics)
    pump = Pump(
        inbox=inbox,
        registry=Registry(),
        committer=committer,
        poison=Poison(tmp_path, NOWHERE, worker="w"),
        metrics=metrics,
        max_records=100,
        max_messages=100,
        max_wait_seconds=0.01,
        acknowledge=lambda _: None,
    )
    for _ in range(2000):
        inbox.put([Arrival("tracefleet/v1/D/command", b"", NOW)])
    run = asyncio.create_task(pump.run())
    try:
        async with asyncio.timeout(30):
            while committer.trouble is None:  # noqa: ASYNC110 - it is not ours to set an event
                await asyncio.sleep(0.01)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(inbox) > 1000
    finally:
        run.cancel()
        await asyncio.wait({run})
