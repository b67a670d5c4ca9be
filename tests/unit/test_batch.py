"""When a batch is written, and which messages share a round."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest.account import Account
from ingest.arrival import Arrival
from ingest.batch import Batcher, Telling
from ingest.message import Message, Sample
from ingest.rounds import rounds_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_batch_waits_for_its_first_message_only() -> None:
    """The clock starts with the first message and later ones do not restart it."""
    batcher = Batcher(max_records=10, max_bytes=1000, max_wait_seconds=0.5)
    assert batcher.wait_seconds(0.0) is None
    batcher.open(100.0)
    batcher.open(100.4)
    assert batcher.wait_seconds(100.4) == 0.5 - (100.4 - 100.0)
    assert batcher.age_seconds(100.25) == 0.25


def test_full_batch_does_not_wait() -> None:
    """Enough records close it."""
    batcher = Batcher(max_records=10, max_bytes=1000, max_wait_seconds=0.5)
    batcher.open(100.0).records += 10
    assert batcher.wait_seconds(100.0) == 0.0


def test_batch_is_taken_once() -> None:
    """A taken batch is nobody else's."""
    batcher = Batcher(max_records=10, max_bytes=1000, max_wait_seconds=0.5)
    opened = batcher.open(100.0)
    assert batcher.take() is opened
    assert batcher.take() is None


def telling(device_id: int, seq: int, records: int, payload: bytes) -> Telling:
    """A message whose content is its payload alone."""
    samples = [Sample(index, seq + index, NOW, None, ()) for index in range(records)]
    return Telling(device_id, f"D{device_id}", "scan", Message("b", seq, records, samples), Arrival("t", payload, NOW))


tellings = st.lists(
    st.builds(telling, st.integers(1, 2), st.integers(0, 12), st.integers(1, 4), st.sampled_from([b"x", b"y"])),
    max_size=25,
)


@given(tellings)
def test_rounds_hold_every_number_once(given_: list[Telling]) -> None:
    """At most three; a number comes once in the first two, those of the third were in one before; none is lost."""
    account = Account()
    rounds = [
        [(one.device_id, sample.seq) for one in round_ for sample in one.message.samples]
        for round_ in rounds_of(given_, account)
    ]
    assert len(rounds) <= 3
    for numbers in rounds[:2]:
        assert len(numbers) == len(set(numbers))
    assert set(rounds[2] if len(rounds) > 2 else []) <= {number for numbers in rounds[:2] for number in numbers}
    assert sum(map(len, rounds)) + account.of("scan").duplicate == sum(one.message.records for one in given_)


def test_messages_in_order_are_one_round() -> None:
    """The ordinary case: one device counts on."""
    in_order = [telling(1, seq, 1, b"x") for seq in range(1000)]
    assert [len(round_) for round_ in rounds_of(in_order, Account())] == [1000]


def test_full_batches_queue_up_in_order() -> None:
    """While one is written others fill, each within its bounds."""
    batcher = Batcher(max_records=10, max_bytes=1000, max_wait_seconds=0.5)
    first = batcher.open(1.0)
    first.size_bytes = 1000
    second = batcher.open(2.0)
    assert second is not first
    assert batcher.wait_seconds(2.0) == 0.0
    assert (batcher.take(), batcher.take(), batcher.take()) == (first, second, None)


def test_descending_numbers_are_one_round_and_quick_to_see() -> None:
    """A buffer uploaded newest first overlaps nowhere."""
    given_ = [telling(1, seq, 1, b"x") for seq in range(20_000, 0, -1)]
    assert [len(round_) for round_ in rounds_of(given_, Account())] == [20_000]
