"""A message as it came from the broker, before anybody looked inside."""

from datetime import datetime
from typing import Any

import msgspec


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """Topic and bytes, when they came, and on which connection; 0 where there is nothing to acknowledge.

    A Struct, because there are tens of thousands a second.
    """

    topic: str
    payload: bytes
    received_at: datetime
    # A retained message is a memory of the broker's: what it holds may be new, but it proves no life.
    retained: bool = False
    connection: int = 0


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a session needs to acknowledge messages that it read together.

    Packet ids are used again on a new connection, so both belong together.
    """

    connection: int
    messages: int
    # In the order of receipt, as the session that made it understands them.
    packet_ids: Any
