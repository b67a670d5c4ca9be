"""A proxy before the broker that reads along: what was delivered on which connection, and what was acknowledged when.

An acknowledgement must name a message that was delivered on its own connection and waits there, in order of receipt.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from deploy.bench import wire as mqtt
from deploy.bench.load import device_no
from tests.faults.proxy import Proxy, Wire

PUBLISH: Final = 0x30
# Both as the load writes them.
DEVICE: Final = f"/{device_no(0)[:-6]}".encode()
SEQ: Final = b'"seq":'


@dataclass(slots=True)
class _Line:
    """One connection's conversation."""

    from_broker: bytearray = field(default_factory=bytearray)
    from_ingest: bytearray = field(default_factory=bytearray)
    # Packet ids that wait for their acknowledgement, in order of receipt, and the identity each stands for.
    waiting: deque[int] = field(default_factory=deque)
    identities: dict[int, tuple[int, int]] = field(default_factory=dict)
    # Of a message that was delivered more than once while it waited: how many more acknowledgements it may get. Ingest
    # answers the second delivery, too, when that comes just behind its answer to the first.
    spare: dict[int, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Of a message by ingest: its device and first seq, on which connection, and when (seconds since 1970)."""

    device: int
    seq: int
    connection: int
    at: float


class Tap(Proxy):
    """Reads MQTT packets of both directions while it carries them."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", seed: int = 0) -> None:
        super().__init__(port, host=host, seed=seed)
        self.acknowledgements: list[Acknowledgement] = []
        self.delivered: set[tuple[int, int]] = set()
        self.deliveries: dict[int, int] = {}
        self.violations: list[str] = []
        self._lines: dict[int, _Line] = {}

    @property
    def acknowledged(self) -> int:
        """Acknowledgements so far."""
        return len(self.acknowledgements)

    @property
    def waiting(self) -> int:
        """Messages delivered on the newest connection that ingest has not acknowledged."""
        line = self._lines.get(self.connections)
        return len(line.waiting) if line is not None else 0

    async def on_client(self, wire: Wire, data: bytes) -> None:
        """Ingest speaks: each PUBACK is compared with what was delivered."""
        at = time.time()
        line = self._line(wire)
        line.from_ingest += data
        for first, body in mqtt.take_packets(line.from_ingest):
            if first == mqtt.PUBACK:
                self._on_puback(wire.number, line, int.from_bytes(body[:2], "big"), at)
        await super().on_client(wire, data)

    async def on_server(self, wire: Wire, data: bytes) -> None:
        """The broker speaks: each PUBLISH is remembered, before ingest can see it."""
        line = self._line(wire)
        line.from_broker += data
        for first, body in mqtt.take_packets(line.from_broker):
            if first & 0xF6 == PUBLISH | 0x02:
                self._on_publish(wire.number, line, body)
        await super().on_server(wire, data)

    def on_end(self, wire: Wire) -> None:
        """What waits on it waits for ever."""
        self._lines.pop(wire.number, None)

    def _line(self, wire: Wire) -> _Line:
        return self._lines.setdefault(wire.number, _Line())

    def _on_publish(self, connection: int, line: _Line, body: bytes) -> None:
        packet_id = int.from_bytes(mqtt.packet_id_of(body), "big")
        identity = _identity(body)
        self.delivered.add(identity)
        self.deliveries[connection] = self.deliveries.get(connection, 0) + 1
        if packet_id in line.identities:
            # Delivered again while it waits: nats-server does so by time. Its place is that of its first delivery.
            if line.identities[packet_id] != identity:
                self.violations.append(f"the broker uses packet id {packet_id} twice on connection {connection}")
            line.spare.setdefault(packet_id, []).append(identity)
            return
        line.identities[packet_id] = identity
        line.waiting.append(packet_id)

    def _on_puback(self, connection: int, line: _Line, packet_id: int, at: float) -> None:
        identity = line.identities.pop(packet_id, None)
        if identity is None:
            if spare := line.spare.get(packet_id):
                self.acknowledgements.append(Acknowledgement(*spare.pop(), connection, at))
            else:
                self.violations.append(f"packet id {packet_id} was not waiting on connection {connection}")
            return
        if line.waiting[0] != packet_id:
            self.violations.append(f"packet id {packet_id} on connection {connection} before {line.waiting[0]}")
        line.waiting.remove(packet_id)
        self.acknowledgements.append(Acknowledgement(*identity, connection, at))


def _identity(body: bytes) -> tuple[int, int]:
    """Device and first sequence number in the body of a PUBLISH of the load's."""
    device = body.index(DEVICE) + len(DEVICE)
    seq = body.index(SEQ) + len(SEQ)
    return int(body[device : device + 6]), int(body[seq : body.index(b",", seq)])
