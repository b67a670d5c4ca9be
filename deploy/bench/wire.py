"""The few packets of MQTT 3.1.1 that the benchmark speaks, as bytes. Pure."""

from collections.abc import Iterator
from typing import Final

CONNACK: Final = 0x20
PUBLISH_QOS_1: Final = 0x32
PUBACK: Final = 0x40
SUBACK: Final = 0x90
DISCONNECT: Final = b"\xe0\x00"
# CONNACK and PUBACK, all that a publisher ever gets, are of this length.
ANSWER_BYTES: Final = 4
PACKET_IDS: Final = 65_535


def connect(client_id: str) -> bytes:
    """CONNECT with a clean session and without keep-alive."""
    return _packet(0x10, _text("MQTT") + b"\x04\x02\x00\x00" + _text(client_id))


def subscribe(pattern: str) -> bytes:
    """SUBSCRIBE to *pattern* at QoS 1."""
    return _packet(0x82, b"\x00\x01" + _text(pattern) + b"\x01")


def publish(topic: str, payload: bytes, packet_id: int) -> bytes:
    """PUBLISH at QoS 1."""
    return _packet(PUBLISH_QOS_1, _text(topic) + packet_id.to_bytes(2, "big") + payload)


def puback(packet_id: bytes) -> bytes:
    """PUBACK of a packet id, which is two bytes."""
    return b"\x40\x02" + packet_id


def packet_id_of(body: bytes) -> bytes:
    """The packet id in the body of a PUBLISH at QoS 1."""
    start = 2 + int.from_bytes(body[:2], "big")
    return body[start : start + 2]


def take_packets(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """The first byte and the body of each whole packet in *buffer*, which keeps only what is not whole yet."""
    place = 0
    while (end := _head_end(buffer, place)) is not None:
        size = sum((buffer[at] & 0x7F) << 7 * (at - place - 1) for at in range(place + 1, end))
        if len(buffer) < end + size:
            break
        yield buffer[place], bytes(buffer[end : end + size])
        place = end + size
    del buffer[:place]


def _head_end(buffer: bytearray, place: int) -> int | None:
    for at in range(place + 1, len(buffer)):
        if buffer[at] < 0x80:  # noqa: PLR2004 - the bit that says the length goes on
            return at + 1
    return None


def _packet(first: int, body: bytes) -> bytes:
    head = bytearray([first])
    size = len(body)
    while True:
        size, digit = divmod(size, 128)
        head.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(head) + body


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(2, "big") + encoded
