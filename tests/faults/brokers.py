"""Brokers that can be stopped, killed and started again on their data, and the links by which ingest reaches them."""

import getpass
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from deploy.embedded.broker import EmbeddedBroker, _program
from deploy.embedded.process import end_of, spawn, wait_until
from tests.conftest import end, free_port

# The window is the one ingest gets from the embedded broker.
MOSQUITTO_CONFIG: Final = """listener {port} 127.0.0.1
allow_anonymous true
user {user}
persistence true
persistence_location {folder}/
max_inflight_messages 4096
max_queued_messages 0
max_queued_bytes 0
set_tcp_nodelay true
retain_available false
log_type error
log_type warning
"""
# All of its state is written after every change: the most Mosquitto can do, and slow with a full queue.
MOSQUITTO_SAVES: Final = """autosave_on_changes true
autosave_interval 1
"""


class MakeBroker(Protocol):
    """A kind of broker: makes one whose data are in *folder*."""

    def __call__(self, folder: Path, *, durable: bool) -> "Broker":
        """Not started yet."""


class Broker(Protocol):
    """A broker of a test's own on a port that stays the same."""

    port: int

    def start(self) -> None:
        """Return when it serves, with the data it had."""

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Return when its process is gone."""

    def about(self) -> str:
        """Name and version."""


class Nats:
    """The embedded nats-server, flushing to disk before each acknowledgement."""

    def __init__(self, folder: Path, *, durable: bool) -> None:  # noqa: ARG002 - it always is
        self._broker = EmbeddedBroker(folder / "store", free_port(), sync="always")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = self._broker.port

    def start(self) -> None:
        """Return when it serves."""
        self._process = self._broker.start()
        self._broker.wait_ready(self._process)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Return when it is gone."""
        if self._process is not None:
            end(self._process, how)

    def about(self) -> str:
        """Name and version."""
        return f"nats-server {_version([_program(), '--version'])}"


class Mosquitto:
    """Mosquitto; *durable*, it saves its state after every change, else when it is told to stop."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        config = MOSQUITTO_CONFIG.format(port=self.port, user=getpass.getuser(), folder=folder)
        folder.mkdir(parents=True, exist_ok=True)
        config += MOSQUITTO_SAVES if durable else ""
        (folder / "mosquitto.conf").write_text(config, encoding="utf-8")

    def start(self) -> None:
        """Return when it serves."""
        log = self._folder / "mosquitto.log"
        self._process = spawn([mosquitto() or "", "-c", str(self._folder / "mosquitto.conf")], log=log)
        # What asks whether the embedded one is ready asks any broker.
        ready = EmbeddedBroker(self._folder, self.port).is_ready
        assert wait_until(ready, self._process, seconds=15), end_of(log)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Return when it is gone."""
        if self._process is not None:
            end(self._process, how)

    def about(self) -> str:
        """Name and version."""
        return f"mosquitto {_version([mosquitto() or '', '-h'])}"


@dataclass(frozen=True, slots=True)
class Link:
    """How ingest reaches a broker: which one, and by which scheme, since a scheme is a kind of session."""

    name: str
    make: MakeBroker
    scheme: str = "mqtt"
    # The program it needs beyond the locked packages; None for none.
    needs: Callable[[], str | None] | None = None

    def url(self, host: str, port: int) -> str:
        """As ingest's settings want it."""
        return f"{self.scheme}://{host}:{port}"

    def why_not(self) -> str | None:
        """Why it cannot be used on this machine; None when it can."""
        return f"{self.name} is not installed here" if self.needs is not None and self.needs() is None else None


def mosquitto() -> str | None:
    """Where the program is; None when it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


# A second kind of session is one more line here.
LINKS: Final = (Link("nats", Nats), Link("mosquitto", Mosquitto, needs=mosquitto))


def _version(command: list[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return found[0] if found else "of unknown version"
