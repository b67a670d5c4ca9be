"""What TimescaleDB's roll-ups, columnstore and retention do with late and repeated records."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.errors import UniqueViolation

Connection = psycopg.Connection[tuple[object, ...]]

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
READING = """
INSERT INTO coldchain (device_id, at, boot_id, seq, received_at, clock_ahead, temperature_c)
VALUES (%(device)s, %(at)s, 1, %(seq)s, now(), false, %(temperature_c)s)
"""
AVERAGES = "SELECT samples, temperature_c_avg FROM {} WHERE device_id = %s"
REFRESH = "CALL refresh_continuous_aggregate(%s, %s, %s)"


def _reading(connection: Connection, device: int, at: datetime, *, seq: int, temperature_c: float = 4.0) -> None:
    connection.execute(READING, {"device": device, "at": at, "seq": seq, "temperature_c": temperature_c})


def _averages(connection: Connection, rollup: str, device: int) -> list[tuple[object, ...]]:
    return connection.execute(AVERAGES.format(rollup).encode(), (device,)).fetchall()


@pytest.mark.parametrize("rollup", ["coldchain_5m", "coldchain_1h"])
def test_rollup_when_a_record_is_late(timescale: Connection, rollup: str) -> None:
    """A late record changes a bucket that was already materialised, at the next refresh."""
    device = 101 if rollup == "coldchain_5m" else 102
    at = HOUR - timedelta(days=30)
    around = (at - timedelta(days=1), at + timedelta(days=1))
    _reading(timescale, device, at, seq=1, temperature_c=4)
    timescale.execute(REFRESH, (rollup, *around))
    assert _averages(timescale, rollup, device) == [(1, 4.0)]
    _reading(timescale, device, at + timedelta(minutes=1), seq=2, temperature_c=8)
    assert _averages(timescale, rollup, device) == [(1, 4.0)]
    timescale.execute(REFRESH, (rollup, *around))
    assert _averages(timescale, rollup, device) == [(2, 6.0)]


@pytest.mark.parametrize("rollup", ["coldchain_5m", "coldchain_1h"])
def test_compressed_rollup_when_a_record_is_late(timescale: Connection, rollup: str) -> None:
    """The same, with its chunk in the columnstore."""
    device = 108 if rollup == "coldchain_5m" else 109
    at = HOUR - timedelta(days=120)
    around = (at - timedelta(days=1), at + timedelta(days=1))
    _reading(timescale, device, at, seq=1, temperature_c=4)
    timescale.execute(REFRESH, (rollup, *around))
    packed = timescale.execute(
        "SELECT compress_chunk(chunk) FROM show_chunks(%s, older_than => %s, newer_than => %s) AS chunk",
        (rollup, at + timedelta(days=11), at - timedelta(days=11)),
    ).fetchall()
    assert packed
    _reading(timescale, device, at + timedelta(minutes=1), seq=2, temperature_c=8)
    timescale.execute(REFRESH, (rollup, *around))
    assert _averages(timescale, rollup, device) == [(2, 6.0)]


@pytest.mark.parametrize("rollup", ["coldchain_5m", "coldchain_1h"])
def test_rollup_answers_for_records_that_no_refresh_has_seen(timescale: Connection, rollup: str) -> None:
    """The newest buckets are computed from the rows."""
    device = 103 if rollup == "coldchain_5m" else 104
    _reading(timescale, device, HOUR, seq=1, temperature_c=3)
    assert _averages(timescale, rollup, device) == [(1, 3.0)]


def test_scale_and_scanner_rollups_count_by_the_hour(timescale: Connection) -> None:
    """Sales and returns apart; look-ups and unknown codes apart."""
    timescale.execute(
        "INSERT INTO weighing (device_id, at, boot_id, seq, received_at, clock_ahead, trade_no, kind, net_g,"
        " unit_price_fen_per_kg, amount_fen, stable) VALUES (105, %(at)s, 1, 1, now(), false, 'a', 'sale', 500, 2000,"
        " 1000, true), (105, %(at)s, 1, 2, now(), false, 'b', 'return', 500, 2000, 1000, false)",
        {"at": HOUR},
    )
    timescale.execute(
        "INSERT INTO scan (device_id, at, boot_id, seq, received_at, clock_ahead, code, purpose, result)"
        " VALUES (105, %(at)s, 1, 3, now(), false, 'x', 'lookup', 'unknown')",
        {"at": HOUR},
    )
    weighed = timescale.execute(
        "SELECT bucket_at, sales, returns, voids, unstable, net_g, amount_fen FROM weighing_1h WHERE device_id = 105"
    ).fetchall()
    scanned = timescale.execute("SELECT scans, lookups, unknown, errors FROM scan_1h WHERE device_id = 105").fetchall()
    assert weighed == [(HOUR, 1, 1, 0, 1, 500, 1000)]
    assert scanned == [(1, 1, 1, 0)]


def test_compressed_chunk_when_a_duplicate_comes(timescale: Connection) -> None:
    """The columnstore refuses a second row of an identity and takes a late one that is new."""
    at = HOUR - timedelta(days=60)
    around = {"from": at - timedelta(days=2), "to": at + timedelta(days=2)}
    _reading(timescale, 106, at, seq=1)
    compressed = timescale.execute(
        "SELECT compress_chunk(chunk) FROM show_chunks('coldchain', older_than => %(to)s, newer_than => %(from)s)"
        " AS chunk",
        around,
    ).fetchall()
    assert len(compressed) == 1
    with pytest.raises(UniqueViolation):
        _reading(timescale, 106, at, seq=1, temperature_c=9)
    _reading(timescale, 106, at, seq=2, temperature_c=6)
    rows = timescale.execute("SELECT seq, temperature_c FROM coldchain WHERE device_id = 106 ORDER BY seq").fetchall()
    assert rows == [(1, 4.0), (2, 6.0)]


def test_retention_drops_rollups_too(timescale: Connection) -> None:
    """By chunks of ten days."""
    for seq, days in enumerate((900, 700)):
        at = HOUR - timedelta(days=days)
        _reading(timescale, 110 + seq, at, seq=seq)
        timescale.execute(REFRESH, ("coldchain_1h", at - timedelta(days=1), at + timedelta(days=1)))
    job = timescale.execute(
        "SELECT job_id FROM timescaledb_information.jobs AS j JOIN timescaledb_information.continuous_aggregates AS c"
        " ON j.hypertable_name IN (c.view_name, c.materialization_hypertable_name)"
        " WHERE j.proc_name = 'policy_retention' AND c.view_name = 'coldchain_1h'"
    ).fetchone()
    timescale.execute("CALL run_job(%s)", job)
    assert [_averages(timescale, "coldchain_1h", device) for device in (110, 111)] == [[], [(1, 4.0)]]


def test_retention_drops_only_what_is_older(timescale: Connection) -> None:
    """The policy's job drops whole days beyond 750 and leaves the others."""
    for seq, days in enumerate((900, 700)):
        timescale.execute(
            "INSERT INTO status (device_id, at, boot_id, seq, received_at, clock_ahead, uptime_s)"
            " VALUES (107, %s, 1, %s, now(), false, 1)",
            (HOUR - timedelta(days=days), seq),
        )
    job = timescale.execute(
        "SELECT job_id FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_retention' AND hypertable_name = 'status'"
    ).fetchone()
    timescale.execute("CALL run_job(%s)", job)
    left = timescale.execute("SELECT at FROM status WHERE device_id = 107").fetchall()
    assert left == [(HOUR - timedelta(days=700),)]
