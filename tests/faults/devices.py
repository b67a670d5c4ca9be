"""The devices of the suite: numbered messages at QoS 1, each published again until the broker has acknowledged it.

One raw connection in a thread of its own. What the broker acknowledged is remembered to the message, because that is
what must not be lost. After a lost connection everything without an acknowledgement is published again, as devices do.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from typing import Final

from deploy.bench import wire
from deploy.bench.load import STREAM, Load, device_no, payload
from ingest.topic import ROOT

TICK_SECONDS: Final = 0.002
RETRY_SECONDS: Final = 0.05
# A broker that answers nothing for so long is taken for gone.
SILENCE_SECONDS: Final = 10.0


class Devices:
    """Publishes the first *limit* messages of *load*, at most *rate* a second, *window* of them unanswered.

    ``limit`` and ``rate`` may be changed while it runs; a rate of None is as fast as the window allows.
    """

    def __init__(self, port: int, load: Load, *, limit: int = 0, rate: float | None = None, window: int = 512) -> None:
        self.load = load
        self.limit = limit
        self.rate = rate
        self.acknowledged = 0
        self.published_again = 0
        self.connections_lost = 0
        self._port = port
        self._window = window
        self._flags = bytearray()
        self._fresh = 0
        self._again: deque[int] = deque()
        self._under_way: dict[int, int] = {}
        self._packet_id = 0
        self._credit = 0.0
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="devices", daemon=True)

    @property
    def sent(self) -> int:
        """How many different messages were published at least once: the first so many of the load."""
        return self._fresh

    @property
    def is_idle(self) -> bool:
        """Whether all that may be published is acknowledged."""
        return self.acknowledged >= self.limit

    def was_acknowledged(self, message: int) -> bool:
        """Whether the broker acknowledged it, at least once."""
        return message < len(self._flags) and bool(self._flags[message])

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def stop(self) -> None:
        """Publish no more. Raises what ended the thread, if something did."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(10)
        if self._failure is not None:
            raise self._failure

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - the rim of the thread: told to whoever stops it
            self._failure = error

    async def _run(self) -> None:
        while not self._ended.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                await self._introduce(reader, writer)
                await self._talk(reader, writer)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _introduce(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(SILENCE_SECONDS):
            writer.write(wire.connect(f"devices-{time.monotonic_ns():x}"))
            answer = await reader.readexactly(wire.ANSWER_BYTES)
        if answer[0] != wire.CONNACK or answer[3]:
            raise ConnectionRefusedError(f"the broker refused the devices: {answer.hex()}")

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hearing = asyncio.create_task(self._hear(reader))
        telling = asyncio.create_task(self._tell(writer))
        try:
            done, _ = await asyncio.wait({hearing, telling}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (hearing, telling):
                task.cancel()
            await asyncio.gather(hearing, telling, return_exceptions=True)
            if not self._ended.is_set():
                self.connections_lost += 1
            # Oldest first, and before all that is new: a device sends its backlog in order.
            self._again.extendleft(reversed(self._under_way.values()))
            self._under_way.clear()

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    heard = await reader.read(65_536)
            except TimeoutError:
                if self._under_way:
                    raise
                continue
            if not heard:
                raise ConnectionResetError("the broker closed the devices' connection")
            data = rest + heard
            whole = len(data) - len(data) % wire.ANSWER_BYTES
            for at in range(0, whole, wire.ANSWER_BYTES):
                self._acknowledged(int.from_bytes(data[at + 2 : at + 4], "big"))
            rest = data[whole:]

    def _acknowledged(self, packet_id: int) -> None:
        message = self._under_way.pop(packet_id, None)
        if message is None:
            return
        if message >= len(self._flags):
            self._flags.extend(bytes(max(65_536, message + 1 - len(self._flags))))
        if not self._flags[message]:
            self._flags[message] = 1
            self.acknowledged += 1

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        looked_seconds = time.monotonic()
        while not self._ended.is_set():
            now = time.monotonic()
            if self.rate is not None:
                # At most a tenth of a second's worth is made up for: a stall must not end in a burst.
                self._credit = min(self._credit + (now - looked_seconds) * self.rate, max(1.0, self.rate / 10))
            looked_seconds = now
            packets = self._due()
            if packets:
                writer.write(b"".join(packets))
                await writer.drain()
            await asyncio.sleep(TICK_SECONDS)

    def _due(self) -> list[bytes]:
        packets = []
        while len(self._under_way) < self._window and (self.rate is None or self._credit >= 1.0):
            if self._again:
                message = self._again.popleft()
                self.published_again += 1
            elif self._fresh < self.limit:
                message = self._fresh
                self._fresh += 1
            else:
                break
            self._credit -= 1.0
            packets.append(self._packet(message))
        return packets

    def _packet(self, message: int) -> bytes:
        self._packet_id = self._packet_id % wire.PACKET_IDS + 1
        self._under_way[self._packet_id] = message
        topic = f"{ROOT}/{device_no(self.load.device_of(message))}/{STREAM}"
        return wire.publish(topic, payload(self.load, message), self._packet_id)
