"""The null subscriber, a process of its own: receives at QoS 1 and acknowledges, and does nothing else.

What it receives a second is the most that any subscriber in Python could store over this broker. Run with host, port,
topic pattern and number of messages; says ``ready`` when subscribed, and reports in one line of JSON.
"""

import asyncio
import json
import sys
import time
from typing import Final

from deploy.bench import wire

PATIENCE_SECONDS: Final = 60.0


class NullSubscriber(asyncio.Protocol):
    """Counts messages and sends one write of acknowledgements for all that came at once."""

    def __init__(self, pattern: str, messages: int) -> None:
        self.subscribed = asyncio.Event()
        self.ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pattern = pattern
        self._missing = messages
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves and subscribe."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        self._transport = transport
        transport.write(wire.connect("bench-null"))

    def data_received(self, data: bytes) -> None:
        """Acknowledge every message that is whole."""
        assert self._transport is not None  # noqa: S101 - data comes over it
        self._buffer += data
        answers = []
        for first, body in wire.take_packets(self._buffer):
            if first & 0xF0 == wire.PUBLISH_QOS_1 & 0xF0:
                answers.append(wire.puback(wire.packet_id_of(body)))
            elif first == wire.CONNACK:
                self._transport.write(wire.subscribe(self._pattern))
            elif first == wire.SUBACK:
                self.subscribed.set()
        if answers:
            self._transport.write(b"".join(answers))
            self._missing -= len(answers)
            if self._missing <= 0 and not self.ended.done():
                self.ended.set_result(time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        """End with the reason, unless all has come."""
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError("the broker closed the null subscriber's connection"))


async def run(host: str, port: int, pattern: str, messages: int) -> tuple[float, float]:
    """When the last of *messages* came, on the monotonic clock, and the CPU-seconds of them all.

    Raises TimeoutError after a minute.
    """
    subscriber = NullSubscriber(pattern, messages)
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: subscriber, host, port)
    await asyncio.wait_for(subscriber.subscribed.wait(), PATIENCE_SECONDS)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    cpu_before = time.process_time()
    ended_seconds = await asyncio.wait_for(subscriber.ended, PATIENCE_SECONDS)
    cpu_seconds = time.process_time() - cpu_before
    transport.write(wire.DISCONNECT)
    transport.close()
    return ended_seconds, cpu_seconds


def main() -> None:
    """Run as ``python -m deploy.bench.null_subscriber HOST PORT PATTERN MESSAGES``."""
    host, port, pattern, messages = sys.argv[1:]
    ended_seconds, cpu_seconds = asyncio.run(run(host, int(port), pattern, int(messages)))
    sys.stdout.write(json.dumps({"ended_seconds": ended_seconds, "cpu_seconds": cpu_seconds}) + "\n")


if __name__ == "__main__":
    main()
