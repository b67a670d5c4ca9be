"""A message as it came from the broker, before anybody looked inside."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the session needs to acknowledge a message: on which connection it came, and its packet id there.

    Packet ids are used again on a new connection, so a receipt is good for its own connection only.
    """

    connection: int
    packet_id: int
    qos: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """Topic and bytes, when they came, and the receipt; none where there is nothing to acknowledge."""

    topic: str
    payload: bytes
    received_at: datetime
    # A retained message is a memory of the broker's: what it holds may be new, but it proves no life.
    retained: bool = False
    receipt: Receipt | None = None
