"""The services of ``deploy/compose.yaml`` as processes: their environment, secrets and order, on ports of this machine.

What only an engine does, images, networks and limits, is not here.
"""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from deploy.embedded import postgres
from tests.conftest import end, free_port
from tests.integration.door.world import until
from tests.unit import strict_yaml

ROOT: Final = Path(__file__).parents[3]
DEPLOY: Final = ROOT / "deploy"
LIMIT_SECONDS: Final = 60
# Variables by which a service listens elsewhere than at its default port, which another test may have.
PORTS: Final = {
    "ingest": "TRACEFLEET_INGEST_METRICS_PORT",
    "fleet": "TRACEFLEET_FLEET_METRICS_PORT",
    "api": "TRACEFLEET_API_PORT",
}


def make_secrets(folder: Path) -> None:
    """As an operator does."""
    script = DEPLOY / "compose" / "secrets.sh"
    subprocess.run(["sh", str(script), str(folder)], check=True, capture_output=True)  # noqa: S607 - any shell


def make_roles(url: str, secrets: Path) -> "subprocess.CompletedProcess[str]":
    """As the image runs the files of its initdb folder: psql, on the database, as its superuser."""
    command = [str(postgres.programs() / "psql"), "--no-psqlrc", f"--dbname={url}", f"--set=folder={secrets}"]
    file = DEPLOY / "compose" / "roles.sql"
    return subprocess.run([*command, f"--file={file}"], capture_output=True, text=True, check=False)


@contextmanager
def a_server(place: Path, secrets: Path) -> Iterator[str]:
    """A superuser's URL of a server of its own, roles being the server's, before the first migration."""
    with a_bare_server(place) as url:
        done = make_roles(url, secrets)
        assert done.returncode == 0, done.stderr
        yield url


@contextmanager
def a_bare_server(place: Path) -> Iterator[str]:
    """The same without a role of ours."""
    server = postgres.prepare(place, port=free_port())
    process = server.start()
    try:
        server.wait_ready(process)
        server.create_database()
        yield server.url
    finally:
        end(process, signal.SIGINT)


class Composed:
    """The services, of which some run."""

    def __init__(self, database_url: str, secrets: Path, folder: Path) -> None:
        self._services: dict[str, dict[str, Any]] = strict_yaml.read(DEPLOY / "compose.yaml")["services"]
        self._database = urlsplit(database_url)
        self._secrets = secrets
        self._folder = folder
        self.mqtt_port, self.nats_port, self.monitor_port = free_port(), free_port(), free_port()
        self.ports = {name: free_port() for name in PORTS}
        self._processes: list[subprocess.Popen[bytes]] = []

    def environment(self, name: str) -> dict[str, str]:
        """That of a service, with this machine's addresses in place of compose's."""
        told = {key: self._here(value) for key, value in self._services[name]["environment"].items()}
        told |= {variable: str(self.ports[service]) for service, variable in PORTS.items()}
        for host in ("TRACEFLEET_API_HOST", "TRACEFLEET_METRICS_HOST"):
            if host in told:
                told[host] = "127.0.0.1"
        ours = {key: value for key, value in os.environ.items() if not key.startswith(("TRACEFLEET_", "PG"))}
        return ours | told | {"PYTHONPATH": str(ROOT)}

    def run(self, name: str) -> None:
        """A service that ends, to its end."""
        done = self.command(name, *self._services[name]["command"])
        assert done.returncode == 0, done.stderr

    def command(self, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """What `docker compose exec NAME tracefleet WORDS` does."""
        return subprocess.run(
            [sys.executable, "-m", "deploy.cli", *words],
            cwd=self.home(name),
            env=self.environment(name),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
        )

    def start(self, name: str) -> None:
        """A service of ours that lasts; it is healthy as its own check asks, at its port of this machine."""
        command = [sys.executable, "-m", "deploy.cli", *self._services[name]["command"]]
        self._spawn(name, command, self.environment(name))
        check = self._services[name]["healthcheck"]["test"][-1]
        (asked,) = re.findall(r"http://127\.0\.0\.1:\d+(/\w+)", check)
        try:
            until(lambda: _is_fine(self.ports[name], asked), what=f"{name} is healthy", seconds=LIMIT_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log(name)[-3000:]}") from error

    def start_broker(self) -> None:
        """nats-server with the files that compose mounts, and what broker-config wrote."""
        home = self.home("nats")
        text = (DEPLOY / "compose" / "nats.conf").read_text(encoding="utf-8")
        here = {
            '"0.0.0.0:4222"': f'"127.0.0.1:{self.nats_port}"',
            '"0.0.0.0:1883"': f'"127.0.0.1:{self.mqtt_port}"',
            '"127.0.0.1:8222"': f'"127.0.0.1:{self.monitor_port}"',
            '"/data"': f'"{home / "data"}"',
        }
        for theirs, ours in here.items():
            assert text.count(theirs) == 1
            text = text.replace(theirs, ours)
        (home / "nats.conf").write_text(text, encoding="utf-8")
        (home / "mqtt-tls.conf").write_bytes((DEPLOY / "compose" / "mqtt-plain.conf").read_bytes())
        (home / "door").symlink_to(self.home("broker-config") / "door")
        program = Path(sys.executable).with_name("nats-server")
        self._spawn("nats", [str(program), "--config", str(home / "nats.conf")], dict(os.environ))
        until(lambda: _is_fine(self.monitor_port, "/healthz"), what="the broker is healthy")

    def is_ready(self, name: str) -> bool:
        """Whether it does its work."""
        return _is_fine(self.ports[name], "/readyz")

    def log(self, name: str) -> str:
        """What a service wrote."""
        return (self._folder / f"{name}.log").read_text(encoding="utf-8")

    def stop(self) -> None:
        """End all, those that came last first."""
        for process in self._processes[::-1]:
            end(process)

    def _spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(command, cwd=self.home(name), env=environment, stdout=log, stderr=log)
            )

    def home(self, name: str) -> Path:
        """The working folder of a container: a volume where one is mounted there, else its own."""
        mounted = [volume.split(":") for volume in self._services[name].get("volumes", [])]
        volumes = [source for source, target, *_ in mounted if target == "/var/lib/tracefleet"]
        home = self._folder / (f"volume-{volumes[0]}" if volumes else f"container-{name}")
        home.mkdir(exist_ok=True)
        if name == "broker-config":
            (home / "door").mkdir(exist_ok=True)
        return home

    def _here(self, value: str) -> str:
        value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value).replace("/run/secrets", str(self._secrets))
        for theirs, port in (("nats:1883", self.mqtt_port), ("nats:4222", self.nats_port)):
            value = value.replace(f"@{theirs}", f"@127.0.0.1:{port}")
        if "@timescale:5432" not in value:
            return value
        parts = urlsplit(value)
        place = f"{parts.username}@{self._database.hostname}:{self._database.port}"
        return urlunsplit(parts._replace(netloc=place, path=self._database.path))


def _is_fine(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
