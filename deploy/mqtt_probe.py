"""Asks an MQTT broker whether it lets us in: one CONNECT (3.1.1), one answer, no client library and no session."""

import socket
import ssl
from typing import Final
from urllib.parse import unquote, urlsplit

TIMEOUT_SECONDS: Final = 5.0
CONNACK_BYTES: Final = 4
DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
# The return codes of CONNACK, MQTT 3.1.1 section 3.2.2.3.
REFUSALS: Final = {
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses the client id",
    3: "it says the service is not available",
    4: "it refuses the user name or password",
    5: "it does not authorise us",
}


def refusal_of(url: str) -> str | None:
    """Why the broker at *url* does not let us in, or None when it does. Takes 5 s for a broker that says nothing."""
    try:
        code = _ask(url)
    except OSError as error:
        return str(error.strerror or error)
    if code is None:
        return "what listens there is no MQTT broker"
    return REFUSALS.get(code, f"it answers with code {code}") if code else None


def _ask(url: str) -> int | None:
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORTS[parts.scheme])
    with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as plain:
        link = _secured(plain, address[0]) if parts.scheme == "mqtts" else plain
        with link:
            given = [unquote(value) if value is not None else None for value in (parts.username, parts.password)]
            link.sendall(connect_packet("", *given))
            answer = b""
            while len(answer) < CONNACK_BYTES and (more := link.recv(CONNACK_BYTES - len(answer))):
                answer += more
            link.sendall(b"\xe0\x00")  # DISCONNECT
    return answer[3] if len(answer) == CONNACK_BYTES and answer[:2] == b"\x20\x02" else None


def _secured(plain: socket.socket, host: str) -> socket.socket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def connect_packet(client_id: str, user: str | None, password: str | None) -> bytes:
    """A CONNECT with a clean session: the broker keeps nothing of us."""
    given = [value for value in (user, password) if value is not None]
    flags = 0x02 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = _text("MQTT") + bytes([4, flags, 0, 10]) + b"".join(map(_text, (client_id, *given)))
    return b"\x10" + _length(len(body)) + body


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, digit = divmod(value, 128)
        encoded.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(encoded)
