"""What the migrations make of the telemetry on TimescaleDB."""

from datetime import timedelta

import psycopg
import pytest

Connection = psycopg.Connection[tuple[object, ...]]

STREAMS = ["coldchain", "scan", "status", "weighing"]
ROLLUPS = ["coldchain_1h", "coldchain_5m", "scan_1h", "weighing_1h"]
POLICIES = """
SELECT coalesce(c.view_name, j.hypertable_name), j.config ->> %(offset)s
FROM timescaledb_information.jobs AS j
LEFT JOIN timescaledb_information.continuous_aggregates AS c
    ON j.hypertable_name IN (c.view_name, c.materialization_hypertable_name)
WHERE j.proc_name = %(policy)s ORDER BY 1
"""


def test_streams_are_hypertables_of_one_day(timescale: Connection) -> None:
    """A chunk holds a day of device time."""
    found = timescale.execute(
        "SELECT hypertable_name, column_name, time_interval FROM timescaledb_information.dimensions"
        " WHERE hypertable_schema = 'public' ORDER BY 1"
    ).fetchall()
    assert found == [(stream, "at", timedelta(days=1)) for stream in STREAMS]


@pytest.mark.parametrize("stream", STREAMS)
def test_stream_has_one_index_and_it_is_unique_and_never_null(timescale: Connection, stream: str) -> None:
    """No default index by time: one index serves queries, duplicates and the columnstore."""
    found = timescale.execute(
        "SELECT i.indisunique, array_agg(a.attname::text ORDER BY k.position), bool_and(a.attnotnull)"
        " FROM pg_index AS i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, position)"
        " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number"
        " WHERE i.indrelid = %s::regclass GROUP BY i.indexrelid, i.indisunique",
        (stream,),
    ).fetchall()
    assert found == [(True, ["device_id", "at", "boot_id", "seq"], True)]


def test_columnstore_is_segmented_and_ordered_like_the_identity(timescale: Connection) -> None:
    """Batches of one device in the order of the unique index, so that a late duplicate is found by their bounds."""
    found = timescale.execute(
        "SELECT coalesce(c.view_name::text, s.hypertable::text), s.segmentby, s.orderby"
        " FROM timescaledb_information.hypertable_columnstore_settings AS s"
        " LEFT JOIN timescaledb_information.continuous_aggregates AS c"
        " ON s.hypertable::oid = format('%I.%I', c.materialization_hypertable_schema,"
        " c.materialization_hypertable_name)::regclass::oid"
        " WHERE s.segmentby IS NOT NULL ORDER BY 1"
    ).fetchall()
    orders = dict.fromkeys(STREAMS, "at,boot_id,seq") | dict.fromkeys(ROLLUPS, "bucket_at")
    orders |= dict.fromkeys(("coldchain_1h", "coldchain_5m"), "bucket_at,probe")
    assert found == [(relation, "device_id", order) for relation, order in sorted(orders.items())]


def test_policies_compress_after_redelivery_and_drop_after_retention(timescale: Connection) -> None:
    """8 and 750 days, the defaults of the settings; roll-ups as what they are made of."""
    compressed = timescale.execute(POLICIES, {"policy": "policy_compression", "offset": "compress_after"}).fetchall()
    dropped = timescale.execute(POLICIES, {"policy": "policy_retention", "offset": "drop_after"}).fetchall()
    assert compressed == [(relation, "8 days") for relation in sorted(STREAMS + ROLLUPS)]
    assert dropped == [(relation, "750 days") for relation in sorted(STREAMS + ROLLUPS)]


def test_rollups_are_refreshed_over_all_that_may_still_arrive(timescale: Connection) -> None:
    """From 366 days ago, every 5 minutes, up to a bucket that is complete."""
    found = timescale.execute(
        "SELECT c.view_name, config ->> 'start_offset', config ->> 'end_offset', schedule_interval,"
        " c.materialized_only"
        " FROM timescaledb_information.jobs AS j JOIN timescaledb_information.continuous_aggregates AS c"
        " ON j.hypertable_name IN (c.view_name, c.materialization_hypertable_name)"
        " WHERE j.proc_name = 'policy_refresh_continuous_aggregate' ORDER BY 1"
    ).fetchall()
    every = timedelta(minutes=5)
    assert found == [
        ("coldchain_1h", "366 days", "01:00:00", every, False),
        ("coldchain_5m", "366 days", "00:05:00", every, False),
        ("scan_1h", "366 days", "01:00:00", every, False),
        ("weighing_1h", "366 days", "01:00:00", every, False),
    ]


def test_set_policies_moves_every_offset(timescale: Connection) -> None:
    """A shorter retention moves the drop, the columnstore and the refresh, which never reaches what was dropped."""
    with timescale.transaction(force_rollback=True):
        timescale.execute("SELECT set_policies('3 days', '100 days')")
        compressed = timescale.execute(POLICIES, {"policy": "policy_compression", "offset": "compress_after"})
        assert {offset for _, offset in compressed} == {"3 days"}
        dropped = timescale.execute(POLICIES, {"policy": "policy_retention", "offset": "drop_after"})
        assert {offset for _, offset in dropped} == {"100 days"}
        refreshed = timescale.execute(
            POLICIES, {"policy": "policy_refresh_continuous_aggregate", "offset": "start_offset"}
        )
        assert {offset for _, offset in refreshed} == {"99 days"}
        kept = timescale.execute("SELECT DISTINCT keep FROM retention").fetchall()
        assert kept == [(timedelta(days=100),)]
