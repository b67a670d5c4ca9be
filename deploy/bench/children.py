"""Processes of a run: each is started here, told to stop by its id, and waited for, however the run ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import deploy
from deploy.embedded.process import end_of, wait_until
from store.errors import TracefleetError
from store.settings import PREFIX

STOP_SECONDS: Final = 15.0


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Ours without any setting of tracefleet's but those *given*."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return bare | {"PYTHONPATH": str(Path(deploy.__path__[0]).parent)} | dict(given)


def stop(process: "subprocess.Popen[bytes]", how: signal.Signals = signal.SIGTERM) -> None:
    """Have *process* end: asked first, killed after 15 s."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def service(
    command: str,
    given: Mapping[str, str],
    *,
    folder: Path,
    is_ready: Callable[[], bool],
    seconds: float,
) -> Iterator["subprocess.Popen[bytes]"]:
    """The process of one of our services, ready; its log is ``<command>.log`` in *folder*.

    Raises TracefleetError, with the end of its log, when it does not come up within *seconds*.
    """
    log = folder / f"{command}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(given),
            # Not here: a tracefleet.toml of the folder we were started in is not meant for it.
            cwd=folder,
            # Ctrl-C is for us, who then stop it in order.
            start_new_session=True,
        )
    try:
        if not wait_until(is_ready, process, seconds=seconds):
            raise TracefleetError(f"{command} did not become ready. The end of its log:\n{end_of(log)}")
        yield process
    finally:
        stop(process)


@contextmanager
def helper(module: str, *arguments: str, log: Path) -> Iterator["Helper"]:
    """A module of ours as a process that talks in lines over its standard input and output."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment({}),
            # Ctrl-C is for us, who then stop it in order.
            start_new_session=True,
        )
    try:
        yield Helper(process, log)
    finally:
        stop(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class Helper:
    """The two ends of such a process's lines."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._log = log

    def tell(self, line: str) -> None:
        """Write a line."""
        assert self._process.stdin is not None  # noqa: S101 - made with a pipe
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """The next line. Raises TracefleetError, with the end of its log, when it ended instead."""
        assert self._process.stdout is not None  # noqa: S101 - made with a pipe
        line = self._process.stdout.readline()
        if not line:
            raise TracefleetError(f"a part of the benchmark ended too early. The end of its log:\n{end_of(self._log)}")
        return line.decode().strip()

    def report(self) -> dict[str, Any]:
        """The line of JSON it ends with."""
        told: dict[str, Any] = json.loads(self.hear())
        return told
