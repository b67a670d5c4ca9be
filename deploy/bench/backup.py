"""The benchmark of backups: how far the streamed log is behind while rows are written, and how long a restore takes.

An embedded server of its own is filled, backed up, filled on, killed, and its folder deleted; what is restored has
every row that was streamed.
"""

import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from pydantic import SecretStr

from deploy.backup import restoration, scripts
from deploy.backup.folder import BackupFolder
from deploy.bench import database, machine
from deploy.bench.children import stop
from deploy.bench.database import Connection, Database, one
from deploy.bench.progress import Bar
from deploy.bench.run import signals_interrupt
from deploy.embedded import postgres
from deploy.embedded.postgres import EmbeddedPostgres
from fleet.keys import Keys
from store.database import connect_once
from store.errors import TracefleetError
from store.migrations import migrate
from store.settings import Settings

ROWS_A_BATCH: Final = 2000
DEVICES: Final = 1000
SAMPLE_SECONDS: Final = 0.02
STREAMING_SECONDS: Final = 30.0
HOW: Final = {
    "load": f"cold-chain rows with their index, {ROWS_A_BATCH} a transaction, of {DEVICES} devices in turn",
    "lag": "from the server's flush of a commit to the archive's, by pg_stat_replication, 50 times a second",
    "restore": "the base backup checked and copied, the log replayed to its end, the audit verified",
}

# Numbers of the batch's own: a row is what ingest stores, without a ledger around it.
BATCH: Final = """
INSERT INTO coldchain (device_id, at, boot_id, seq, received_at, clock_ahead, temperature_c, probe, humidity_pct)
SELECT 1 + (n * 7919) %% %(devices)s, now(), 1, %(batch)s::int8 * %(rows)s + n, now(), false, 2.5, 'p', 80
FROM generate_series(1, %(rows)s) AS n
"""
ROWS: Final = "SELECT count(*) FROM coldchain"
LAG: Final = """
SELECT extract(epoch FROM flush_lag)::float8, pg_wal_lsn_diff(pg_current_wal_flush_lsn(), flush_lsn)::int8
FROM pg_stat_replication WHERE application_name = 'tracefleet_archive'
"""


@dataclass(slots=True)
class _Lags:
    seconds: list[float] = field(default_factory=list)
    behind_bytes: int = 0


