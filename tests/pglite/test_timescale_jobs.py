"""What an operator sees of TimescaleDB's jobs."""

import time

import psycopg
import pytest

Connection = psycopg.Connection[tuple[object, ...]]

WAIT_SECONDS = 90


def test_jobs_lists_every_policy_before_its_first_run(timescale: Connection) -> None:
    """Three kinds of policy, each with the tables and roll-ups it works on, and no time where there is none."""
    found = timescale.execute("SELECT job, last_success_at FROM jobs ORDER BY job").fetchall()
    names = [str(job) for job, _ in found]
    rollups = ("coldchain_1h", "coldchain_5m", "scan_1h", "weighing_1h")
    kept = sorted(("coldchain", "scan", "status", "weighing", *rollups))
    for policy, relations in (
        ("policy_compression", kept),
        ("policy_refresh_continuous_aggregate", rollups),
        ("policy_retention", kept),
    ):
        assert [name for name in names if name.startswith(policy)] == [f"{policy} {name}" for name in relations]


def test_jobs_shows_a_job_that_fails(timescale: Connection, request: pytest.FixtureRequest) -> None:
    """Its name, that it never succeeded, how often it failed, and the server's words."""
    if "pglite" in request.node.callspec.id:
        pytest.skip("PGlite has no background workers: a job runs by hand there, and a failure is the caller's")
    timescale.execute(
        "CREATE PROCEDURE broken_job(job_id integer, config jsonb) LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'broken on purpose'; END $$"
    )
    timescale.execute("SELECT add_job('broken_job', '1 hour'), _timescaledb_functions.start_background_workers()")
    deadline = time.monotonic() + WAIT_SECONDS
    seen = None
    while time.monotonic() < deadline and seen is None:
        seen = timescale.execute(
            "SELECT last_started_at IS NOT NULL, last_success_at, last_error, failures FROM jobs"
            " WHERE job = 'broken_job' AND failures > 0"
        ).fetchone()
        time.sleep(0.1)
    assert seen == (True, None, "broken on purpose", 1)
