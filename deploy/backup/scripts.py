"""The scripts of this folder, run with the embedded server's programs: what compose runs is what ``up`` runs."""

import os
import pwd
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.backup.folder import BackupFolder
from deploy.embedded import postgres
from deploy.embedded.postgres import EmbeddedPostgres
from deploy.embedded.process import spawn
from deploy.embedded.system_user import server_user
from store.errors import TracefleetError

FOLDER: Final = Path(__file__).parent


def start_archive(backups: BackupFolder, server: EmbeddedPostgres, *, log: Path) -> "subprocess.Popen[bytes]":
    """The process that streams the log of *server* into a folder that was prepared, started; without it, it ends."""
    variables = _environment(backups) | _connection(server)
    return spawn(_command("archive.sh"), log=log, environment=variables, user=server_user())


def make_base(backups: BackupFolder, server: EmbeddedPostgres, *, keep: int) -> None:
    """Another base backup; only *keep* stay. Raises TracefleetError with the words of the program that failed."""
    backups.prepare()
    _run("base-backup.sh", variables=_environment(backups) | _connection(server) | {"BACKUP_KEEP": str(keep)})


def fill(folder: Path, backups: BackupFolder, until: str | None) -> str:
    """Put a base backup into the empty *folder*, to be recovered to *until*; what the script says of it.

    Raises TracefleetError with the script's words.
    """
    variables = _environment(backups) | {"PGDATA": str(folder)}
    return _run("restore.sh", *([until] if until is not None else []), variables=variables)


def _command(script: str, *arguments: str) -> list[str]:
    # By its text: the server's user may not be able to read our folder.
    return ["/bin/sh", "-c", (FOLDER / script).read_text(encoding="utf-8"), script, *arguments]


def _environment(backups: BackupFolder) -> dict[str, str]:
    path = f"{postgres.programs()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "LC_ALL": "C", "BACKUP_DIR": str(backups.path)}


def _connection(server: EmbeddedPostgres) -> dict[str, str]:
    return {
        "PGHOST": postgres.HOST,
        "PGPORT": str(server.port),
        "PGUSER": postgres.SUPERUSER,
        "PGPASSWORD": server.password,
    }


def _run(script: str, *arguments: str, variables: Mapping[str, str]) -> str:
    user = server_user()
    done = subprocess.run(
        _command(script, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=dict(variables),
        cwd="/",
        user=user,
        group=pwd.getpwnam(user).pw_gid if user is not None else None,
        extra_groups=[] if user is not None else None,
        check=False,
    )
    if done.returncode != 0:
        raise TracefleetError(done.stderr.strip() or f"{script} ended with status {done.returncode}")
    return done.stdout.strip()
