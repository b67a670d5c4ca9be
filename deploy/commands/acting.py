"""Who runs a command, for the audit."""

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from fleet.acting import Actor

_PERSON: Final[ContextVar[str | None]] = ContextVar("person", default=None)


def actor() -> Actor:
    """The user of this machine that typed the command, also behind sudo.

    As the system knows it, not as variables say that anybody may set: whoever proposed a case may not approve it, and
    another LOGNAME is no other person. Only root is believed a SUDO_USER, since sudo sets it.
    """
    return Actor(_PERSON.get() or _behind_sudo() or _of_the_system(), f"command line of {socket.gethostname()}")


@contextmanager
def typed_by(person: str) -> Iterator[None]:
    """Commands within run as *person*: for a program that knows who sits before it."""
    token = _PERSON.set(person)
    try:
        yield
    finally:
        _PERSON.reset(token)


def _behind_sudo() -> str | None:
    return os.environ.get("SUDO_USER") if os.geteuid() == 0 else None


def _of_the_system() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container's number without an entry.
        return f"uid {os.getuid()}"
