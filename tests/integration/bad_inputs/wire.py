"""MQTT 3.1.1 by hand: what no client library lets a test send, such as a DUP flag or a topic that is no UTF-8."""

import socket
from itertools import count
from typing import Final, Self
from urllib.parse import urlsplit

LIMIT_SECONDS: Final = 20
CONNECT, PUBACK, PUBREC, PUBREL, PUBCOMP, PINGREQ, PINGRESP = 0x10, 0x40, 0x50, 0x62, 0x70, 0xC0, 0xD0
_PACKET_IDS = count(1)


class Wire:
    """A device's connection. A broker that cannot stand a message closes it; the next message opens another."""

    def __init__(self, broker_url: str) -> None:
        parts = urlsplit(broker_url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 1883)
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, topic: bytes, payload: bytes, *, qos: int = 1, retain: bool = False, dup: bool = False) -> bool:
        """Whether the broker took the message; with QoS 0, whether it still listens after it."""
        packet_id = next(_PACKET_IDS) % 65_535 + 1
        flags = dup << 3 | qos << 1 | retain
        number = packet_id.to_bytes(2, "big") if qos else b""
        try:
            line = self._connected()
            line.sendall(_packet(0x30 | flags, len(topic).to_bytes(2, "big") + topic + number + payload))
            return self._answered(line, qos, packet_id)
        except (ConnectionError, EOFError):
            self.close()
            return False

    def _answered(self, line: socket.socket, qos: int, packet_id: int) -> bool:
        if qos == 0:
            line.sendall(_packet(PINGREQ, b""))
            return _read(line) == (PINGRESP, b"")
        number = packet_id.to_bytes(2, "big")
        if qos == 1:
            return _read(line) == (PUBACK, number)
        received = _read(line) == (PUBREC, number)
        line.sendall(_packet(PUBREL, number))
        return received and _read(line) == (PUBCOMP, number)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, LIMIT_SECONDS)
            # Protocol level 4, clean session, no keep-alive; the broker may call us what it likes.
            self._socket.sendall(_packet(CONNECT, b"\0\x04MQTT\x04\x02\0\0" + b"\0\0"))
            kind, body = _read(self._socket)
            assert (kind, body[-1]) == (0x20, 0), "the broker refused the connection"
        return self._socket

    def close(self) -> None:
        """Leave without a word; the next message opens a new connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _packet(first: int, body: bytes) -> bytes:
    size, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        size.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([first]) + bytes(size) + body


def _read(line: socket.socket) -> tuple[int, bytes]:
    first, size, shift = _exactly(line, 1)[0], 0, 0
    while True:
        digit = _exactly(line, 1)[0]
        size, shift = size | (digit & 0x7F) << shift, shift + 7
        if digit < 0x80:
            return first, _exactly(line, size)


def _exactly(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = line.recv(size - len(got))
        if not more:
            raise EOFError("the broker closed the connection")
        got += more
    return got
