"""Whether the system does its work: database, schema, broker and ingest, each with its reason.

The judgements are pure; :func:`check` asks. No question waits longer than two seconds for its answer.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from api.database import Database
from api.problems import ProblemError
from store.migrations import APPLIED, Flavour, SchemaStatus, known_migrations
from store.settings import Settings

DATABASE_SECONDS: Final = 2.0
BROKER_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 10.0
# A worker that says nothing for so long, and took no leave, is gone, and its messages wait for it.
GONE_SECONDS: Final = 60.0
# A message waits a fraction of a second for its batch; one that waits so long is not being written.
LAG_SECONDS_MAX: Final = 30.0
_BROKER_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}

ALIVE = "SELECT to_regclass('schema_migrations') IS NOT NULL AS is_migrated"
# The database's clock on both sides: machines may disagree by more than a heartbeat. The newest 100 are all that run.
WORKERS = """
SELECT worker, extract(epoch FROM now() - heartbeat_at)::float8 AS age_seconds, connected, unacknowledged,
       lag_seconds, stopped_reason, stopped_at IS NOT NULL AS took_leave
FROM workers ORDER BY heartbeat_at DESC LIMIT 100
"""


class Check(BaseModel):
    """One part of the system."""

    ok: bool
    reason: str = Field(description="what was found, and where it is wrong, what to do")


class Checks(BaseModel):
    """Every part."""

    database: Check
    schema_: Check = Field(serialization_alias="schema")
    broker: Check
    ingest: Check


class Readiness(BaseModel):
    """Whether everything is in order, and part by part."""

    ready: bool
    checks: Checks


@dataclass(frozen=True, slots=True)
class Worker:
    """An ingest process as it last said it was."""

    worker: str
    age_seconds: float
    connected: bool
    unacknowledged: int
    lag_seconds: float | None
    stopped_reason: str | None
    took_leave: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether it fell silent without a goodbye: what the broker keeps for it, nobody else gets."""
        return self.age_seconds > GONE_SECONDS and not self.took_leave

    @property
    def trouble(self) -> str | None:
        """Why it does not take messages, or None when it does."""
        if self.is_gone:
            return (
                f"{self.worker} was last heard {self.age_seconds:.0f} s ago and took no leave: start it again under "
                f"its name, or see `tracefleet workers forget`"
            )
        if self.age_seconds > HEARTBEAT_SECONDS:
            return f"{self.worker} was last heard {self.age_seconds:.0f} s ago"
        if self.stopped_reason:
            return f"{self.worker} has stopped: {self.stopped_reason}"
        if not self.connected:
            return f"{self.worker} is not connected to the broker"
        if self.lag_seconds is not None and self.lag_seconds > LAG_SECONDS_MAX:
            return f"{self.worker} is behind: a message has waited {self.lag_seconds:.0f} s for its commit"
        return None

    @property
    def lag(self) -> str:
        """How far behind it is."""
        return "lag not known yet" if self.lag_seconds is None else f"lag {self.lag_seconds:.1f} s"


async def check(database: Database, settings: Settings) -> Readiness:
    """Every part asked at once."""
    broker = asyncio.create_task(check_broker(settings.broker_url.get_secret_value()))
    try:
        alive = await database.fetch(ALIVE, within_seconds=DATABASE_SECONDS)
        found = Check(ok=True, reason="answers")
        schema = judge_schema(await _applied(database, is_migrated=alive[0]["is_migrated"]))
        ingest = await _check_ingest(database, schema)
    except ProblemError as error:
        found = Check(ok=False, reason=database.explain(error.__cause__ or error))
        schema = ingest = Check(ok=False, reason="not known while the database does not answer")
    checks = Checks(database=found, schema_=schema, broker=await broker, ingest=ingest)
    ready = all(part.ok for part in (checks.database, checks.schema_, checks.broker, checks.ingest))
    return Readiness(ready=ready, checks=checks)


async def check_broker(url: str) -> Check:
    """Whether the broker takes a connection. What it would say to MQTT is for ingest to find out."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or _BROKER_PORTS[parts.scheme]
    try:
        async with asyncio.timeout(BROKER_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        why = f"no answer within {BROKER_SECONDS:g} s"
    except OSError as error:
        why = error.strerror or str(error)
    else:
        writer.close()
        return Check(ok=True, reason=f"{host}:{port} takes connections")
    return Check(
        ok=False,
        reason=f"the broker at {host}:{port} cannot be reached: {why}. "
        f"Check TRACEFLEET_BROKER_URL and that the broker runs.",
    )


def judge_schema(status: SchemaStatus) -> Check:
    """Whether this code knows the schema."""
    return Check(ok=status.is_usable, reason=status.explain())


def judge_workers(workers: Sequence[Worker]) -> Check:
    """Whether at least one ingest process takes messages; the others' troubles are told either way."""
    if not workers:
        return Check(ok=False, reason="no ingest process has reported yet. Start one with `tracefleet ingest`.")
    well = [worker for worker in workers if worker.trouble is None]
    if well:
        first = well[0]
        what = f"{first.worker} takes messages, {first.lag}, {first.unacknowledged} unacknowledged"
        # One that was stopped in order is no news.
        rest = [worker.trouble for worker in workers if worker.trouble and (worker.is_gone or _is_heard(worker))]
        return Check(ok=True, reason="; ".join([what, *rest]))
    troubles = "; ".join(worker.trouble or "" for worker in workers[:3])
    return Check(ok=False, reason=f"{troubles}. Look at the log of `tracefleet ingest`, or start one.")


def _is_heard(worker: Worker) -> bool:
    return worker.age_seconds <= HEARTBEAT_SECONDS


async def _applied(database: Database, *, is_migrated: bool) -> SchemaStatus:
    rows: list[DictRow] = await database.fetch(APPLIED, within_seconds=DATABASE_SECONDS) if is_migrated else []
    if not rows:
        return SchemaStatus(0, _known("plain"), None)
    flavour: Flavour = "timescale" if rows[0]["flavour"] == "timescale" else "plain"
    return SchemaStatus(len(rows), _known(flavour), flavour)


async def _check_ingest(database: Database, schema: Check) -> Check:
    if not schema.ok:
        return Check(ok=False, reason="not known while the schema is not this release's")
    rows = await database.fetch(WORKERS, within_seconds=DATABASE_SECONDS)
    return judge_workers([Worker(**row) for row in rows])


@cache
def _known(flavour: Flavour) -> int:
    """How many migrations this code has; the files do not change while it runs."""
    return len(known_migrations(flavour))
