"""A PostgreSQL of a test's own that can be killed, frozen and started again on the same data. fsync is on."""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from deploy.embedded import postgres
from tests.conftest import end, free_port

# The time of each commit is kept: with it an acknowledgement that came too early is seen, to the message.
SETTINGS: Final = """
track_commit_timestamp = on
"""
GONE_SECONDS: Final = 20.0


class Server:
    """The server and its process."""

    def __init__(self, folder: Path) -> None:
        self._server = postgres.prepare(folder, port=free_port())
        self._process: subprocess.Popen[bytes] | None = None
        self.data = self._server.folder
        self.log = self._server.log
        self.port = self._server.port
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(SETTINGS)

    @property
    def url(self) -> str:
        """Of a superuser, on the services' database."""
        return self._server.url

    def start(self) -> None:
        """Return when it serves, with the data it had."""
        self.launch()
        assert self._process is not None
        self._server.wait_ready(self._process)

    def launch(self) -> None:
        """Start it, and do not wait."""
        self._process = self._server.start()

    def has_ended(self) -> bool:
        """Whether its first process is gone."""
        return self._process is None or self._process.poll() is not None

    def end(self) -> None:
        """A fast shutdown, whatever state it is in."""
        if self._process is not None:
            if self._process.poll() is None:
                self.thaw()
            end(self._process, signal.SIGINT)

    def kill(self) -> float:
        """SIGKILL to the postmaster alone; return when its children are gone, too, with the seconds they took.

        They see the death of their postmaster and must not outlive it: a new server on data that an old backend still
        writes to would ruin them.
        """
        assert self._process is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        assert children
        began = time.monotonic()
        self._process.kill()
        self._process.wait(GONE_SECONDS)
        _, alive = psutil.wait_procs(children, timeout=GONE_SECONDS)
        assert alive == [], "backends outlived their postmaster"
        return time.monotonic() - began

    def freeze(self) -> None:
        """SIGSTOP to all its processes, the first one first: it then makes no new ones."""
        for process in self._family():
            # A short-lived worker of the server's may be gone by now.
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """SIGCONT to all of them."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _family(self) -> list[psutil.Process]:
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]
