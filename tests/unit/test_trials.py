"""Which messages are tried together after a death."""

from datetime import UTC, datetime

from ingest.arrival import Arrival
from ingest.trials import GROUP, Trials, _hash

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def arrivals(count: int) -> list[Arrival]:
    """Messages that all differ."""
    return [Arrival("t", b"%d" % number, NOW) for number in range(count)]


def trials(*suspects: Arrival) -> Trials:
    """Of a worker that died once while it tried *suspects*."""
    made = Trials("postgresql://nowhere", worker="w")
    made._tries = {_hash(one): 1 for one in suspects}
    return made


def test_messages_are_tried_in_order_and_each_suspect_alone() -> None:
    """The acknowledgements must keep the order of receipt."""
    all_ = arrivals(6)
    assert list(trials(all_[2], all_[3]).groups(all_)) == [all_[:2], [all_[2]], [all_[3]], all_[4:]]


def test_groups_have_a_bound() -> None:
    """So that a second death leaves few suspects."""
    sizes = [len(group) for group in trials().groups(arrivals(2 * GROUP + 1))]
    assert sizes == [GROUP, GROUP, 1]


def test_same_bytes_on_another_topic_are_another_message() -> None:
    """The stream decides how they are read."""
    suspect = Arrival("t", b"x", NOW)
    known = trials(suspect)
    assert (known.deaths_of(suspect), known.deaths_of(Arrival("u", b"x", NOW))) == (1, 0)


def test_trials_are_off_until_a_death_is_found() -> None:
    """The ordinary start costs nothing."""
    assert not trials().are_on
