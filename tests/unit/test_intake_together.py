"""Messages that are read together end as they would one by one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.registry import Device, Registry
from store.records import TELEMETRY
from tests.unit.decode_inputs import anything, good_records, message

# In the middle of what the drawn times are around.
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
STREAMS = sorted(TELEMETRY)
BATCH = ("repeated", "births", "dead_letters", "arrivals", "messages", "records", "size_bytes")
RUN = (
    *("seqs", "readings", "arrivals", "received_ats", "newest_ats", "oldest_at", "newest_at"),
    *("end", "spans", "is_mixed", "is_clockless"),
)


def registry() -> Registry:
    """Two devices that may report on every stream; their ways are known, as they are after the first message."""
    known = Registry()
    known.replace(
        {device_no: Device(number, frozenset(STREAMS), retired=False) for number, device_no in enumerate("AB")}
    )
    for device_no in "AB":
        for stream in STREAMS:
            known.route(f"tracefleet/v1/{device_no}/{stream}")
    return known


def single(stream: str) -> st.SearchStrategy[bytes]:
    """A good message of one record, under a number that others may have, too."""
    return st.builds(
        lambda record, seq, boot: message([record.raw], seq=seq).replace(b'"b1"', boot),
        good_records(stream),
        st.integers(0, 5),
        st.sampled_from([b'"b1"', b'"b2"', b'"no boot"']),
    )


def arrivals(stream: str) -> st.SearchStrategy[Arrival]:
    """Whatever comes on *stream*, mostly single records of known devices."""
    return st.builds(
        Arrival,
        st.sampled_from(["A", "A", "A", "B", "stranger"]).map(lambda device_no: f"tracefleet/v1/{device_no}/{stream}"),
        single(stream) | single(stream) | anything(stream),
        st.integers(0, 3).map(lambda seconds: NOW + timedelta(seconds=seconds)),
        st.sampled_from([False] * 20 + [True]),
        st.just(1),
    )


def contents(batch: Batch) -> dict[str, Any]:
    """All that is in it."""
    return {
        **{name: getattr(batch, name) for name in BATCH},
        "runs": [(key, run.route.stream, [getattr(run, name) for name in RUN]) for key, run in batch.runs.items()],
        "overlapping": [(one.route.stream, one.boot, one.seq, one.reading, one.arrival) for one in batch.overlapping],
    }


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.sampled_from(STREAMS).flatmap(arrivals), max_size=8))
def test_messages_read_together_end_as_they_would_one_by_one(drawn: list[Arrival]) -> None:
    """Whatever stands beside them, and in the same order."""
    known, together, apart = registry(), Batch(), Batch()
    unknown_fields = take_in(drawn, known, together)
    assert unknown_fields == sum(take_in([arrival], known, apart) for arrival in drawn)
    assert contents(together) == contents(apart)
