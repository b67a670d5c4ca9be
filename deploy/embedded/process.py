"""Child processes that never outlive their parent and never see its Ctrl-C: the parent decides who stops when."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1


def spawn(
    command: list[str],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    dies_with: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start *command* in a session of its own; its output goes to the end of *log*, or to ours.

    On Linux the kernel sends *dies_with* when this process dies, however it dies.
    Raises OSError when the program cannot be started.
    """
    output = log.open("ab") if log is not None else None
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(os.environ) | dict(environment or {}),
            start_new_session=True,
            preexec_fn=_in_child(user, dies_with),  # noqa: PLW1509 - set-up runs before threads exist
        )
    finally:
        if output is not None:
            output.close()


def _in_child(user: str | None, dies_with: signal.Signals) -> Callable[[], None]:
    # Everything that allocates or imports is done here, before the fork.
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    account = pwd.getpwnam(user) if user is not None else None

    def prepare() -> None:
        if account is not None:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        if libc is not None:
            # After setuid: a change of user clears it.
            libc.prctl(PR_SET_PDEATHSIG, int(dies_with))

    return prepare
