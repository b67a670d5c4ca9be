"""Which messages of a batch share a round."""

import itertools
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest.account import Account
from ingest.arrival import Arrival
from ingest.batch import Telling
from ingest.message import Message
from ingest.rounds import Run, rounds_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def telling(device_id: int, seq: int, records: int, payload: bytes) -> Telling:
    """A message whose content is its payload alone."""
    message = Message("b", seq, records, range(records), [(NOW,)] * records)
    return Telling(device_id, f"D{device_id}", "scan", message, Arrival("t", payload, NOW))


def told(rounds: list[list[Run]]) -> list[list[Telling]]:
    """The messages of each round."""
    return [[one for run in round_ for one in run.tellings] for round_ in rounds]


tellings = st.lists(
    st.builds(telling, st.integers(1, 2), st.integers(0, 12), st.integers(1, 4), st.sampled_from([b"x", b"y"])),
    max_size=25,
)


@given(tellings)
def test_rounds_hold_every_number_once(given_: list[Telling]) -> None:
    """At most three; a number comes once in the first two, those of the third were in one before; none is lost."""
    account = Account()
    rounds = [
        [(one.device_id, one.message.seq + index) for one in round_ for index in one.message.indexes]
        for round_ in told(rounds_of(given_, account))
    ]
    assert len(rounds) <= 3
    for numbers in rounds[:2]:
        assert len(numbers) == len(set(numbers))
    assert set(rounds[2] if len(rounds) > 2 else []) <= {number for numbers in rounds[:2] for number in numbers}
    assert sum(map(len, rounds)) + account.of("scan").duplicate == sum(one.message.records for one in given_)


def test_messages_in_order_are_one_round() -> None:
    """The ordinary case: one device counts on."""
    in_order = [telling(1, seq, 1, b"x") for seq in range(1000)]
    assert [len(round_) for round_ in told(rounds_of(in_order, Account()))] == [1000]


def test_descending_numbers_are_one_round_and_quick_to_see() -> None:
    """A buffer uploaded newest first overlaps nowhere."""
    given_ = [telling(1, seq, 1, b"x") for seq in range(20_000, 0, -1)]
    assert [len(round_) for round_ in told(rounds_of(given_, Account()))] == [20_000]


@given(tellings)
def test_run_covers_exactly_its_numbers(given_: list[Telling]) -> None:
    """Its ranges hold the numbers of its messages and no other, with gaps between them."""
    for run in (run for round_ in rounds_of(given_, Account()) for run in round_):
        ranges = list(run.ranges())
        numbers = {number for first, end in ranges for number in range(first, end)}
        assert numbers == {n for one in run.tellings for n in range(one.message.seq, one.message.end)}
        assert all(end < first for (_, end), (first, _) in itertools.pairwise(ranges))
