"""The disk under PostgreSQL is full: under its tables, and under its log."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from deploy.embedded.system_user import make_passable, server_user
from tests.faults.conftest import MakeStage
from tests.faults.server import Server
from tests.faults.stage import Stage
from tests.faults.waiting import keeps, until

STILL_SECONDS = 3.0
RECOVERY_SECONDS = 10.0
TABLE_BYTES = 64 * 2**20
# PostgreSQL's log comes in files of 16 MiB, and it wants a few of them.
LOG_BYTES = 192 * 2**20


@contextmanager
def small_disk(place: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of so many bytes at *place*, the server's own; skips where this user may not mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    place.mkdir(parents=True)
    make_passable(place)
    options = f"size={size_bytes},mode=0700,uid=0"
    command = ["mount", "-t", "tmpfs", "-o", options, "tracefleet-small-disk", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        if (user := server_user()) is not None:
            shutil.chown(place, user, user)
        yield place
    finally:
        # Whoever still holds it ends with the test; the mount goes then.
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 - root's PATH


def fill_up(place: Path) -> Path:
    """A file that leaves nothing of the disk."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (2**20, 4096):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return ballast


@pytest.mark.fault("disk full under the tables")
def test_ingest_stops_and_says_so_while_the_disk_is_full(
    make_stage: MakeStage, own_server: Server, tmp_path: Path
) -> None:
    """Nothing is acknowledged, /readyz names the disk, and once there is room everything is stored."""
    with small_disk(tmp_path / "disk", TABLE_BYTES) as disk:
        stage = make_stage(own_server.url)
        stage.connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'".encode())
        stage.connection.execute("ALTER TABLE coldchain SET TABLESPACE small")
        tap = stage.tap()
        ingest = stage.ingest(broker_port=tap.port)
        ingest.start()
        devices = stage.devices(rate=stage.profile.rate, limit=10**9)
        stage.until_stored(int(stage.profile.rate))
        stage.figures.saw_rss(ingest.rss_mb())
        ballast = fill_up(disk)
        # Pages that the table has already are filled first.
        until(
            lambda: ingest.complains_of("No space left on device", "53100"), seconds=60, what="/readyz names the disk"
        )
        until(lambda: tap.acknowledged == stage.stored(), seconds=5, what="what was committed is acknowledged")
        acknowledged = tap.acknowledged
        keeps(
            lambda: tap.acknowledged == acknowledged and not ingest.is_ready(),
            seconds=STILL_SECONDS,
            what="ingest acknowledges nothing and is not ready",
        )
        stage.figures.saw_rss(ingest.rss_mb())
        ballast.unlink()
        stage.figures.recovery_seconds.append(stage.until_stored(acknowledged + 1, seconds=RECOVERY_SECONDS))
        until(ingest.is_ready, seconds=RECOVERY_SECONDS, what="ingest is ready again")
        stage.reckon(devices, ingest, tap)
        stage.figures.saw_rss(ingest.rss_mb())
        assert ingest.starts == 1
        stage.connection.close()
        own_server.end()


@pytest.mark.fault("disk full under PostgreSQL's log")
def test_nothing_is_lost_when_postgres_cannot_write_its_log(
    make_stage: MakeStage, own_server: Server, tmp_path: Path
) -> None:
    """The server itself goes down; with room again, and started again, it has all that was acknowledged."""
    with small_disk(tmp_path / "disk", LOG_BYTES) as disk:
        own_server.end()
        shutil.copytree(own_server.data / "pg_wal", disk, dirs_exist_ok=True)
        _give(disk)
        shutil.rmtree(own_server.data / "pg_wal")
        (own_server.data / "pg_wal").symlink_to(disk)
        own_server.start()
        stage = make_stage(own_server.url)
        tap = stage.tap()
        ingest = stage.ingest(broker_port=tap.port)
        ingest.start()
        devices = stage.devices(rate=stage.profile.rate, limit=10**9)
        stage.until_stored(int(stage.profile.rate))
        ballast = fill_up(disk)
        _use_up_the_log(stage)
        until(lambda: ingest.complains_of("batches cannot be written"), seconds=60, what="/readyz says so")
        acknowledged = tap.acknowledged
        keeps(lambda: tap.acknowledged == acknowledged, seconds=STILL_SECONDS, what="ingest acknowledges nothing")
        ballast.unlink()
        if own_server.has_ended():
            own_server.start()
        stage.reconnect()
        before = stage.stored()
        stage.figures.recovery_seconds.append(stage.until_stored(before + 1, seconds=RECOVERY_SECONDS))
        stage.reckon(devices, ingest, tap)
        assert ingest.starts == 1
        stage.connection.close()
        own_server.end()


def _give(place: Path) -> None:
    if (user := server_user()) is not None:
        for each in (place, *place.rglob("*")):
            shutil.chown(each, user, user)


def _use_up_the_log(stage: Stage) -> None:
    """Write until the server has no room for its log; what it says to that is its own business."""
    try:
        stage.connection.execute("CREATE TABLE filler (line text)")
        for _ in range(64):
            stage.connection.execute(
                "INSERT INTO filler SELECT repeat(md5(n::text), 30) FROM generate_series(1, 4000) n"
            )
    except psycopg.Error:
        return
    pytest.fail("the log found room")
