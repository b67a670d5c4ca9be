"""Who may enter the embedded broker besides devices: passwords of our own services, made once and kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.broker_config import Door, User, name_of, new_password
from deploy.embedded.private_file import write_private
from deploy.ports import free_port

HOST: Final = "127.0.0.1"
FILE_NAME: Final = "access.json"
USERS: Final[tuple[User, ...]] = ("fleet", "service")


@dataclass(frozen=True, slots=True)
class Access:
    """The issuer that devices are let in by, the passwords of ours, and the port of NATS that fleet answers at."""

    issuer: str
    passwords: dict[User, str]
    port: int

    @property
    def door(self) -> Door:
        """As the configuration has it."""
        return Door(self.issuer, self.passwords)

    def user(self, user: User) -> str:
        """Name and password, for a URL."""
        return f"{name_of(user)}:{self.passwords[user]}"


def prepare(folder: Path, *, issuer: str) -> Access:
    """The access to the broker in *folder*: last time's passwords, and its port where it is still free."""
    file = folder / FILE_NAME
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    known = kept.get("passwords", {})
    passwords = {user: str(known.get(user) or new_password()) for user in USERS}
    access = Access(issuer, passwords, free_port(HOST, preferred=kept.get("port", 0)))
    folder.mkdir(parents=True, exist_ok=True)
    write_private(file, {"passwords": access.passwords, "port": access.port})
    return access
