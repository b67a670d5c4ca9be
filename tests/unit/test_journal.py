"""The messages that are being read, as the next process finds them."""

import struct
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
    assert journal.left_behind() == []
    assert journal.enter([Arrival("t", b"x", NOW)])
    journal.leave()
    assert journal.left_behind() == []


messages = st.lists(st.tuples(st.text(st.characters(exclude_characters="\0")), st.binary(max_size=400)), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=messages, entered=messages)
def test_next_process_finds_the_messages_entered_last(
    tmp_path: Path, before: list[tuple[str, bytes]], entered: list[tuple[str, bytes]]
) -> None:
    """Whole and in order, whatever they are made of and whatever stood there before."""
    journal = Journal(tmp_path / "w.journal")
    for told in (before, entered):
        assert journal.enter([Arrival(topic, payload, NOW) for topic, payload in told])
    assert Journal(tmp_path / "w.journal").left_behind() == entered


def test_topic_with_a_nul_is_entered_alone(journal: Journal) -> None:
    """Some brokers pass one on; it must not hide who ended the process."""
    odd = Arrival("t\0u", b"x", NOW)
    assert not journal.enter([odd, Arrival("t", b"y", NOW)])
    assert journal.enter([odd])
    assert journal.left_behind() == [("t\0u", b"x")]


def test_messages_that_are_too_much_together_are_not_entered(journal: Journal) -> None:
    """One that is too long by itself is refused by its length, so it cannot be what a process dies of."""
    journal.enter([Arrival("t", b"x", NOW)])
    assert not journal.enter([Arrival("t", b"x" * (SIZE_BYTES // 2), NOW)] * 2)
    assert journal.left_behind() == []


def test_file_of_another_make_holds_no_message(tmp_path: Path) -> None:
    """Lengths beyond the file, or that do not agree, mean nothing; nor does what an earlier release wrote."""
    path = tmp_path / "w.journal"
    for content in (b"\xff" * 100, struct.pack("<III", 1, 1, 3) + b"\x01\0\0\0txxx", struct.pack("<II", 1, 1) + b"tx"):
        path.write_bytes(content)
        assert Journal(path).left_behind() == []


def test_torn_journal_says_nothing(tmp_path: Path) -> None:
    """A machine that lost its power has written some pages of it and not others; ingest starts all the same."""
    path = tmp_path / "w.journal"
    first = Journal(path)
    first.enter([Arrival("t" * 9000, b"x", NOW)])
    first.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    assert Journal(path).left_behind() == []


def test_journal_has_its_place_on_the_disk(tmp_path: Path) -> None:
    """Where the disk is full that is an error at the start, and no signal that ends the process with a message."""
    Journal(tmp_path / "w.journal")
    assert (tmp_path / "w.journal").stat().st_blocks * 512 >= SIZE_BYTES
