"""Which records of a batch share a round."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.message import Reading
from ingest.registry import Route
from ingest.rounds import rounds_of
from ingest.run import Run, Span

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROUTES = {device_id: Route(device_id, f"D{device_id}", "scan") for device_id in (1, 2)}
# Device, first sequence number, how many records, and the bytes, which are all that a message says.
Message = tuple[int, int, int, bytes]

messages = st.lists(
    st.tuples(st.integers(1, 2), st.integers(0, 12), st.integers(1, 4), st.sampled_from([b"x", b"y"])), max_size=25
)


def batch_of(told: Iterable[Message]) -> Batch:
    """A batch that holds those messages."""
    batch = Batch()
    for device_id, seq, records, payload in told:
        readings: list[Reading] = [(NOW, payload)] * records
        topic = f"tracefleet/v1/D{device_id}/scan"
        batch.tell(ROUTES[device_id], "b", seq, readings, Arrival(topic, payload, NOW))
    return batch


def numbers_of(run: Run) -> list[tuple[int, int]]:
    """Device and sequence number of each of its records."""
    return [(run.route.device_id, seq) for seq in run.seqs]


@given(messages)
def test_rounds_hold_every_number_once(told: list[Message]) -> None:
    """At most three; a number comes once in the first two, those of the third were in one before; none is lost."""
    batch = batch_of(told)
    rounds = [[number for run in round_ for number in numbers_of(run)] for round_ in rounds_of(batch)]
    assert len(rounds) <= 3
    for numbers in rounds[:2]:
        assert len(numbers) == len(set(numbers))
    assert set(rounds[2] if len(rounds) > 2 else []) <= {number for numbers in rounds[:2] for number in numbers}
    assert sum(map(len, rounds)) + batch.repeated["scan"] == sum(records for _, _, records, _ in told)


@given(messages)
def test_run_is_in_order_and_its_columns_belong_together(told: list[Message]) -> None:
    """Whatever the order in which its records came."""
    for run in (run for round_ in rounds_of(batch_of(told)) for run in round_):
        assert run.seqs == sorted(set(run.seqs))
        assert [arrival.payload for arrival in run.arrivals] == [reading[1] for reading in run.readings]
        assert [arrival.received_at for arrival in run.arrivals] == run.received_ats
        assert (run.end, run.oldest_at, run.newest_at) == (run.seqs[-1] + 1, NOW, NOW)


def test_messages_in_order_are_one_round() -> None:
    """The ordinary case: one device counts on."""
    [[run]] = rounds_of(batch_of((1, seq, 1, b"x") for seq in range(1000)))
    assert run.seqs == list(range(1000))


def test_descending_numbers_are_one_round_and_quick_to_see() -> None:
    """A buffer uploaded newest first overlaps nowhere."""
    [[run]] = rounds_of(batch_of((1, seq, 1, b"x") for seq in range(20_000, 0, -1)))
    assert run.seqs == list(range(1, 20_001))


def test_same_bytes_again_are_counted_and_in_no_round() -> None:
    """As a broker delivers again; other bytes under one of the numbers are told after it."""
    batch = batch_of([(1, 0, 3, b"x"), (1, 0, 3, b"x"), (1, 2, 1, b"x"), (1, 2, 2, b"y")])
    assert batch.repeated == {"scan": 4}
    assert [[numbers_of(run) for run in round_] for round_ in rounds_of(batch)] == [
        [[(1, 0), (1, 1), (1, 2), (1, 3)]],
        [[(1, 2)]],
    ]


@given(messages, st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), max_size=3))
def test_run_covers_exactly_its_numbers(told: list[Message], refused: list[tuple[int, int]]) -> None:
    """Its ranges hold the numbers of its messages, refused records included, and no other, with gaps between them."""
    batch = batch_of(told)
    for first, records in refused:
        batch.run_of(ROUTES[1], "b").spans.append(Span(first, first + records, Arrival("t", b"", NOW)))
    for run in (run for round_ in rounds_of(batch) for run in round_):
        ranges = list(run.ranges())
        numbers = {number for first, end in ranges for number in range(first, end)}
        spanned = {number for span in run.spans for number in range(span.first, span.end)}
        assert numbers == {*run.seqs} | spanned
        assert all(end < first for (_, end), (first, _) in itertools.pairwise(ranges))
