"""What ``tracefleet doctor`` says of the log's way to the backups, and of the disk's days."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from deploy.doctor_storage import _of_slot, archive, growth
from store.settings import Settings

Connection = psycopg.Connection[tuple[object, ...]]
TERABYTE = 10**12


@pytest.fixture
def slot(connection: Connection) -> Iterator[str]:
    """The slot of the archive, which belongs to the whole server."""
    connection.execute("SELECT pg_create_physical_replication_slot('tracefleet_archive', true)")
    yield "tracefleet_archive"
    connection.execute("SELECT pg_drop_replication_slot('tracefleet_archive')")


def _stored(connection: Connection, records: int) -> None:
    connection.execute(
        "INSERT INTO ingest_stats (bucket_at, worker, stream, messages, received, stored, duplicate, conflict,"
        " dead_lettered, late, clock_ahead, backfilled)"
        " VALUES (%s, 'w', 'weighing', %s, %s, %s, 0, 0, 0, 0, 0, 0)",
        (datetime.now(UTC), records, records, records),
    )


def test_a_database_whose_log_goes_nowhere_is_a_warning(connection: Connection) -> None:
    """With the setting and the page that change it."""
    verdict, detail, remedy = archive(connection)
    assert verdict == "warning"
    assert "not archived" in detail
    assert "TRACEFLEET_BACKUP_DIR" in remedy


@pytest.mark.usefixtures("slot")
def test_an_archive_that_is_away_is_a_problem(connection: Connection) -> None:
    """The server keeps its log for it, and says how much."""
    verdict, detail, remedy = archive(connection)
    assert verdict == "problem"
    assert "nobody streams" in detail
    assert "archive.sh" in remedy


def test_a_gap_is_told_apart_from_an_absence() -> None:
    """Streaming again does not mend it: a base backup does."""
    assert _of_slot(active=True, wal_status="reserved", behind_bytes=5)[0] == "ok"
    verdict, detail, remedy = _of_slot(active=False, wal_status="lost", behind_bytes=None)
    assert verdict == "problem"
    assert "gap" in detail
    assert "base backup" in remedy


def test_growth_is_that_of_the_last_day(connection: Connection, settings: Settings) -> None:
    """Of a database elsewhere only the rate is known; an idle one does not grow."""
    assert growth(connection, settings, 1)[1].startswith("the database grows by 0 GB a day")
    _stored(connection, 10_000_000)
    verdict, detail, _ = growth(connection, settings, 1)
    assert verdict == "ok"
    assert not detail.startswith("the database grows by 0 GB")
    assert "lasts" not in detail


def test_disk_of_the_embedded_database_lasts_for_days(
    connection: Connection, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Enough for all that is kept; for some of it; for less than a month, which is a warning with a remedy."""
    settings = make_settings(data_dir=tmp_path, retention_days=750)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n", encoding="utf-8")
    _stored(connection, 10_000_000)
    assert "lasts for the 750 days that are kept" in growth(connection, settings, 100 * TERABYTE)[1]
    verdict, detail, remedy = growth(connection, settings, TERABYTE // 4)
    assert (verdict, "the disk here lasts for" in detail) == ("ok", True)
    verdict, detail, remedy = growth(connection, settings, TERABYTE // 100)
    assert verdict == "warning"
    assert "TRACEFLEET_RETENTION_DAYS" in remedy
