"""Ingest as the process it is in production, and the questions one may ask it from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

from store.settings import Settings
from tests.conftest import end, with_rights_of

START_SECONDS: Final = 60
Metrics = dict[tuple[str, tuple[str, ...]], float]


class Ingest:
    """A running ``tracefleet ingest``, subscribed when the block begins, drained when it ends."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._url = f"http://127.0.0.1:{settings.ingest_metrics_port}"
        self._log = folder / "ingest.log"
        self._variables = {name: value for name, value in os.environ.items() if not name.startswith("TRACEFLEET_")} | {
            "TRACEFLEET_DATABASE_URL": with_rights_of("tracefleet_ingest", settings.require_database_url()),
            "TRACEFLEET_BROKER_URL": settings.broker_url.get_secret_value(),
            "TRACEFLEET_DATA_DIR": str(folder / "data"),
            "TRACEFLEET_INGEST_METRICS_PORT": str(settings.ingest_metrics_port),
            "TRACEFLEET_INGEST_WORKER": settings.ingest_worker,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", "ingest"],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            assert until(self._is_ready, START_SECONDS), self.log
        except BaseException:
            end(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        end(self._process)
        assert self._process.returncode == 0, self.log

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text(encoding="utf-8")

    def metrics(self) -> Metrics:
        """Samples by name and the values of their labels, which stand in the order of the labels' names."""
        text = httpx.get(f"{self._url}/metrics").text
        return {
            (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def is_idle(self) -> bool:
        """Whether the broker got the acknowledgement of every message."""
        return self.metrics()["tracefleet_ingest_unacknowledged_messages", ()] == 0

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            return httpx.get(f"{self._url}/readyz").status_code == 200
        except httpx.TransportError:
            return False


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Whether *condition* came to hold within *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
