"""``tracefleet bench disk``: every stream and everything that grows by the day has its bytes."""

import psycopg

from deploy.bench.disk import DAILY, run
from store.records import TELEMETRY


def test_every_stream_has_its_bytes(server_url: str) -> None:
    """A city of three devices for a day, written by ingest's own writer, on a database that is dropped afterwards."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        databases = "SELECT count(*) FROM pg_database"
        before = connection.execute(databases).fetchone()
        told = run(3, 1, database_url=server_url)
        assert connection.execute(databases).fetchone() == before
    assert set(told["streams"]) == set(TELEMETRY)
    # What came is what is there: status every four minutes of three devices, and not one record lost.
    for stream in ("weighing", "scan", "status"):
        assert told["streams"][stream]["records"] == told["load"]["messages_a_day"][stream]
    assert 1000 < told["streams"]["status"]["records"] < 1300
    for sizes in told["streams"].values():
        assert sizes["raw_bytes_per_record"] > sizes["index_bytes_per_record"] > 30
    assert {relation: told["daily"][relation]["rows"] for relation in DAILY} == {
        "device_days": 3,
        "health_days": 3,
        "presence_slots": 3,
        "site_days": 3,
        "rolled_days": 1,
    }
    assert told["ledger"]["audit"]["rows"] > 3
