"""Whatever comes has its place in the batch."""

from datetime import UTC, datetime
from typing import Any, cast

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.registry import Device, Registry

NOW = datetime(2026, 11, 23, tzinfo=UTC)
GOOD = (
    "tracefleet/v1/D1/coldchain",
    b'{"v":1,"boot":"b","seq":0,"records":[{"at":"2026-11-23T00:00:00Z","temperature_c":1}]}',
)


def registry() -> Registry:
    """One logger, D1."""
    known = Registry()
    known.replace({"D1": Device(1, frozenset({"coldchain", "presence"}), retired=False)})
    return known


def taken(topic: str, payload: bytes, received_at: Any = NOW) -> Batch:
    """A batch of one arrival."""
    batch = Batch()
    take_in([Arrival(topic, payload, received_at, connection=1)], registry(), batch)
    return batch


def test_fault_of_ours_becomes_a_dead_letter() -> None:
    """An exception that nobody foresaw costs its message only, and its acknowledgement is not forgotten."""
    batch = taken(*GOOD, received_at=None)
    assert [letter.refusal.reason for letter in batch.dead_letters] == ["crashed"]
    assert [one.connection for one in batch.arrivals] == [1]


def test_fault_of_ours_costs_those_read_with_it_nothing() -> None:
    """Each is read by itself then."""
    batch = Batch()
    take_in([Arrival(*GOOD, NOW), Arrival(*GOOD, cast("datetime", None))], registry(), batch)
    assert [letter.refusal.reason for letter in batch.dead_letters] == ["crashed"]
    assert [run.seqs for run in batch.runs.values()] == [[0]]


def test_command_on_its_way_down_is_acknowledged_and_nothing_else() -> None:
    """It is ours, so it is in no account."""
    batch = taken("tracefleet/v1/D1/command", b"{}")
    assert (batch.records, batch.dead_letters, batch.runs) == (0, [], {})
    assert [one.connection for one in batch.arrivals] == [1]


def test_stranger_counts_for_as_many_records_as_it_sent() -> None:
    """So that the account holds to the record."""
    record = b'{"at":"2026-11-23T00:00:00Z","temperature_c":1}'
    batch = taken(
        "tracefleet/v1/X/coldchain", b'{"v":1,"boot":"b","seq":0,"records":[' + record + b"," + record + b"]}"
    )
    assert [(letter.refusal.reason, letter.refusal.records) for letter in batch.dead_letters] == [("unknown_device", 2)]


def test_stranger_with_rubbish_counts_for_one() -> None:
    """What cannot be read is one record."""
    batch = taken("tracefleet/v1/X/coldchain", b"rubbish")
    assert [(letter.refusal.reason, letter.refusal.records) for letter in batch.dead_letters] == [("unknown_device", 1)]