def run(megabytes: int) -> dict[str, Any]:
    """The whole report, with about *megabytes* in the backup and as many after it. Everything started is removed.

    Raises TracefleetError when a server or a script cannot run, or a row is missing afterwards.
    """
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(4))
        stack.enter_context(signals_interrupt())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracefleet-bench-")))
        settings = Settings(data_dir=folder / "data", backup_dir=folder / "backups")
        backups = BackupFolder.of(settings)
        about = machine.machine(folder)
        with _serving(settings, backups) as (server, process):
            connection = stack.enter_context(connect_once(server.url, application_name=database.NAME))
            configured = machine.server(connection, Database(server.url, process.pid))
            bar.begin(f"{megabytes} MB")
            # A row with its index is about 200 bytes.
            batches = max(1, megabytes * 1_000_000 // (200 * ROWS_A_BATCH))
            _fill(connection, range(batches))
            bar.end_scenario()
            bar.begin("the base backup")
            begun = time.monotonic()
            scripts.make_base(backups, server, keep=1)
            base_seconds = time.monotonic() - begun
            backups.keep_files(settings, with_key=False)
            bar.end_scenario()
            bar.begin("as much again, streamed")
            before = database.wal_bytes(connection)
            with _watched(server) as lags:
                _fill(connection, range(batches, 2 * batches))
            log_bytes = database.wal_bytes(connection) - before
            (rows,) = one(connection, ROWS)
            _wait_for_stream(connection)
            connection.close()
            bar.end_scenario()
            process.send_signal(signal.SIGQUIT)
            process.wait()
        shutil.rmtree(settings.data_dir / "postgres")
        bar.begin("the restore")
        (base,) = backups.bases()
        restored, _ = restoration.restore(settings, backups, None)
        _compare(settings, rows)
        bar.end_scenario()
    return {
        "machine": about,
        "settings": configured | {"method": HOW},
        "base_backup": {"bytes": base.bytes, "seconds": round(base_seconds, 2)},
        "log": {"bytes": log_bytes, "bytes_per_row": round(2 * log_bytes / rows, 1)},
        "lag_ms": _quantiles(lags.seconds),
        "behind_bytes_max": lags.behind_bytes,
        "restore": {
            "rows": rows,
            "seconds": round(restored.seconds, 2),
            "copy_bytes_per_second": round(base.bytes / restored.copy_seconds),
            "replay_bytes_per_second": round(log_bytes / (restored.seconds - restored.copy_seconds)),
        },
    }


@contextmanager
def _serving(settings: Settings, backups: BackupFolder) -> Iterator[tuple[EmbeddedPostgres, Any]]:
    """A migrated server with its archive, and its process."""
    server = postgres.prepare(settings.data_dir, port=0)
    process = server.start()
    archive = None
    try:
        server.wait_ready(process)
        migrate(settings.model_copy(update={"database_url": SecretStr(server.url)}))
        with connect_once(server.url, application_name=database.NAME) as connection:
            # A key, so that the restore has an audit to verify.
            Keys.of(settings).key(connection, "audit")
        backups.prepare()
        archive = scripts.start_archive(backups, server, log=settings.data_dir / "logs" / "archive.log")
        yield server, process
    finally:
        if archive is not None:
            stop(archive, signal.SIGTERM)
        stop(process, signal.SIGQUIT)


def _fill(connection: Connection, batches: range) -> None:
    for batch in batches:
        connection.execute(BATCH.encode(), {"devices": DEVICES, "batch": batch, "rows": ROWS_A_BATCH})


@contextmanager
def _watched(server: EmbeddedPostgres) -> Iterator[_Lags]:
    """What the lag is while the block runs."""
    lags, over = _Lags(), threading.Event()

    def watch() -> None:
        with connect_once(server.url, application_name=database.NAME) as connection:
            while not over.wait(SAMPLE_SECONDS):
                lag, behind = connection.execute(LAG).fetchone() or (None, None)
                if isinstance(lag, float):
                    lags.seconds.append(lag)
                if isinstance(behind, int):
                    lags.behind_bytes = max(lags.behind_bytes, behind)

    thread = threading.Thread(target=watch, name="lag")
    thread.start()
    try:
        yield lags
    finally:
        over.set()
        thread.join()


def _wait_for_stream(connection: Connection) -> None:
    """Return when the archive has everything: this measures a restore, the tests what is lost without."""
    (here,) = one(connection, "SELECT pg_current_wal_flush_lsn()::text")
    deadline = time.monotonic() + STREAMING_SECONDS
    there = "SELECT coalesce(bool_or(flush_lsn >= %(here)s::pg_lsn), false) FROM pg_stat_replication"
    while connection.execute(there.encode(), {"here": here}).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise TracefleetError("the archive did not follow within 30 s; its log is gone with the benchmark's folder")
        time.sleep(SAMPLE_SECONDS)


def _compare(settings: Settings, rows: int) -> None:
    server = postgres.prepare(settings.data_dir, port=0)
    process = server.start()
    try:
        server.wait_ready(process)
        with psycopg.connect(server.url) as connection:
            (found,) = one(connection, ROWS)
    finally:
        stop(process, signal.SIGINT)
    if found != rows:
        raise TracefleetError(f"{rows} rows were committed and streamed, and {found} are in the restored database")


def _quantiles(seconds: list[float]) -> dict[str, Any]:
    if len(seconds) < 2:  # noqa: PLR2004 - of fewer there are no quantiles
        return {"p50": None, "p99": None, "max": None, "samples": len(seconds)}
    cuts = statistics.quantiles(seconds, n=100)
    told = {"p50": cuts[49], "p99": cuts[98], "max": max(seconds)}
    return {name: round(1000 * value, 2) for name, value in told.items()} | {"samples": len(seconds)}
