"""A TCP proxy of a test's own, in a thread: it can cut, freeze, delay and drop, and a subclass may read along."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Final, Self

CHUNK_BYTES: Final = 65_536
START_SECONDS: Final = 10.0
GOODBYE_SECONDS: Final = 2.0
# SO_LINGER on, for zero seconds: closing sends a reset, not a goodbye.
RESET: Final = struct.pack("ii", 1, 0)


class Wire:
    """One carried connection. Only the proxy's thread touches it."""

    def __init__(self, number: int, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.number = number
        self.client = client
        self.server = server
        # Cleared, nothing is forwarded any more, and neither end is told.
        self.flows = asyncio.Event()
        self.flows.set()
        self.is_cut = False
        # The client has hung up; what the server still says is read and dropped.
        self.is_left = False

    def cut(self, *, reset: bool) -> None:
        """End both sides at once."""
        self.is_cut = True
        for writer in (self.client, self.server):
            if reset:
                end = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """Carries connections to *port* of the loopback; ``with`` it. All methods may be called from any thread.

    ``delay_seconds`` holds every chunk back for so long; ``drop_share`` of the chunks end their connection instead.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", seed: int = 0) -> None:
        self.host = host
        self.delay_seconds = 0.0
        self.drop_share = 0.0
        self.dropped = 0
        self.connections = 0
        self._to = port
        self._dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._wires: dict[int, Wire] = {}
        self._is_partitioned = False
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def freeze(self) -> int:
        """Forward nothing any more on the connections of now; later ones are carried. How many were frozen."""
        return int(self._call(self._freeze()))

    def partition(self) -> None:
        """Forward nothing and connect nobody, until :meth:`heal`. Nobody is told."""
        self._call(self._set_partition(on=True))

    def heal(self) -> None:
        """End a partition; what waited goes on."""
        self._call(self._set_partition(on=False))

    def shut(self) -> None:
        """Refuse connections, as the machine of a server that is down does."""
        self._call(self._shut())

    def open(self) -> None:
        """Take connections again, on the same port."""
        self._call(self._open())

    def cut_all(self, *, reset: bool = True) -> None:
        """End the connections of now."""
        self._call(self._cut_all(reset=reset))

    async def on_client(self, wire: Wire, data: bytes) -> None:
        """Forward what a client sent; a subclass looks into it first."""
        await self.forward(wire, wire.server, data)

    async def on_server(self, wire: Wire, data: bytes) -> None:
        """Forward what the server sent; a subclass looks into it first."""
        await self.forward(wire, wire.client, data)

    async def forward(self, wire: Wire, to: asyncio.StreamWriter, data: bytes) -> None:
        """Pass *data* on, under the trouble of the hour."""
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if self.drop_share and self._dice.random() < self.drop_share:
            self.dropped += 1
            wire.cut(reset=True)
        await wire.flows.wait()
        if not wire.is_cut and not (wire.is_left and to is wire.client):
            to.write(data)
            await to.drain()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut_all(reset=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _freeze(self) -> int:
        flowing = [wire for wire in self._wires.values() if wire.flows.is_set()]
        for wire in flowing:
            wire.flows.clear()
        return len(flowing)

    async def _set_partition(self, *, on: bool) -> None:
        self._is_partitioned = on
        for wire in self._wires.values():
            (wire.flows.clear if on else wire.flows.set)()

    async def _cut_all(self, *, reset: bool) -> None:
        for wire in list(self._wires.values()):
            wire.cut(reset=reset)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to)
        self.connections += 1
        wire = Wire(self.connections, writer, to_server)
        if self._is_partitioned:
            wire.flows.clear()
        self._wires[wire.number] = wire
        ways = [
            asyncio.create_task(self._pass(wire, reader, self.on_client)),
            asyncio.create_task(self._pass(wire, from_server, self.on_server)),
        ]
        try:
            ended, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # A goodbye travels no faster than what was said before it, and on a frozen line not at all.
            await wire.flows.wait()
            if ways[0] in ended and not wire.is_cut:
                await self._say_goodbye(wire, ways[1])
        finally:
            del self._wires[wire.number]
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.on_end(wire)
            await self._hang_up(wire)

    async def _say_goodbye(self, wire: Wire, from_server: "asyncio.Task[None]") -> None:
        """Let the server read to the end: closed over what it has still said, its connection would be reset instead."""
        wire.is_left = True
        with contextlib.suppress(OSError):
            wire.server.write_eof()
        await asyncio.wait({from_server}, timeout=GOODBYE_SECONDS)

    async def _hang_up(self, wire: Wire) -> None:
        for writer in (wire.client, wire.server):
            writer.close()
        for writer in (wire.client, wire.server):
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1)
            writer.transport.abort()

    def on_end(self, wire: Wire) -> None:
        """A connection has ended; for a subclass."""

    async def _pass(self, wire: Wire, reader: asyncio.StreamReader, on_data: Any) -> None:
        while (data := await reader.read(CHUNK_BYTES)) and not wire.is_cut:
            await on_data(wire, data)
