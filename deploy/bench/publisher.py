"""The generator, a process of its own: sends messages made ahead at QoS 1, and counts their acknowledgements.

With a rate it is an open loop: each message is due at a fixed time and is sent then, whatever the broker has answered.
Without, it keeps a window full. It shares its cores with what is measured, so it must cost next to nothing: a few raw
connections, one buffer of finished packets on each, and a look at every connection once a millisecond, which sends
what is due in one write and counts all answers of one read. Answering every packet at once instead costs four times as
much, most of it in the kernel.

It reads its plan as one line of JSON, says ``ready``, waits for a line, sends, and reports in one line of JSON.
"""

import json
import socket
import sys
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Final

from deploy.bench import wire
from deploy.bench.load import STREAM, Form, Load, device_no, encoder, schedule

TICK_SECONDS: Final = 0.001
PATIENCE_SECONDS: Final = 60.0
READ_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent where; *per_second* None sends as fast as *window* messages in flight a connection allow."""

    host: str
    port: int
    root: str
    load: Load
    per_second: float | None
    connections: int
    window: int
    form: Form = "contract"


@dataclass(slots=True)
class Sent:
    """How it went. Times are of the monotonic clock, which all processes of a machine share."""

    started_seconds: float = 0.0
    ended_seconds: float = 0.0
    messages: int = 0
    acknowledged: int = 0
    cpu_seconds: float = 0.0
    # How late the oldest message of each tick was sent.
    late_seconds: list[float] = field(default_factory=list)


class Line:
    """One connection, and the packets that go over it in order."""

    def __init__(self) -> None:
        self.slots: list[int] = []
        self.acknowledged = 0
        self._packets = bytearray()
        # Where each packet ends.
        self._ends = [0]
        self._sent_bytes = 0
        self._rest = b""
        self._socket: socket.socket | None = None

    @property
    def messages(self) -> int:
        """How many it has to send."""
        return len(self.slots)

    def add(self, slot: int, topic: str, body: bytes) -> None:
        """Put a message at the end."""
        self._packets += wire.publish(topic, body, len(self.slots) % wire.PACKET_IDS + 1)
        self._ends.append(len(self._packets))
        self.slots.append(slot)

    def open(self, host: str, port: int) -> None:
        """Connect, and introduce ourselves. Raises OSError when the broker does not let us in."""
        self._socket = connect(f"bench-{time.monotonic_ns():x}", host, port)
        self._socket.setblocking(False)

    def send_up_to(self, count: int) -> None:
        """Send what is not sent of the first *count* packets, as far as the connection takes it now."""
        end = self._ends[min(count, self.messages)]
        if end <= self._sent_bytes:
            return
        with memoryview(self._packets) as packets:
            try:
                self._sent_bytes += self._connection.send(packets[self._sent_bytes : end])
            except BlockingIOError:
                return

    def count_answers(self) -> None:
        """Count the acknowledgements that have come. Raises OSError when something else came, or the end."""
        while True:
            try:
                data = self._connection.recv(READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                raise ConnectionResetError("the broker closed the generator's connection")
            answers, over = divmod(len(self._rest) + len(data), wire.ANSWER_BYTES)
            whole = self._rest + data
            if whole[:: wire.ANSWER_BYTES].count(wire.PUBACK) < answers:
                raise ConnectionAbortedError("the broker answered the generator with something else than PUBACK")
            self._rest = whole[len(whole) - over :]
            self.acknowledged += answers
            if len(data) < READ_BYTES:
                return

    def leave(self) -> None:
        """Say that we go, so that the broker does not wonder."""
        self._connection.setblocking(True)
        self._connection.sendall(wire.DISCONNECT)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()

    @property
    def _connection(self) -> socket.socket:
        assert self._socket is not None  # noqa: S101 - opened before anything is sent
        return self._socket


def connect(client_id: str, host: str, port: int) -> socket.socket:
    """A connection with a clean session, which ends any that *client_id* had. Raises OSError when it is refused."""
    connection = socket.create_connection((host, port), timeout=PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(wire.connect(client_id))
    answer = connection.recv(wire.ANSWER_BYTES, socket.MSG_WAITALL)
    if len(answer) < wire.ANSWER_BYTES or answer[0] != wire.CONNACK or answer[3]:
        connection.close()
        raise ConnectionRefusedError(f"the broker refused the generator: {answer.hex()}")
    return connection


def forget_session(client_id: str, host: str, port: int) -> None:
    """Have the broker drop what it keeps for *client_id*."""
    with connect(client_id, host, port) as connection:
        connection.sendall(wire.DISCONNECT)


def run(plan: Plan, is_told: Callable[[], object]) -> Sent:
    """Make and connect everything, send it once *is_told* returns, and return when all is acknowledged.

    Raises OSError when a connection ends before, TimeoutError when the broker answers nothing for a minute.
    """
    with ExitStack() as stack:
        lines = _lines(plan)
        for line in lines:
            stack.callback(line.close)
            line.open(plan.host, plan.port)
        is_told()
        sent = Sent(started_seconds=time.monotonic(), messages=sum(line.messages for line in lines))
        cpu_before = time.process_time()
        _send(lines, plan, sent)
        sent.ended_seconds = time.monotonic()
        sent.cpu_seconds = time.process_time() - cpu_before
        for line in lines:
            line.leave()
    return sent


def _lines(plan: Plan) -> list[Line]:
    lines = [Line() for _ in range(plan.connections)]
    encode = encoder(plan.form)
    for slot, message in enumerate(schedule(plan.load)):
        device = plan.load.device_of(message)
        lines[device % len(lines)].add(slot, f"{plan.root}/{device_no(device)}/{STREAM}", encode(plan.load, message))
    return [line for line in lines if line.messages]


def _send(lines: list[Line], plan: Plan, sent: Sent) -> None:
    """Once a tick, send what is due or what the window lets through, and count answers, until all are there."""
    answered_seconds = sent.started_seconds
    due = 0
    while sent.acknowledged < sent.messages:
        now = time.monotonic()
        if plan.per_second is not None and due < sent.messages:
            due = _note_due(plan.per_second, due, now, sent)
        for line in lines:
            line.count_answers()
            line.send_up_to(
                line.acknowledged + plan.window if plan.per_second is None else bisect_left(line.slots, due)
            )
        acknowledged = sum(line.acknowledged for line in lines)
        if acknowledged > sent.acknowledged:
            sent.acknowledged, answered_seconds = acknowledged, now
        elif now - answered_seconds > PATIENCE_SECONDS:
            raise TimeoutError(f"the broker acknowledged nothing for {PATIENCE_SECONDS:g} s")
        time.sleep(TICK_SECONDS)


def _note_due(per_second: float, done: int, now: float, sent: Sent) -> int:
    """How many messages are due: slot *n* is so many nths of a second after the start."""
    due = min(sent.messages, int((now - sent.started_seconds) * per_second) + 1)
    if due > done:
        sent.late_seconds.append(now - sent.started_seconds - done / per_second)
    return due


def _is_told() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main() -> None:
    """Run as ``python -m deploy.bench.publisher``."""
    told = json.loads(sys.stdin.readline())
    plan = Plan(**(told | {"load": Load(**told["load"])}))
    sys.stdout.write(json.dumps(asdict(run(plan, _is_told))) + "\n")


if __name__ == "__main__":
    main()
