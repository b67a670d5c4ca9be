"""Child processes that never outlive their parent and never see its Ctrl-C: the parent decides who stops when."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

PR_SET_PDEATHSIG: Final = 1
LOG_BYTES: Final = 10_000_000
POLL_SECONDS: Final = 0.05


def spawn(
    command: list[str],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    dies_with: signal.Signals = signal.SIGTERM,
) -> "subprocess.Popen[bytes]":
    """Start *command* in a session of its own; its output goes to the end of *log*, or to ours.

    A log beyond 10 MB becomes ``….1`` first. On Linux the kernel sends *dies_with* when the calling thread dies,
    however it dies: call from the main thread. Raises OSError when the program cannot be started.
    """
    output = _open_log(log) if log is not None else None
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(os.environ) | dict(environment or {}),
            start_new_session=True,
            preexec_fn=_in_child(user, dies_with),  # noqa: PLW1509 - whoever starts processes here has one thread
        )
    finally:
        if output is not None:
            output.close()


def wait_until(is_ready: Callable[[], bool], process: "subprocess.Popen[bytes]", *, seconds: float) -> bool:
    """Whether *is_ready* came true while *process* ran, within *seconds*."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if is_ready():
            return True
        time.sleep(POLL_SECONDS)
    return False


def end_of(log: Path) -> str:
    """The last lines of *log*, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 1500))
            return file.read().decode("utf-8", errors="replace").strip()
    except FileNotFoundError:
        return "(it wrote nothing)"


def _open_log(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log.open("ab")


def _in_child(user: str | None, dies_with: signal.Signals) -> Callable[[], None]:
    # Everything that allocates or imports is done here, before the fork.
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    account = pwd.getpwnam(user) if user is not None else None
    parent = os.getpid()

    def prepare() -> None:
        if account is not None:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        if libc is not None:
            # After setuid: a change of user clears it.
            libc.prctl(PR_SET_PDEATHSIG, int(dies_with))
            if os.getppid() != parent:
                os._exit(1)  # the parent died before the kernel knew whom to watch

    return prepare
