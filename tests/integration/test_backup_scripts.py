"""The scripts that make, prune and restore backups: what they refuse, and what they keep."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import pytest

from deploy.backup import scripts
from deploy.backup.folder import BackupFolder
from deploy.embedded import postgres
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.process import wait_until
from deploy.embedded.system_user import make_passable, server_user
from store.errors import TracefleetError
from tests.conftest import end, free_port

ROLE: Final = scripts.FOLDER.parent / "compose" / "backup-role.sh"
SCRIPTS: Final = sorted(scripts.FOLDER.glob("*.sh"))


@dataclass(frozen=True)
class Place:
    """A server, and a folder for its backups."""

    server: EmbeddedPostgres
    backups: BackupFolder

    def execute(self, statement: str) -> None:
        """As the superuser."""
        with psycopg.connect(self.server.maintenance_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One that all tests here share, with one base backup."""
    folder = tmp_path_factory.mktemp("place")
    server = postgres.prepare(folder / "data", port=free_port())
    process = server.start()
    try:
        server.wait_ready(process)
        backups = BackupFolder(folder / "backups")
        scripts.make_base(backups, server, keep=3)
        yield Place(server, backups)
    finally:
        end(process, signal.SIGINT)


@pytest.mark.parametrize("script", [*SCRIPTS, ROLE], ids=lambda path: path.name)
def test_script_is_one_for_a_plain_shell(script: Path) -> None:
    """The images have no other; the shell reads each without a complaint."""
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    # The image's entry point runs what may be run, and takes the rest into its own shell.
    assert script.stat().st_mode & 0o111 == 0o111
    assert subprocess.run(["/bin/sh", "-n", str(script)], check=False, capture_output=True).stderr == b""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_without_a_folder_says_which_variable_is_missing(script: Path) -> None:
    """Before it does anything."""
    done = subprocess.run(
        ["/bin/sh", str(script)], env={"PATH": os.environ["PATH"]}, check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "BACKUP_DIR=/backups" in done.stderr


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-28", "2026-11-28T19:00:00+08:00", "2026-11-28T19:00:00'Z"])
def test_restore_to_what_is_no_moment_is_refused(place: Place, tmp_path: Path, moment: str) -> None:
    """With an example, and nothing written."""
    with pytest.raises(TracefleetError, match=r"expected a time in UTC such as"):
        scripts.fill(tmp_path / "data", place.backups, moment)
    assert not (tmp_path / "data").exists()


def test_restore_to_before_the_first_backup_is_refused(place: Place, tmp_path: Path) -> None:
    """There is nothing to begin with."""
    with pytest.raises(TracefleetError, match=r"no base backup in .* was complete by 2020"):
        scripts.fill(tmp_path / "data", place.backups, "2020-01-01T00:00:00Z")


def test_restore_into_a_folder_with_data_is_refused(place: Place, tmp_path: Path) -> None:
    """A slip of the hand costs nothing; nor does a folder that is not the server's."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "precious").touch()
    make_passable(folder)
    with pytest.raises(TracefleetError, match=r"is not empty|cannot be read by"):
        scripts.fill(folder, place.backups, None)
    user = server_user()
    if user is not None:
        shutil.chown(folder, user)
    with pytest.raises(TracefleetError, match="is not empty"):
        scripts.fill(folder, place.backups, None)
    assert (folder / "precious").exists()


def test_restore_over_a_running_server_is_refused(place: Place) -> None:
    """It would be two databases in one folder."""
    with pytest.raises(TracefleetError, match="a server runs there"):
        scripts.fill(place.server.folder, place.backups, None)


def test_restore_of_a_backup_that_rotted_is_refused(place: Place, tmp_path: Path) -> None:
    """One byte in one file is found before anything is started on it, or thrown away for it."""
    rotten = BackupFolder(tmp_path / "backups")
    rotten.prepare()
    scripts.make_base(rotten, place.server, keep=1)
    file = rotten.path / "base" / rotten.bases()[0].name / "global" / "pg_control"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(TracefleetError, match="pg_control"):
        scripts.fill(tmp_path / "data", rotten, None)
    assert not (tmp_path / "data").exists()
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "precious").touch()
    make_passable(folder)
    if (user := server_user()) is not None:
        shutil.chown(folder, user)
    told = scripts._environment(rotten) | {"PGDATA": str(folder), "RESTORE_DISCARD": "yes"}
    with pytest.raises(TracefleetError, match="pg_control"):
        scripts._run("restore.sh", variables=told)
    assert (folder / "precious").exists()


@pytest.mark.parametrize("keep", ["0", "00", "-1", "three"])
def test_backup_that_is_to_keep_none_is_refused(place: Place, keep: str) -> None:
    """It would remove itself with all before it."""
    told = scripts._environment(place.backups) | scripts._connection(place.server) | {"BACKUP_KEEP": keep}
    with pytest.raises(TracefleetError, match="expected a number from 1 on"):
        scripts._run("base-backup.sh", variables=told)


def test_old_backups_go_with_the_log_that_only_they_need(place: Place, tmp_path: Path) -> None:
    """Three were made and one is kept: the log begins where it does."""
    backups = BackupFolder(tmp_path / "backups")
    log = tmp_path / "archive.log"
    backups.prepare()
    process = scripts.start_archive(backups, place.server, log=log)
    try:
        assert wait_until(lambda: any(backups.path.glob("wal/*/*")), process, seconds=20), log.read_text()
        for _ in range(3):
            place.execute("SELECT pg_switch_wal()")
            before = backups.bases()
            scripts.make_base(backups, place.server, keep=2 if len(before) < 2 else 1)
        (kept,) = backups.bases()
        label = (backups.path / "base" / kept.name / "backup_label").read_text(encoding="utf-8")
        first = label.partition("(file ")[2].partition(")")[0]

        def log_is_whole() -> bool:
            return any(name.startswith(first) for name in (file.name for file in backups.path.glob("wal/*/*")))

        assert wait_until(log_is_whole, process, seconds=20), log.read_text()
        assert [file.name for file in backups.path.glob("wal/*/*") if file.name[8:24] < first[8:]] == []
    finally:
        end(process)
        place.execute("SELECT pg_drop_replication_slot('tracefleet_archive')")


def test_a_gap_in_the_log_is_said_and_streaming_goes_on(place: Place, tmp_path: Path) -> None:
    """An archive that was away for longer than the server kept its log: what it has stays apart from what comes."""
    backups, log = BackupFolder(tmp_path / "backups"), tmp_path / "archive.log"
    backups.prepare()
    place.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    place.execute("SELECT pg_reload_conf()")
    process = scripts.start_archive(backups, place.server, log=log)
    try:
        assert wait_until(lambda: any(backups.path.glob("wal/*/*")), process, seconds=20), log.read_text()
        end(process)
        for _ in range(4):
            place.execute("CREATE TABLE moving AS SELECT 1 AS n; DROP TABLE moving; SELECT pg_switch_wal()")
        place.execute("CHECKPOINT")
        process = scripts.start_archive(backups, place.server, log=log)
        assert wait_until(lambda: len(list(backups.path.glob("wal/*"))) == 2, process, seconds=20), log.read_text()
        assert wait_until(lambda: any(backups.path.glob("wal/????????/*")), process, seconds=20), log.read_text()
        assert "Make a base backup now" in log.read_text(encoding="utf-8")
        assert any(backups.path.glob("wal/*.before-*/*"))
    finally:
        end(process)
        place.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        place.execute("SELECT pg_reload_conf()")
        place.execute("SELECT pg_drop_replication_slot('tracefleet_archive')")


@pytest.mark.parametrize("address", ["all", "127.0.0.1/32"], ids=["compose", "systemd"])
def test_role_for_backups_can_make_them_and_nothing_else(address: str, place: Place, tmp_path: Path) -> None:
    """By its password, from a file in a container and from a variable on a server; it reads no table."""
    path = f"{postgres.programs()}{os.pathsep}{os.environ['PATH']}"
    reach = {"PATH": path, "PGHOST": postgres.HOST, "PGPORT": str(place.server.port)}
    secret = tmp_path / "secret"
    secret.write_text("it's a secret\n", encoding="utf-8")
    superuser = {"POSTGRES_USER": postgres.SUPERUSER, "POSTGRES_DB": "postgres", "PGPASSWORD": place.server.password}
    hba = place.server.folder / "pg_hba.conf"
    before = hba.read_text(encoding="utf-8")
    in_container, on_server = {"BACKUP_PASSWORD_FILE": str(secret)}, {"BACKUP_PASSWORD": secret.read_text().strip()}
    given = in_container if address == "all" else on_server | {"BACKUP_FROM": address}
    with ROLE.open("rb") as script:
        made = subprocess.run(
            # As README.md of systemd has it: postgres need not see the folder of the project.
            ["/bin/sh", "-s"], stdin=script, env=reach | superuser | given, capture_output=True, text=True, check=False
        )  # fmt: skip
    assert made.returncode == 0, made.stderr
    added = hba.read_text(encoding="utf-8").removeprefix(before)
    assert added == f"host replication tracefleet_backup {address} scram-sha-256\n"

    told = subprocess.run(
        ["/bin/sh", str(scripts.FOLDER / "base-backup.sh")],
        env=reach
        | {"PGUSER": "tracefleet_backup", "BACKUP_PASSWORD_FILE": str(secret), "BACKUP_DIR": str(tmp_path / "backups")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert [str(tmp_path / "backups" / "base" / base.name) for base in BackupFolder(tmp_path / "backups").bases()] == [
        told.stdout.strip()
    ]
    place.execute("CREATE TABLE private AS SELECT 1 AS n")
    url = f"postgresql://tracefleet_backup@{postgres.HOST}:{place.server.port}/postgres"
    with (
        psycopg.connect(url, password="it's a secret") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT n FROM private")
    hba.write_text(before, encoding="utf-8")
    place.execute("DROP TABLE private")
    place.execute("DROP ROLE tracefleet_backup")


def test_an_archive_whose_folder_is_gone_ends_by_itself(place: Place, tmp_path: Path) -> None:
    """Its log says why; whoever keeps it starts it again, and nothing else stops."""
    (tmp_path / "file").touch()
    log = tmp_path / "archive.log"
    process = scripts.start_archive(BackupFolder(tmp_path / "file" / "backups"), place.server, log=log)
    assert process.wait(20) != 0
    assert "mkdir" in log.read_text(encoding="utf-8")


def test_a_backup_that_fails_leaves_those_before(place: Place) -> None:
    """A wrong password: the words of the program, and nothing half done."""
    before = place.backups.bases()
    wrong = EmbeddedPostgres(place.server.folder, place.server.port, "guessed")
    with pytest.raises(TracefleetError, match="password authentication failed"):
        scripts.make_base(place.backups, wrong, keep=1)
    assert place.backups.bases() == before
    assert list((place.backups.path / "base").glob(".*")) == []
