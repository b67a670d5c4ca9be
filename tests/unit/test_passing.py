"""What the worker that reads `other` passes over: only what was published after another was known to read it."""

import time
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from ingest.aiomqtt_session import AiomqttSession
from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.inbox import Inbox
from ingest.passing import Passing, is_needed
from ingest.registry import Device, Registry
from ingest.roster import TRUSTED_SECONDS
from ingest.subscription import Subscription
from store.peer import peer_of

COLD = frozenset({"coldchain"})


class Connected(AiomqttSession):
    """A session that publishes its marks into a list."""

    def __init__(self) -> None:
        inbox = Inbox(limit_bytes=1, on_room=lambda: None)
        super().__init__(peer_of("mqtt://127.0.0.1:1"), client_id="w", subscription=Subscription(), inbox=inbox)
        self.marks: list[bytes] = []
        self.connection: int | None = 1

    def mark(self, payload: bytes) -> int | None:
        """Keep it for the test to bring back."""
        if self.connection is not None:
            self.marks.append(payload)
        return self.connection


@pytest.fixture
def session() -> Connected:
    """Its first connection."""
    return Connected()


@pytest.fixture
def passing() -> Passing:
    """Of a worker that reads `status` and `other`."""
    return Passing("", worker="w", broker="b", subscription=Subscription(reads=("status", "other")))


def passed(passing: Passing, *, stream: str = "coldchain", connection: int = 1) -> bool:
    """Whether a message is passed over; either way it is acknowledged."""
    registry, batch = Registry(), Batch()
    registry.replace({"D": Device(1, frozenset({"coldchain", "status"}), retired=False)})
    topic = f"tracefleet/v1/D/{stream}"
    arrival = Arrival(topic, b"rubbish", datetime.now(UTC), connection=connection)
    passing.take_in([arrival], registry, batch)
    assert len(batch.arrivals) == 1
    return not batch.dead_letters


def bring_back(passing: Passing, payload: bytes, *, connection: int = 1) -> None:
    """The mark, through the broker."""
    arrival = Arrival("tracefleet/v1/w/command", payload, datetime.now(UTC), connection=connection)
    batch = Batch()
    passing.take_in([arrival], Registry(), batch)
    assert (batch.arrivals, batch.records) == ([arrival], 0)


def test_what_came_before_the_mark_is_stored(passing: Passing, session: Connected) -> None:
    """It may have been published when nobody else was subscribed."""
    passing._learn(COLD, time.monotonic(), session)
    assert not passed(passing)
    bring_back(passing, session.marks[0])
    assert passed(passing)
    assert not passed(passing, stream="status")
    assert not passed(passing, stream="coldchian")


def test_every_connection_needs_a_mark_of_its_own(passing: Passing, session: Connected) -> None:
    """What an earlier one left unacknowledged comes again before the next mark."""
    passing._learn(COLD, time.monotonic(), session)
    bring_back(passing, session.marks[0])
    assert not passed(passing, connection=2)
    session.connection = 2
    passing._learn(COLD, time.monotonic(), session)
    bring_back(passing, session.marks[1], connection=2)
    assert passed(passing, connection=2)


def test_mark_of_another_connection_or_run_is_none(passing: Passing, session: Connected) -> None:
    """Nor is one that is no longer waited for."""
    passing._learn(COLD, time.monotonic(), session)
    bring_back(passing, b"of an earlier run")
    bring_back(passing, session.marks[0], connection=2)
    assert not passed(passing)


def test_what_is_given_up_is_stored_at_once(passing: Passing, session: Connected) -> None:
    """And a mark that is under way does not bring it back, even when it is read again by then."""
    now_seconds = time.monotonic()
    passing._learn(COLD, now_seconds, session)
    passing._learn(frozenset(), now_seconds, session)
    passing._learn(COLD, now_seconds, session)
    bring_back(passing, session.marks[0])
    assert not passed(passing)
    passing._learn(COLD, now_seconds, session)
    bring_back(passing, session.marks[1])
    assert passed(passing)
    passing._learn(frozenset(), now_seconds, session)
    assert not passed(passing)


def test_old_knowledge_is_not_relied_on(passing: Passing, session: Connected) -> None:
    """While the database is away, and after it, until a new mark is back."""
    before_seconds = time.monotonic() - TRUSTED_SECONDS - 1
    passing._learn(COLD, before_seconds, session)
    bring_back(passing, session.marks[0])
    assert not passed(passing)
    passing._learn(COLD, time.monotonic(), session)
    assert not passed(passing)
    bring_back(passing, session.marks[1])
    assert passed(passing)


def test_nothing_is_passed_over_while_no_mark_can_be_sent(passing: Passing, session: Connected) -> None:
    """Not subscribed, or what the last run held may still come."""
    session.connection = None
    passing._learn(COLD, time.monotonic(), session)
    assert not passed(passing)


@pytest.mark.parametrize(
    ("reads", "needed"),
    [(Subscription().reads, False), (("status",), False), (("other",), True), (("status", "other"), True)],
)
def test_only_who_reads_other_and_not_everything_passes_anything_over(reads: tuple[str, ...], needed: bool) -> None:
    """The usual worker has no part in it."""
    assert is_needed(Subscription(reads=reads)) is needed


def test_chunk_of_which_nothing_is_ours_is_no_trouble(passing: Passing, session: Connected) -> None:
    """The normal state of a worker that reads `other`."""
    passing._learn(COLD, time.monotonic(), session)
    bring_back(passing, session.marks[0])
    with capture_logs() as logged:
        assert passed(passing)
    assert logged == []
