"""``tracefleet ingest`` as a black box: a process, its signals, and what it says of itself over HTTP."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil

from deploy.bench.children import environment
from deploy.embedded.process import end_of
from tests.conftest import end, free_port
from tests.faults.waiting import until

READY_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 5.0


class Ingest:
    """One worker name, and the process that has it now. Settings are the product's own but for addresses and name."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str,
        broker_url: str,
        run_in: Sequence[str] = (),
        connect: Callable[[int], socket.socket] | None = None,
    ) -> None:
        self.worker = f"f-{uuid.uuid4().hex[:16]}"
        self.starts = 0
        self.log = folder / "ingest.log"
        self._folder = folder
        self._port = free_port()
        self._run_in = run_in
        self._connect = connect or (lambda port: socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS))
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = environment(
            {
                "TRACEFLEET_DATABASE_URL": database_url,
                "TRACEFLEET_BROKER_URL": broker_url,
                "TRACEFLEET_DATA_DIR": str(folder / "data"),
                "TRACEFLEET_INGEST_METRICS_PORT": str(self._port),
                "TRACEFLEET_INGEST_WORKER": self.worker,
            }
        )

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def launch(self) -> None:
        """Start it, and do not wait."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._run_in, sys.executable, "-m", "deploy.cli", "ingest"],
                env=self._environment,
                # Not where the suite runs: a tracefleet.toml there is not meant for it.
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.starts += 1

    def start(self) -> float:
        """Return when it is ready to take messages, with the seconds it took."""
        self.launch()
        return until(self.is_ready, seconds=READY_SECONDS, what="ingest is ready")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        assert self.process.wait(10) == -signal.SIGKILL

    def end(self) -> None:
        """Whatever state it is in."""
        if self._process is not None:
            end(self._process)

    def is_ready(self) -> bool:
        """What a supervisor asks. Fails when the process has ended."""
        status, _ = self.readiness()
        assert self.process.poll() is None, f"ingest ended with {self.process.poll()}:\n{end_of(self.log)}"
        return status == http.HTTPStatus.OK

    def readiness(self) -> tuple[int, dict[str, str | None]]:
        """The status of ``/readyz`` and what is wrong by check, None where it is fine; (0, {}) when nobody answers."""
        status, body = self._get("/readyz")
        checks = json.loads(body)["checks"] if body else {}
        return status, {name: None if check["ok"] else check["reason"] for name, check in checks.items()}

    def complains_of(self, *words: str) -> bool:
        """Whether ``/readyz`` answers 503 and its reasons hold all of *words*."""
        status, checks = self.readiness()
        said = " ".join(reason for reason in checks.values() if reason)
        return status == http.HTTPStatus.SERVICE_UNAVAILABLE and all(word in said for word in words)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of *name* that have *labels*."""
        _, body = self._get("/metrics")
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in body.decode().splitlines() if line.partition(" ")[0].partition("{")[0] == name]
        assert lines, f"no metric {name}"
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(word in line for word in wanted))

    def unacknowledged(self) -> int:
        """Messages that wait for their commit."""
        return int(self.metric("tracefleet_ingest_unacknowledged_messages"))

    def rss_mb(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def descriptors(self) -> int:
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - names, not paths

    def _get(self, path: str) -> tuple[int, bytes]:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._port)
            connection.sock = self._connect(self._port)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return 0, b""
