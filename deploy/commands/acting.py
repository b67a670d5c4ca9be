"""Who runs a command, for the audit."""

import getpass
import os
import socket

from fleet.acting import Actor


def actor() -> Actor:
    """The user of this machine that typed the command, also behind sudo."""
    return Actor(os.environ.get("SUDO_USER") or getpass.getuser(), f"command line of {socket.gethostname()}")
