"""What an identity may do at a broker: speak upward in its own name, and hear its own commands. Nothing else, anywhere.

A gateway does the same for the devices behind it. Every upward stream is open to every kind of device: a record on a
stream that its kind does not report is refused by ingest, where people see it; a broker drops it without a word.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from fleet.identity.snapshot import Identity
from store.records import PRESENCE, TELEMETRY

ROOT: Final = "tracefleet/v1"
UPWARD: Final = (*TELEMETRY, PRESENCE, "reply")
DOWNWARD: Final = "command"


class Rights(NamedTuple):
    """Topics without wildcards: of what may be published, and of what may be subscribed to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def rights_of(device_no: str, behind: Iterable[str] = ()) -> Rights:
    """What *device_no* may do, and for those *behind* it, as MQTT topics."""
    numbers = (device_no, *behind)
    return Rights(
        tuple(f"{ROOT}/{number}/{stream}" for number in numbers for stream in UPWARD),
        tuple(f"{ROOT}/{number}/{DOWNWARD}" for number in numbers),
    )


def subjects(topics: Iterable[str]) -> Iterator[str]:
    """The same as nats-server calls them. A device number has no character that means something to either."""
    return (topic.replace("/", ".") for topic in topics)


def may_publish(identity: Identity, topic: str) -> bool:
    """Whether it may speak on *topic*. For brokers that ask at each message."""
    number, stream = _named_in(topic)
    return stream in UPWARD and _speaks_for(identity, number)


def may_subscribe(identity: Identity, topic_filter: str) -> bool:
    """Whether it may hear *topic_filter*, which has no wildcard then."""
    number, stream = _named_in(topic_filter)
    return stream == DOWNWARD and _speaks_for(identity, number)


def _named_in(topic: str) -> tuple[str, str]:
    """The device number and the stream of a topic, empty for one of another form."""
    match topic.split("/"):
        case [*root, number, stream] if "/".join(root) == ROOT:
            return number, stream
        case _:
            return "", ""


def _speaks_for(identity: Identity, number: str) -> bool:
    return number == identity.device_no or number in identity.behind
