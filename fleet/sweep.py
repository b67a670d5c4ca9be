"""Work that comes round again and again, and outlives any trouble of the database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from fleet.checks import Checks
from fleet.leading import PASSED
from fleet.metrics import Metrics
from store.backoff import Backoff
from store.database import connect_service, explain_unreachable
from store.errors import TracefleetError

LONGEST_WAIT_SECONDS: Final = 10.0
# Who found another replica at it looks again as soon: in time to see whether that one ever ends.
PASSED_WAIT_SECONDS: Final = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sweep:
    """*work* every so many seconds; a run that takes longer than its limit has lost its database and is broken off."""

    name: str
    every_seconds: float
    limit_seconds: float
    work: Callable[[AsyncConnection[Any]], Awaitable[object]]


async def sweep_forever(sweep: Sweep, database_url: str, *, metrics: Metrics, checks: Checks) -> None:
    """Run *sweep* until cancelled.

    Each run has a connection of its own: there are a few a minute, and what a server, a proxy or a firewall did to an
    idle one in between is then nobody's concern. After a failure the next run comes sooner. What was left to another
    replica is no success of ours: one that never gets done would look as if it were.
    """
    backoff = Backoff(cap_seconds=min(LONGEST_WAIT_SECONDS, sweep.every_seconds))
    seconds = metrics.sweep_seconds.labels(sweep.name)
    succeeded = metrics.sweep_succeeded.labels(sweep.name)
    while True:
        try:
            with seconds.time():
                comes_to = await _once(sweep, database_url)
        # OSError: a time limit among them; ours: no key to seal with, and the like.
        except (psycopg.Error, OSError, TracefleetError) as error:
            _complain(checks, sweep, database_url, error)
            await asyncio.sleep(backoff.next_seconds())
        # A mistake of ours in what judges the fleet must not shut the door to it, nor stop the other sweeps.
        except Exception as error:
            log.exception("a sweep failed", sweep=sweep.name)
            checks.trouble(sweep.name, f"{type(error).__name__}: {' '.join(str(error).split())}")
            await asyncio.sleep(backoff.next_seconds())
        else:
            backoff.reset()
            checks.fine("database")
            checks.fine(sweep.name)
            if comes_to == PASSED:
                await asyncio.sleep(min(PASSED_WAIT_SECONDS, sweep.every_seconds))
                continue
            succeeded.set_to_current_time()
            await asyncio.sleep(sweep.every_seconds)


async def _once(sweep: Sweep, database_url: str) -> object:
    async with asyncio.timeout(sweep.limit_seconds):
        connection = await connect_service(database_url, application_name=f"tracefleet fleet {sweep.name}")
        async with connection:
            return await sweep.work(connection)


def _complain(checks: Checks, sweep: Sweep, database_url: str, error: Exception) -> None:
    if isinstance(error, TimeoutError):
        checks.trouble(sweep.name, f"took longer than {sweep.limit_seconds:g} s and was broken off")
    elif not isinstance(error, TracefleetError) and _is_lost(error):
        checks.trouble("database", explain_unreachable(database_url, error))
    else:
        checks.trouble(sweep.name, " ".join(str(error).split()))


def _is_lost(error: Exception) -> bool:
    """Whether the database is away, and not just unwilling to do this one thing."""
    if isinstance(error, psycopg.Error):
        return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    return True
