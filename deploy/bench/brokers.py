"""The broker of a run, on a loopback port: Mosquitto where it is installed, else the embedded one."""

import getpass
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from deploy.bench.children import stop
from deploy.embedded.broker import EmbeddedBroker
from deploy.embedded.process import end_of, spawn, wait_until
from deploy.ports import free_port
from store.errors import TracefleetError

HOST: Final = "127.0.0.1"
Choice = Literal["auto", "mosquitto", "nats"]
# What deploy/WORKERS.md says of Mosquitto. nats-server's is the embedded one's: a session there has 65,535 for all its
# subscriptions.
MOSQUITTO_WINDOW: Final = 32_768
# Nothing that a subscriber has not taken yet is dropped.
MOSQUITTO_CONFIG: Final = """listener {port} 127.0.0.1
allow_anonymous true
user {user}
persistence true
persistence_location {folder}/
max_inflight_messages {window}
max_queued_messages 0
max_queued_bytes 0
set_tcp_nodelay true
log_type error
log_type warning
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that serves."""

    port: int
    pid: int
    # Name and version.
    name: str
    # What it does with a message before it acknowledges it.
    durability: str
    # How many messages it sends ahead of their acknowledgement.
    window: int


@contextmanager
def serve(choice: Choice, folder: Path, *, window: int = MOSQUITTO_WINDOW) -> Iterator[Broker]:
    """A broker of the run's own, as long as the block runs; Mosquitto with that *window*.

    Raises TracefleetError when it is not installed or does not start.
    """
    program = _mosquitto()
    if choice == "mosquitto" and program is None:
        raise TracefleetError("mosquitto is not installed here. Install it, or choose `--broker nats`.")
    if choice == "nats" or program is None:
        with _nats(folder) as broker:
            yield broker
    else:
        with _mosquitto_server(program, folder, window) as broker:
            yield broker


def has_mosquitto() -> bool:
    """Whether Mosquitto is installed here."""
    return _mosquitto() is not None


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def _mosquitto_server(program: str, folder: Path, window: int) -> Iterator[Broker]:
    port = free_port(HOST)
    folder.mkdir(parents=True)
    config = folder / "mosquitto.conf"
    config.write_text(
        MOSQUITTO_CONFIG.format(port=port, user=getpass.getuser(), folder=folder, window=window),
        encoding="utf-8",
    )
    log = folder / "mosquitto.log"
    process = spawn([program, "-c", str(config)], log=log)
    try:
        # What asks whether the embedded one is ready asks any broker.
        if not wait_until(EmbeddedBroker(folder, port).is_ready, process, seconds=15):
            raise TracefleetError(f"mosquitto did not start. The end of {log}:\n{end_of(log)}")
        name = f"mosquitto {_version([program, '-h'])}"
        yield Broker(port, process.pid, name, "in memory, saved to disk at intervals", window)
    finally:
        stop(process)


@contextmanager
def _nats(folder: Path) -> Iterator[Broker]:
    embedded = EmbeddedBroker(folder, free_port(HOST), sync="2m")
    process = embedded.start()
    try:
        embedded.wait_ready(process)
        beside = Path(sys.executable).with_name("nats-server")
        version = _version([str(beside) if beside.exists() else "nats-server", "--version"])
        yield Broker(
            embedded.port,
            process.pid,
            f"nats-server {version}",
            "written to a file, flushed every 2 minutes",
            embedded.window,
        )
    finally:
        stop(process)


def _version(command: list[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return found[0] if found else "of unknown version"
