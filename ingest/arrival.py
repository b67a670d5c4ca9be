"""A message as it came from the broker, before anybody looked inside."""

from datetime import datetime

import msgspec


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """Topic and bytes, when they came, and what the session needs to acknowledge them.

    Packet ids are used again on a new connection, so both belong together; connection 0 is where there is nothing to
    acknowledge. A Struct, because there are tens of thousands a second.
    """

    topic: str
    payload: bytes
    received_at: datetime
    # A retained message is a memory of the broker's: what it holds may be new, but it proves no life.
    retained: bool = False
    connection: int = 0
    packet_id: int = 0
