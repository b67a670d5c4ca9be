"""The system user that the embedded PostgreSQL runs as when we are root: it refuses root."""

import os
import pwd
import subprocess
from pathlib import Path
from typing import Final

from store.errors import DatabaseError

SYSTEM_USER: Final = "tracefleet-postgres"


def server_user() -> str | None:
    """The system user for the server when we are root, made if need be; None when we may run it ourselves.

    Raises DatabaseError when it cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER],  # noqa: S607 - root's PATH
            capture_output=True,
            text=True,
            check=False,
        )
        # 9: somebody else made it just now.
        if made.returncode not in (0, 9):
            raise DatabaseError(
                f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER} could not be made: "
                f"{made.stderr.strip()}. Run tracefleet as an ordinary user."
            ) from None
    return SYSTEM_USER


def make_passable(place: Path) -> None:
    """Let other users pass through (not list) every folder above *place*."""
    for folder in place.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
