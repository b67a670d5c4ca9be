"""The generator, a process of its own: sends messages made ahead at QoS 1, and counts their acknowledgements.

With a rate it is an open loop: each message is due at a fixed time and is sent then, whatever the broker has answered.
Without, it keeps a window full. A few raw connections and no client library: aiomqtt makes an object, a future and
several steps of the loop for each message, and on the same cores it would be the bottleneck that is measured.

It reads its plan as one line of JSON, says ``ready``, waits for a line, sends, and reports in one line of JSON.
"""

import asyncio
import json
import sys
import time
from bisect import bisect_left
from dataclasses import asdict, dataclass, field
from typing import Final

from deploy.bench import wire
from deploy.bench.load import STREAM, Load, device_no, payload, schedule

TICK_SECONDS: Final = 0.001
PATIENCE_SECONDS: Final = 60.0


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


class Line(asyncio.Protocol):
    """One connection, and the packets that go over it in order."""

    def __init__(self, window: int | None) -> None:
        self.packets: list[bytes] = []
        self.slots: list[int] = []
        self.sent = 0
        self.acknowledged = 0
        self.ended = asyncio.get_running_loop().create_future()
        self.open = asyncio.Event()
        self._window = window
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def add(self, slot: int, topic: str, body: bytes) -> None:
        """Put a message at the end."""
        self.packets.append(wire.publish(topic, body, len(self.packets) % wire.PACKET_IDS + 1))
        self.slots.append(slot)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        self._transport = transport
        transport.write(wire.connect(f"bench-{time.monotonic_ns():x}"))

    def send_up_to(self, count: int) -> None:
        """Send what is not sent of the first *count* packets."""
        if self._transport is not None and count > self.sent:
            self._transport.write(b"".join(self.packets[self.sent : count]))
            self.sent = min(count, len(self.packets))

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements, and fill the window again."""
        data = self._rest + data
        answers, over = divmod(len(data), wire.ANSWER_BYTES)
        self._rest = data[len(data) - over :]
        if not self.open.is_set() and answers:
            if data[0] != wire.CONNACK or data[3]:
                self.connection_lost(ConnectionRefusedError(f"the broker refused the generator: {data[:4].hex()}"))
                return
            self.open.set()
            answers -= 1
        self.acknowledged += answers
        if self._window is not None and self.sent:
            self.send_up_to(self.acknowledged + self._window)
        if self.acknowledged >= len(self.packets) and not self.ended.done() and self.sent:
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """End with the reason, unless all was acknowledged."""
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError("the broker closed the generator's connection"))

    def close(self) -> None:
        """Take leave."""
        if self._transport is not None:
            self._transport.write(wire.DISCONNECT)
            self._transport.close()


async def run(plan: Plan) -> Sent:
    """Send all of *plan* once told so, and return when all is acknowledged.

    Raises OSError when a connection ends before, TimeoutError when the broker answers nothing for a minute.
    """
    lines = [Line(plan.window if plan.per_second is None else None) for _ in range(plan.connections)]
    slots = schedule(plan.load)
    for slot, message in enumerate(slots):
        device = plan.load.device_of(message)
        topic = f"{plan.root}/{device_no(device)}/{STREAM}"
        lines[device % len(lines)].add(slot, topic, payload(plan.load, message))
    lines = [line for line in lines if line.packets]
    loop = asyncio.get_running_loop()
    for line in lines:
        await loop.create_connection(lambda line=line: line, plan.host, plan.port)  # type: ignore[misc]
        await asyncio.wait_for(line.open.wait(), PATIENCE_SECONDS)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sent = Sent(started_seconds=time.monotonic(), messages=len(slots))
    cpu_before = time.process_time()
    if plan.per_second is None:
        for line in lines:
            line.send_up_to(plan.window)
    else:
        await _keep_time(lines, plan.per_second, sent)
    await asyncio.wait_for(asyncio.gather(*[line.ended for line in lines]), PATIENCE_SECONDS)
    sent.ended_seconds = time.monotonic()
    sent.cpu_seconds = time.process_time() - cpu_before
    sent.acknowledged = sum(line.acknowledged for line in lines)
    for line in lines:
        line.close()
    return sent


async def _keep_time(lines: list[Line], per_second: float, sent: Sent) -> None:
    """Send each message when it is due: slot *n* so many nths of a second after the start."""
    done = 0
    while done < sent.messages:
        now = time.monotonic()
        due = min(sent.messages, int((now - sent.started_seconds) * per_second) + 1)
        if due > done:
            sent.late_seconds.append(now - sent.started_seconds - done / per_second)
            for line in lines:
                line.send_up_to(bisect_left(line.slots, due))
            done = due
        await asyncio.sleep(TICK_SECONDS)


def main() -> None:
    """Run as ``python -m deploy.bench.publisher``."""
    told = json.loads(sys.stdin.readline())
    plan = Plan(**(told | {"load": Load(**told["load"])}))
    sys.stdout.write(json.dumps(asdict(asyncio.run(run(plan)))) + "\n")


if __name__ == "__main__":
    main()
