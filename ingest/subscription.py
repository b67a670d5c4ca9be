"""What a worker asks the broker for, and where the broker is. Pure."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from ingest.topic import ROOT
from store.settings import Settings

# One subscription for everything below the root, so that a misspelt topic is seen and kept, not lost.
EVERYTHING: Final = f"{ROOT}/#"
DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Subscription:
    """The topic filters of a worker.

    The broker remembers what an earlier run under the same client id asked for; *stale* is what must be taken back.
    """

    filters: tuple[str, ...] = (EVERYTHING,)
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """A broker's address and what it needs to let us in."""

    host: str
    port: int
    secure: bool
    username: str | None
    password: str | None


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


def subscription_of(settings: Settings) -> Subscription:
    """What the settings say: everything, or a share of it with the other workers of a group."""
    if settings.ingest_group is None:
        return Subscription()
    return Subscription((f"$share/{settings.ingest_group}/{EVERYTHING}",), (EVERYTHING,))
