"""Reads a PUBLISH of MQTT 5 whose topic is no UTF-8, which the codec cannot. Pure.

Some brokers pass such a topic on. The message becomes a dead letter like any other with a bad topic; left unread, it
would come again with every connection.
"""

from typing import Final, NamedTuple

PUBLISH: Final = 3
_QOS: Final = 0x06
# The bit that says that the number goes on.
_MORE: Final = 0x80


class Publish(NamedTuple):
    """What is in it; bytes of the topic that are no UTF-8 are escaped."""

    topic: str
    payload: bytes
    packet_id: int | None
    # A topic that will be refused; whether the broker remembered it makes no difference.
    retain: bool = False


def read_publish(data: bytes) -> tuple[Publish, int]:
    """The whole PUBLISH that *data* begins with, and its size in bytes (MQTT 5, sections 2.1 and 3.3)."""
    length, place = _number(data, 1)
    end = place + length
    topic_end = place + 2 + int.from_bytes(data[place : place + 2], "big")
    topic = data[place + 2 : topic_end].decode("utf-8", "backslashreplace")
    packet_id = None
    place = topic_end
    if data[0] & _QOS:
        packet_id = int.from_bytes(data[place : place + 2], "big")
        place += 2
    properties, place = _number(data, place)
    return Publish(topic, data[place + properties : end], packet_id), end


def _number(data: bytes, place: int) -> tuple[int, int]:
    """The variable byte integer at *place*, and where what follows it begins."""
    value = shift = 0
    while True:
        digit = data[place]
        value |= (digit & ~_MORE) << shift
        shift += 7
        place += 1
        if not digit & _MORE:
            return value, place
