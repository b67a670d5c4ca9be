"""The checks of ``tracefleet doctor``: each looks at one thing and says how it is, and what to do."""

import asyncio
import http.client
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import class_row

from deploy import doctor_storage
from deploy.broker_certificate import broker_certificate
from deploy.check import Check, Verdict
from deploy.mqtt_probe import refusal_of
from deploy.ports import SERVICES, Service, is_free, reachable_host, service_port
from deploy.rounds import rounds
from deploy.symptoms import symptoms
from fleet.identity.bus import BusError
from fleet.identity.status import ask
from ingest.roster import ALL, Unread, Worker, unread
from store.database import connect_once
from store.errors import TracefleetError
from store.migrations import schema_status
from store.settings import PREFIX, Settings

RECOMMENDED_TIMESCALE: Final = (2, 29)
# Well within the 5 minutes after which a record is marked clock_ahead, and far above what a round trip blurs.
CLOCK_TOLERANCE: Final = timedelta(seconds=2)
DISK_BYTES: Final = 2_000_000_000

SERVER = "SELECT current_setting('server_version'), clock_timestamp()"
EXTENSION = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"

Connection = psycopg.Connection[tuple[object, ...]]


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, one after the other; the slowest waits 5 s for a server that says nothing."""
    yield from _database(settings)
    yield _broker(settings)
    yield from broker_certificate(settings)
    yield _logins(settings.nats_url.get_secret_value() if settings.nats_url is not None else None)
    yield _disk(settings.data_dir)
    for service in SERVICES:
        yield _port(settings, service)
    yield from rounds(settings)


def _database(settings: Settings) -> Iterator[Check]:
    try:
        url = settings.require_database_url()
        connection = connect_once(url, application_name="tracefleet doctor")
    except TracefleetError as error:
        what_is_wrong, _, remedy = str(error).partition(". ")
        yield Check("database", "problem", what_is_wrong, remedy)
        return
    with connection:
        asked_at = datetime.now(UTC)
        version, clock = connection.execute(SERVER).fetchone() or ("", None)
        answered_at = datetime.now(UTC)
        where = urlsplit(url)
        yield Check("database", "ok", f"PostgreSQL {version} at {where.hostname}:{where.port or 5432}{where.path}")
        schema = _schema(connection)
        yield schema
        yield _extension(connection)
        if isinstance(clock, datetime):
            yield _clock(clock - (asked_at + (answered_at - asked_at) / 2))
        if schema.verdict != "problem":
            yield from _workers(connection)
            yield Check("archive", *doctor_storage.archive(connection))
            free_bytes = shutil.disk_usage(_place(settings.data_dir)).free
            yield Check("growth", *doctor_storage.growth(connection, settings, free_bytes))
            yield from symptoms(connection, settings)


def _schema(connection: Connection) -> Check:
    status = schema_status(connection)
    detail, _, remedy = status.explain().partition(". ")
    verdict: Verdict = "ok" if status.is_current else "warning" if status.is_usable else "problem"
    return Check("schema", verdict, detail, remedy)


def _extension(connection: Connection) -> Check:
    found = connection.execute(EXTENSION).fetchone()
    if found is None:
        return Check(
            "timescaledb",
            "warning",
            "not in this database: telemetry is not compressed and roll-ups are computed at each query",
            "Fine for a small site. For more, use a server with TimescaleDB 2.29 or newer, and a new database on it.",
        )
    wanted = ".".join(map(str, RECOMMENDED_TIMESCALE))
    if tuple(int(part) for part in re.findall(r"\d+", str(found[0]))[:2]) < RECOMMENDED_TIMESCALE:
        return Check(
            "timescaledb",
            "warning",
            f"{found[0]}: it works, and is older than {wanted}, the one it is made for and tested with",
            f"Install TimescaleDB {wanted} or newer, then run `ALTER EXTENSION timescaledb UPDATE`.",
        )
    return Check("timescaledb", "ok", str(found[0]))


def _clock(database_ahead: timedelta) -> Check:
    seconds = database_ahead.total_seconds()
    if abs(database_ahead) <= CLOCK_TOLERANCE:
        return Check("clock", "ok", f"within {abs(seconds):.1f} s of the database's")
    direction = "behind" if seconds > 0 else "ahead of"
    return Check(
        "clock",
        "problem",
        f"this machine's is {abs(seconds):.1f} s {direction} the database's",
        "Synchronise both by NTP; `timedatectl` shows how a machine stands.",
    )


def _workers(connection: Connection) -> Iterator[Check]:
    with connection.cursor(row_factory=class_row(Worker)) as cursor:
        workers = cursor.execute(ALL).fetchall()
    reading = [worker.worker for worker in workers if worker.state == "reading"]
    for worker in workers:
        if (found := _worker(worker)) is not None:
            yield found
    for broker in unread(workers):
        yield _unread(broker)
    yield Check("workers", "ok", f"reading: {', '.join(reading)}" if reading else "no ingest process reads now")


def _worker(worker: Worker) -> Check | None:
    """What is to be done about it, if anything. The broker keeps messages for it whether or not it comes back."""
    name = worker.worker
    remedy = (
        f"Start it again under its name, with its other settings and on any machine: "
        f"`{PREFIX}INGEST_WORKER={name} tracefleet ingest` takes its session over. If it is to stay away, "
        f"`tracefleet workers forget {name}` stores what the broker keeps for it."
    )
    if not worker.was_subscribed and (worker.is_gone or worker.is_stopped):
        return Check(
            "worker",
            "warning",
            f"{name} was never subscribed; no broker keeps anything for it",
            f"Mend its settings and start it, or remove it: `tracefleet workers forget {name}`.",
        )
    since = f"{worker.heartbeat_at:%Y-%m-%d %H:%M:%S%z}"
    if worker.is_gone:
        return Check("worker", "problem", f"{name} was last heard at {since} and took no leave", remedy)
    if worker.is_stopped:
        return Check("worker", "warning", f"{name} was stopped at {since}; the broker keeps its messages", remedy)
    if not worker.connected:
        why = worker.stopped_reason or "its log says why"
        return Check("worker", "problem", f"{name} runs and is not subscribed", f"{why[0].upper()}{why[1:]}")
    if worker.stopped_reason is not None:
        return Check("worker", "problem", f"{name} is subscribed: {worker.stopped_reason}", "Mend that; it tries on.")
    return None


def _unread(found: Unread) -> Check:
    streams = ", ".join(found.streams)
    remedy = f"Name them in {PREFIX}INGEST_STREAMS of a worker, or start one that reads them."
    if found.is_taken:
        detail = f"{streams} at {found.broker}: read by no worker that runs, but the one that reads `other` takes them"
        return Check("streams", "warning", detail, remedy)
    return Check("streams", "problem", f"{streams} at {found.broker}: read by no worker that runs", remedy)


def _broker(settings: Settings) -> Check:
    url = settings.broker_url.get_secret_value()
    where = urlsplit(url)
    place = f"{where.hostname}:{where.port or 'default'}"
    refusal = refusal_of(url)
    if refusal is None:
        return Check("broker", "ok", f"{place} lets us in")
    remedy = f"Check {PREFIX}BROKER_URL and that the broker runs; `tracefleet up` starts one of its own."
    return Check("broker", "problem", f"{place}: {refusal}", remedy)


def _logins(url: str | None) -> Check:
    if url is None:
        remedy = (
            "Run doctor where fleet runs, with its settings. With a broker that asks over HTTP there is nothing to see."
        )
        return Check("logins", "skipped", f"not looked at: {PREFIX}NATS_URL is not set here", remedy)
    where = urlsplit(url)
    place = f"{where.hostname}:{where.port or 4222}"
    try:
        status = asyncio.run(ask(url))
    except BusError as error:
        remedy = f"Check {PREFIX}NATS_URL, and that `tracefleet fleet` runs with it: without it no device logs in."
        return Check("logins", "problem", f"{place}: {error}", remedy)
    known = "1 device" if status.devices == 1 else f"{status.devices} devices"
    return Check("logins", "ok", f"a fleet that knows {known} answers at {place}")


def _place(data_dir: Path) -> Path:
    # The folder may not have been made yet: what holds it then is the nearest one above.
    folder = data_dir.resolve()
    return next(candidate for candidate in (folder, *folder.parents) if candidate.exists())


def _disk(data_dir: Path) -> Check:
    folder = data_dir.resolve()
    usage = shutil.disk_usage(_place(data_dir))
    detail = f"{usage.free / 1e9:.1f} GB free for {folder}"
    if usage.free >= DISK_BYTES:
        return Check("disk", "ok", detail)
    return Check(
        "disk",
        "problem",
        f"{detail}, less than {DISK_BYTES / 1e9:.0f} GB",
        f"Make room, move {PREFIX}DATA_DIR to a larger disk, or lower {PREFIX}RETENTION_DAYS and migrate again.",
    )


def _port(settings: Settings, service: Service) -> Check:
    wanted = service_port(settings, service)
    what = f"port {wanted.port}"
    try:
        free = is_free(wanted.host, wanted.port)
    except OSError as error:
        return Check(
            what, "problem", f"{wanted.purpose} cannot listen on {wanted.host}: {error.strerror}", wanted.remedy
        )
    if free:
        return Check(what, "ok", f"free here for {wanted.purpose}; what runs on another machine is not looked at")
    if _is_ours(wanted.host, wanted.port):
        return Check(what, "ok", f"tracefleet serves {wanted.purpose} there")
    return Check(what, "problem", f"taken, and not by {wanted.purpose}: perhaps by {wanted.suspects}", wanted.remedy)


def _is_ours(host: str, port: int) -> bool:
    """Whether what listens there serves metrics of ours."""
    connection = http.client.HTTPConnection(reachable_host(host).strip("[]"), port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return b"\ntracefleet_" in connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
