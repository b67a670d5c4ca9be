"""The judgement over ingest, without a database."""

from dataclasses import replace

import pytest

from api.readiness import HEARTBEAT_SECONDS, LAG_SECONDS_MAX, Worker, judge_schema, judge_workers
from store.migrations import SchemaStatus

WELL = Worker("ingest-1", 0.5, connected=True, unacknowledged=3, lag_seconds=None, stopped_reason=None)


@pytest.mark.parametrize(
    "worker",
    [
        WELL,
        replace(WELL, age_seconds=HEARTBEAT_SECONDS),
        replace(WELL, lag_seconds=LAG_SECONDS_MAX),
        replace(WELL, age_seconds=-3.0),
    ],
)
def test_worker_is_well_up_to_the_limits(worker: Worker) -> None:
    """At each limit, and with a clock a little ahead."""
    assert judge_workers([worker]).ok


@pytest.mark.parametrize(
    ("worker", "why"),
    [
        (replace(WELL, age_seconds=HEARTBEAT_SECONDS + 1), "was last heard 11 s ago"),
        (replace(WELL, lag_seconds=LAG_SECONDS_MAX + 1), "is behind"),
        (replace(WELL, connected=False), "is not connected to the broker"),
        (replace(WELL, stopped_reason="disk full", connected=False), "has stopped: disk full"),
        # A process that is gone says nothing true about itself any more.
        (replace(WELL, age_seconds=99.0, stopped_reason="disk full"), "was last heard 99 s ago"),
    ],
)
def test_worker_is_not_well_beyond_them(worker: Worker, why: str) -> None:
    """The nearest reason is told."""
    found = judge_workers([worker])
    assert not found.ok
    assert found.reason.startswith(f"ingest-1 {why}")


def test_troubles_of_many_are_told_in_short() -> None:
    """Three are enough to begin with."""
    troubles = judge_workers([replace(WELL, worker=f"w{number}", connected=False) for number in range(9)])
    assert troubles.reason.count("is not connected") == 3


def test_schema_is_judged_by_its_version() -> None:
    """Older and newer both fail, each with its remedy."""
    assert judge_schema(SchemaStatus(5, 5, "plain")).ok
    assert "tracefleet migrate" in judge_schema(SchemaStatus(4, 5, "plain")).reason
    assert "Upgrade tracefleet" in judge_schema(SchemaStatus(6, 5, "plain")).reason
