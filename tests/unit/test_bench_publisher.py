"""The generator against a broker that is only a socket: everything is sent whole, in order, and counted once."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Self

import pytest

from deploy.bench import wire
from deploy.bench.load import Load, encoder
from deploy.bench.publisher import Plan, run

LOAD = Load(
    messages=3000, records_per_message=1, devices=10, troubled_share=0.0, first_seq=0, epoch_seconds=1_700_000_000
)
CONNACK = b"\x20\x02\x00\x00"


class Listener:
    """Takes one connection in a thread of its own, and keeps the bodies of what was published."""

    def __init__(self, answer: Callable[[socket.socket, "Listener"], None]) -> None:
        self.bodies: list[bytes] = []
        self.most_ahead = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        # So small that the generator cannot send everything at once.
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = self._listening.getsockname()[1]
        self._answer = answer
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            connection.settimeout(20)
            self._answer(connection, self)


def plan(listener: Listener, *, per_second: float | None = None, window: int = 200) -> Plan:
    """The load over one connection."""
    return Plan("127.0.0.1", listener.port, "bench/test", LOAD, per_second, 1, window)


def acknowledge_in_odd_cuts(connection: socket.socket, listener: Listener) -> None:
    """As a slow broker: reads little at a time, and answers in pieces that are no whole packets."""
    buffer, owed = bytearray(), CONNACK
    acknowledged_bytes = 0
    while data := connection.recv(3000):
        buffer += data
        for first, body in wire.take_packets(buffer):
            if first == wire.PUBLISH_QOS_1:
                listener.bodies.append(body)
                owed += wire.puback(wire.packet_id_of(body))
            elif bytes([first]) == wire.DISCONNECT[:1]:
                assert acknowledged_bytes == 4 * (LOAD.messages + 1)
                return
        listener.most_ahead = max(listener.most_ahead, len(listener.bodies) - acknowledged_bytes // 4 + 1)
        while owed:
            part, owed = owed[:1023], owed[1023:]
            connection.sendall(part)
            acknowledged_bytes += len(part)


def is_told() -> None:
    """Begin at once."""


@pytest.mark.parametrize("per_second", [None, 10_000.0])
def test_everything_is_sent_whole_and_in_order(per_second: float | None) -> None:
    """Through a connection that takes a little at a time: the packets in order, each acknowledgement counted once."""
    with Listener(acknowledge_in_odd_cuts) as listener:
        sent = run(plan(listener, per_second=per_second), is_told)
    assert (sent.messages, sent.acknowledged) == (LOAD.messages, LOAD.messages)
    encode = encoder("contract")
    # Topic, packet id, payload.
    assert [body[body.index(b'{"v"') :] for body in listener.bodies] == [encode(LOAD, n) for n in range(LOAD.messages)]
    assert [int.from_bytes(wire.packet_id_of(body), "big") for body in listener.bodies] == [
        *range(1, LOAD.messages + 1)
    ]
    assert sent.ended_seconds > sent.started_seconds
    if per_second is None:
        assert listener.most_ahead <= 200 + 1
        assert sent.late_seconds == []
    else:
        assert sent.ended_seconds - sent.started_seconds >= (LOAD.messages - 1) / per_second
        assert min(sent.late_seconds) >= 0


def test_open_loop_does_not_wait_for_answers() -> None:
    """With a rate, everything is sent when it is due, though the broker has acknowledged nothing yet."""

    def answer_at_the_end(connection: socket.socket, listener: Listener) -> None:
        connection.sendall(CONNACK)
        buffer = bytearray()
        while len(listener.bodies) < LOAD.messages:
            buffer += connection.recv(65536)
            listener.bodies += [body for first, body in wire.take_packets(buffer) if first == wire.PUBLISH_QOS_1]
        connection.sendall(b"".join(wire.puback(wire.packet_id_of(body)) for body in listener.bodies))
        connection.recv(2)

    with Listener(answer_at_the_end) as listener:
        sent = run(plan(listener, per_second=100_000.0, window=1), is_told)
    assert sent.acknowledged == LOAD.messages


@pytest.mark.parametrize(
    ("answer", "error"), [(b"\x90\x02\x00\x01", ConnectionAbortedError), (b"", ConnectionResetError)]
)
def test_generator_when_the_broker_misbehaves_ends_with_the_reason(answer: bytes, error: type[OSError]) -> None:
    """Something else than an acknowledgement, or the end of the connection, is not counted as success."""

    def misbehave(connection: socket.socket, _: Listener) -> None:
        connection.sendall(CONNACK)
        connection.recv(100)
        connection.sendall(answer)
        if answer:
            time.sleep(0.2)

    with Listener(misbehave) as listener, pytest.raises(error):
        run(plan(listener), is_told)


def test_generator_when_the_broker_refuses_it_says_so() -> None:
    """A CONNACK with a code."""

    def refuse(connection: socket.socket, _: Listener) -> None:
        connection.sendall(b"\x20\x02\x00\x05")

    with Listener(refuse) as listener, pytest.raises(ConnectionRefusedError, match="20020005"):
        run(plan(listener), is_told)
