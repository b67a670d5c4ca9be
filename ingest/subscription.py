"""What a worker asks the broker for. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ingest.topic import ROOT
from store.errors import SettingsError
from store.records import OTHER, READABLE
from store.settings import Settings

# One subscription for everything below the root, so that a misspelt topic is seen and kept, not lost.
EVERYTHING: Final = f"{ROOT}/#"
SHARE: Final = "$share/"


class UnfitBrokerError(ConnectionError):
    """The broker answers and cannot do what is asked of it: waiting will not mend it, but somebody may."""


@dataclass(slots=True)
class Subscription:
    """The topic filters of a worker.

    The broker remembers what an earlier run under the same client id asked for: *stale* is what must be taken back.
    The session empties it once it has done so.
    """

    filters: tuple[str, ...] = (EVERYTHING,)
    stale: set[str] = field(default_factory=set)
    reads: tuple[str, ...] = READABLE
    group: str | None = None

    @property
    def is_shared(self) -> bool:
        """Whether it holds a share, which only some brokers understand."""
        return any(pattern.startswith(SHARE) for pattern in self.filters)

    @property
    def held(self) -> list[str]:
        """Every filter that the session at the broker may hold."""
        return sorted({*self.filters, *self.stale})

    @property
    def without_group(self) -> str:
        """What to say of a broker that would serve a share nothing."""
        return (
            f"the broker has no shared subscriptions of MQTT 5, and TRACEFLEET_INGEST_GROUP={self.group} asks for one. "
            f"Use a broker that has them, or unset it and split by topic with TRACEFLEET_INGEST_STREAMS."
        )

    def remember(self, filters: Iterable[str]) -> None:
        """Count what an earlier run held among what is to be taken back."""
        self.stale |= set(filters) - set(self.filters)


def subscription_of(settings: Settings) -> Subscription:
    """What the settings say: everything or some streams, alone or as a share of it with the workers of a group.

    Raises SettingsError for a group that would be served nothing, or whose members could not rely on each other.
    """
    reads, group = settings.ingest_streams, settings.ingest_group
    if group is not None and settings.broker_protocol == "3.1.1":
        # It has no words for a broker that does not know shares: nats-server grants one and then delivers nothing.
        raise SettingsError(
            "TRACEFLEET_INGEST_GROUP needs MQTT 5, in which a broker says whether it has shared subscriptions. Unset "
            "TRACEFLEET_BROKER_PROTOCOL, or unset the group and split by topic with TRACEFLEET_INGEST_STREAMS."
        )
    if set(reads) == set(READABLE):
        plain: tuple[str, ...] = (EVERYTHING,)
    elif OTHER not in reads:
        plain = tuple(f"{ROOT}/+/{stream}" for stream in reads)
    elif group is None:
        plain = (EVERYTHING,)
    else:
        raise SettingsError(
            f"TRACEFLEET_INGEST_STREAMS of a group's worker cannot hold `{OTHER}` beside some streams only. Leave "
            f"`{OTHER}` to one worker without TRACEFLEET_INGEST_GROUP, or let the group read everything."
        )
    filters = tuple(f"{SHARE}{group}/{pattern}" for pattern in plain) if group is not None else plain
    # What it was before there were settings for it.
    return Subscription(filters, {EVERYTHING} - set(filters), reads, group)
