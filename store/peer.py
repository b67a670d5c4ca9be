"""Where a broker of MQTT is, as its URL says. Pure."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Peer:
    """A broker's address and what it needs to let us in."""

    host: str
    port: int
    secure: bool
    username: str | None
    password: str | None

    @property
    def name(self) -> str:
        """Where it is, with nothing secret."""
        return f"{self.host}:{self.port}"


def peer_of(broker_url: str) -> Peer:
    """The broker at an ``mqtt://`` or ``mqtts://`` URL."""
    parts = urlsplit(broker_url)
    return Peer(
        parts.hostname or "127.0.0.1",
        parts.port or DEFAULT_PORTS[parts.scheme],
        parts.scheme == "mqtts",
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )
