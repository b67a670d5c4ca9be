"""The round that keeps the store in order: one job after another, hourly, each with its own entry in the view ``jobs``.

A replica that finds another at it, or the jobs done within the hour, has nothing to do.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from fleet.leading import Lock, hand_over, leads
from fleet.retention import delete_old, delete_unreferenced_payloads, read_rules

log = structlog.get_logger()

# No row: it is not the job's time. What failed or was interrupted is tried again after 5 minutes.
BEGIN: Final = """
INSERT INTO housekeeping_runs (job, last_started_at) VALUES (%(job)s, now())
ON CONFLICT (job) DO UPDATE SET last_started_at = now()
WHERE housekeeping_runs.last_started_at < now() - CASE
    WHEN housekeeping_runs.last_success_at >= housekeeping_runs.last_started_at THEN INTERVAL '1 hour'
    ELSE INTERVAL '5 minutes' END
RETURNING last_error
"""
SUCCEED: Final = "UPDATE housekeeping_runs SET last_success_at = now(), last_error = NULL WHERE job = %(job)s"
FAIL: Final = "UPDATE housekeeping_runs SET last_error = %(error)s, failures = failures + 1 WHERE job = %(job)s"

# The name of the last job.
PAYLOADS: Final = "unreferenced dead-letter payloads"


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every hour; *work* says how many rows it deleted."""

    name: str
    work: Callable[[AsyncConnection[Any]], Awaitable[int]]


async def keep_house(connection: AsyncConnection[Any]) -> list[str] | None:
    """Do the jobs that are due; their names, or None while another replica is at it.

    A failing job is recorded and does not stop the others. *connection* is in autocommit.
    Raises psycopg.Error when the connection is lost.
    """
    if not await leads(connection, Lock.HOUSEKEEPING):
        return None
    done = [job.name for job in await _jobs(connection) if await _run(connection, job)]
    # Not in a finally: what gets past _run is a connection at its end or a cancellation, and the lock goes with those.
    await hand_over(connection, Lock.HOUSEKEEPING)
    return done


async def _jobs(connection: AsyncConnection[Any]) -> list[Job]:
    rules = await read_rules(connection)
    retention = [Job(f"retention {rule.relation}", partial(delete_old, rule=rule)) for rule in rules]
    # Last: by then the dead letters that referred to them are gone.
    return [*retention, Job(PAYLOADS, delete_unreferenced_payloads)]


async def _run(connection: AsyncConnection[Any], job: Job) -> bool:
    """Whether it was the job's time."""
    begun = await (await connection.execute(BEGIN, {"job": job.name})).fetchone()
    if begun is None:
        return False
    (error_before,) = begun
    try:
        await job.work(connection)
    except psycopg.Error as error:
        if connection.broken:
            raise
        words = " ".join(str(error).split())
        await connection.execute(FAIL, {"job": job.name, "error": words})
        if error_before is None:
            log.warning("job fails", job=job.name, error=words)
        return True
    await connection.execute(SUCCEED, {"job": job.name})
    if error_before is not None:
        log.info("job works again", job=job.name)
    return True
