"""The message that is being read, as the next process finds it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.arrival import Arrival
from ingest.journal import SIZE_BYTES, Journal

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A new one."""
    return Journal(tmp_path / "data" / "w.journal")


def test_new_journal_holds_nothing(journal: Journal) -> None:
    """Nor does one that was left."""
    assert journal.left_behind() is None
    journal.enter(Arrival("t", b"x", NOW))
    journal.leave()
    assert journal.left_behind() is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.binary(max_size=400), topic=st.text(min_size=1, max_size=50), payload=st.binary(max_size=400))
def test_next_process_finds_the_message_entered_last(tmp_path: Path, first: bytes, topic: str, payload: bytes) -> None:
    """Whole, whatever it is made of and whatever stood there before."""
    journal = Journal(tmp_path / "w.journal")
    journal.enter(Arrival("before", first, NOW))
    journal.enter(Arrival(topic, payload, NOW))
    assert Journal(tmp_path / "w.journal").left_behind() == (topic, payload)


def test_message_that_is_too_long_to_be_read_is_not_entered(journal: Journal) -> None:
    """It is refused by its length, so it cannot be what a process dies of; nor is the one before it."""
    journal.enter(Arrival("t", b"x", NOW))
    journal.enter(Arrival("t", b"x" * SIZE_BYTES, NOW))
    assert journal.left_behind() is None


def test_file_of_another_make_is_no_message(tmp_path: Path) -> None:
    """Lengths beyond the file mean nothing."""
    (tmp_path / "w.journal").write_bytes(b"\xff" * 100)
    assert Journal(tmp_path / "w.journal").left_behind() is None


def test_torn_journal_says_nothing(tmp_path: Path) -> None:
    """A machine that lost its power has written some pages of it and not others; ingest starts all the same."""
    path = tmp_path / "w.journal"
    first = Journal(path)
    first.enter(Arrival("t" * 9000, b"x", NOW))
    first.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    assert Journal(path).left_behind() is None


def test_journal_has_its_place_on_the_disk(tmp_path: Path) -> None:
    """Where the disk is full that is an error at the start, and no signal that ends the process with a message."""
    Journal(tmp_path / "w.journal")
    assert (tmp_path / "w.journal").stat().st_blocks * 512 >= SIZE_BYTES
