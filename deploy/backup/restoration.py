"""Restoring the embedded database: a base backup, the log replayed on it up to a moment, and proof of the result.

It happens beside the database that is there, which is moved away only when the new one has been looked at.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from deploy.backup import scripts
from deploy.backup.folder import TIME, BackupFolder
from deploy.embedded import postgres
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.process import end_of
from deploy.embedded.system_user import make_passable, server_user
from deploy.ports import free_port
from fleet.audit import anchors
from fleet.audit.verification import Verdict, verify
from fleet.errors import AnchorFileError, KeyFileError
from fleet.keys import Keys
from store.errors import DatabaseError, TracefleetError
from store.settings import Settings

POLL_SECONDS: Final = 0.05
STOP_SECONDS: Final = 60.0

STATE: Final = "SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp()"


@dataclass(frozen=True, slots=True)
class Restored:
    """A database that was brought back: the last commit in it, what its audit says, and how long it took.

    *copy_seconds* of *seconds* went into the base backup, the rest into the log.
    """

    last_commit_at: datetime | None
    verdict: Verdict | None
    # Why there is no verdict.
    unverified: str
    seconds: float
    copy_seconds: float


def restore(settings: Settings, backups: BackupFolder, until: datetime | None) -> tuple[Restored, Path | None]:
    """Put the database of *settings* back as it was at *until*, or as far as the log goes; where the old one is now.

    Nobody may run on the data folder: the caller holds its lock. Raises TracefleetError with everything as it was.
    """
    data_dir = settings.data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    backups.give_back_files(settings)
    unfinished = data_dir / "postgres.restored"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with recovered(unfinished, backups, until) as (server, recovery):
            found = _examined(server, settings, recovery, anchors.file_of(settings))
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    here, aside = data_dir / "postgres", None
    if here.exists():
        aside = here.rename(here.with_name(f"postgres.before-{datetime.now(UTC):{TIME}}"))
    unfinished.rename(here)
    shutil.copy2(backups.files / postgres.ACCESS_FILE, data_dir / postgres.ACCESS_FILE)
    return found, aside


def rehearse(settings: Settings, backups: BackupFolder, until: datetime | None) -> Restored:
    """The same into a folder that is thrown away: whether a restore would work, and what it would bring.

    Raises TracefleetError when it would not.
    """
    with tempfile.TemporaryDirectory(prefix="tracefleet-restore-") as scratch:
        # As they are now: those that fleet notes meanwhile are of changes that are made meanwhile.
        noted = Path(scratch) / anchors.FILE_NAME
        if anchors.file_of(settings).exists():
            shutil.copy2(anchors.file_of(settings), noted)
        with recovered(Path(scratch) / "postgres", backups, until) as (server, recovery):
            return _examined(server, settings, recovery, noted)


@contextmanager
def recovered(
    folder: Path, backups: BackupFolder, until: datetime | None
) -> Iterator[tuple[EmbeddedPostgres, "Recovery"]]:
    """A server on *folder*, which is made, with everything up to *until*; it has stopped when the block ends."""
    begun = time.monotonic()
    user = server_user()
    folder.mkdir(mode=0o700)
    if user is not None:
        make_passable(folder)
        shutil.chown(folder, user)
    told = until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if until is not None else None
    scripts.fill(folder, backups, told)
    copied = time.monotonic()
    server = EmbeddedPostgres(folder, free_port(postgres.HOST), _password(backups))
    process = server.recover()
    try:
        last_commit_at = _replayed(server, process)
        yield server, Recovery(last_commit_at, time.monotonic() - begun, copied - begun)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # Its log is on disk: the next start recovers.
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class Recovery:
    """How far the log was replayed, and how long that took with the copying before it."""

    last_commit_at: datetime | None
    seconds: float
    copy_seconds: float


def _replayed(server: EmbeddedPostgres, process: "subprocess.Popen[bytes]") -> datetime | None:
    """Return when the server takes writes: when that is depends on the log, so there is no limit but its life."""
    while process.poll() is None:
        if server.is_ready():
            with psycopg.connect(server.maintenance_url, autocommit=True) as connection:
                row: Any = connection.execute(STATE).fetchone()
            if row[0] is False:
                reached: datetime | None = row[1]
                return reached
        time.sleep(POLL_SECONDS)
    raise DatabaseError(
        f"the log could not be replayed as far as asked · 日志无法回放到指定时刻. The end of {server.log}:\n"
        f"{end_of(server.log)}"
    )


def _password(backups: BackupFolder) -> str:
    file = backups.files / postgres.ACCESS_FILE
    try:
        return postgres.password_in(file)
    except (OSError, ValueError, KeyError) as error:
        raise TracefleetError(
            f"{file}: the password of the database is not there; `tracefleet backup create` copies it. "
            f"Without it: deploy/BACKUP.md, by hand. · 缺少数据库口令文件，参见 deploy/BACKUP.md。"
        ) from error


def _examined(server: EmbeddedPostgres, settings: Settings, recovery: Recovery, noted: Path) -> Restored:
    verdict, unverified = None, ""
    with psycopg.connect(server.url, autocommit=True) as connection:
        try:
            verdict = verify(connection, Keys.of(settings), noted)
        except (AnchorFileError, KeyFileError) as error:
            unverified = str(error)
    return Restored(recovery.last_commit_at, verdict, unverified, recovery.seconds, recovery.copy_seconds)
