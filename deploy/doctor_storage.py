"""What ``tracefleet doctor`` looks at of the store's future: whether its log is archived, and how long the disk lasts.

Each answers with a verdict, what was seen and what to do.
"""

from typing import Any, Final, Literal, TypeAlias

import psycopg

from deploy import sizing
from deploy.embedded import postgres
from store.records import TELEMETRY
from store.settings import PREFIX, Settings

Answer: TypeAlias = tuple[Literal["ok", "warning", "problem"], str, str]
Connection = psycopg.Connection[tuple[object, ...]]

START: Final = (
    f"Start the archive: deploy/backup/archive.sh, or `tracefleet up` with {PREFIX}BACKUP_DIR. If there is to be none, "
    f"drop its slot: SELECT pg_drop_replication_slot('tracefleet_archive')."
)
FEWEST_DAYS: Final = 30
MEGABYTE: Final = 1_000_000
GIGABYTE: Final = 1_000_000_000

SLOT: Final = """
SELECT active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8
FROM pg_replication_slots WHERE slot_name = 'tracefleet_archive'
"""
ARCHIVER: Final = """
SELECT current_setting('archive_mode') <> 'off',
       coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL),
       last_archived_time, last_failed_wal
FROM pg_stat_archiver
"""
YESTERDAY: Final = """
SELECT stream, sum(stored)::int8 FROM ingest_stats
WHERE bucket_at > now() - INTERVAL '1 day' AND stream = ANY(%(streams)s) GROUP BY stream
"""
DEVICES: Final = "SELECT count(*) FROM devices"
COMPRESSES: Final = "SELECT telemetry_is_hypertable()"


def archive(connection: Connection) -> Answer:
    """Whether what is committed is somewhere else, too, soon."""
    slot: Any = connection.execute(SLOT).fetchone()
    if slot is not None:
        return _of_slot(*slot)
    is_on, fails, archived_at, failed = connection.execute(ARCHIVER).fetchone() or (False, False, None, None)
    if not is_on:
        return (
            "warning",
            "the database's log is not archived: a lost disk takes all that came since the last backup",
            f"For `tracefleet up` set {PREFIX}BACKUP_DIR; elsewhere see deploy/BACKUP.md.",
        )
    if fails:
        return (
            "problem",
            f"archive_command fails for {failed}",
            "The server's log has its words; until it works again, the log fills the database's disk.",
        )
    return "ok", f"archive_command works; last at {archived_at}", ""


def _of_slot(active: bool, wal_status: str, behind_bytes: int | None) -> Answer:
    behind = f"{(behind_bytes or 0) / MEGABYTE:.0f} MB"
    if wal_status == "lost":
        return (
            "problem",
            "the archive stayed away for too long: there is a gap in the log, and restores end before it",
            "Start the archive again (deploy/backup/archive.sh) and make a base backup now.",
        )
    if not active:
        return (
            "problem",
            f"nobody streams the database's log to the backups; {behind} wait for it",
            START,
        )
    return "ok", f"the database's log is streamed to the backups, which have all but {behind}", ""


def growth(connection: Connection, settings: Settings, free_bytes: int) -> Answer:
    """How fast the database grows at the rate of the last day; how long the disk lasts, where it is this machine's."""
    found: Any = connection.execute(YESTERDAY, {"streams": list(TELEMETRY)}).fetchall()
    (devices,) = connection.execute(DEVICES).fetchone() or (0,)
    (compresses,) = connection.execute(COMPRESSES).fetchone() or (False,)
    a_day = sizing.growth_bytes(dict(found), devices=int(str(devices)), compressed=bool(compresses))
    told = f"the database grows by {a_day / GIGABYTE:.2g} GB a day at the rate of the last 24 hours"
    if postgres.holder(settings.data_dir) is None or not a_day:
        # Its disk is another machine's, or nobody knows whose.
        return "ok", told, ""
    days = int(free_bytes / a_day)
    if days >= settings.retention_days:
        return "ok", f"{told}; the disk lasts for the {settings.retention_days} days that are kept", ""
    told = f"{told}; the disk here lasts for {days} days of the {settings.retention_days} that are kept"
    remedy = (
        f"More disk, or fewer days in {PREFIX}RETENTION_DAYS"
        f"{'' if compresses else ', or TimescaleDB, which compresses'}: deploy/SIZING.md."
    )
    return ("ok" if days >= FEWEST_DAYS else "warning"), told, remedy
