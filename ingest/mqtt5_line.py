"""A connection of MQTT 5 as an asyncio protocol over the codec ``mqtt5``.

No client library lies between: one may acknowledge only what is committed, and an object, a future and a task for each
message would cost several times what decoding and storing it does.
"""

import asyncio
import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeVar, cast

import mqtt5

from ingest.arrival import Arrival, Receipt
from ingest.inbox import Inbox
from ingest.mqtt5_malformed import PUBLISH, Publish, read_publish
from store.errors import TracefleetError

# What a broker of MQTT 3.1.1 begins its refusal of version 5 with.
OLD_CONNACK: Final = b"\x20\x02"
# One buffer for all reads: a new one each time costs the kernel more than the bytes in it.
READ_BYTES: Final = 64 * 1024
# With more than so many messages under way a commit is waited for in any case; then a read waits for company, since a
# broker that sends each message by itself would have us come for twenty at a time, and that costs as much as decoding
# them does. Of a trickle nothing waits.
BUSY_MESSAGES: Final = 512
COMPANY_SECONDS: Final = 0.004
# A broker hangs up as soon as it has read a leave-taking; one that is frozen must not hold up a stop.
LEAVE_SECONDS: Final = 1.0
# Type and length of an acknowledgement that needs no more than the packet id after it (MQTT 5, section 3.4); a batch
# sends thousands in one write.
PUBACK: Final = 0x4002

PacketT = TypeVar("PacketT")


class OldBrokerError(TracefleetError):
    """The broker does not speak MQTT 5."""


class LineError(ConnectionError):
    """A connection that ended, or never came to be, with the broker's reason where it gave one."""


class Line(asyncio.BufferedProtocol):
    """One connection. Publishes go into the inbox at once, every other packet to who waits for an answer.

    With more than *window* of them unacknowledged it reads no more: not every broker keeps to the Receive Maximum.
    """

    def __init__(self, number: int, inbox: Inbox, *, window: int) -> None:
        self._number = number
        self._inbox = inbox
        self._window = window
        self._transport: asyncio.Transport | None = None
        # What was read last, and before it what was held of a packet that was not whole.
        self._buffer = bytearray(READ_BYTES)
        self._held_bytes = 0
        self._answers: asyncio.Queue[object] = asyncio.Queue()
        self._ended: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        # Seen, so that asyncio does not complain when nobody waits for the end any more.
        self._ended.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        # Whether we are told to read no more, whether the next read waits for company, and whether we read.
        self._is_paused = False
        self._is_waiting = False
        self._is_reading = True
        self._is_leaving = False
        self._is_silent = True
        self.unacknowledged = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.Transport", transport)  # what create_connection makes, whatever the loop
        if not self._is_reading:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._fail(LineError(str(exc) if exc is not None else "the broker closed the connection"))

    def get_buffer(self, _hint_bytes: int) -> memoryview:
        """Where the next read goes."""
        # Full of a packet that is not whole: doubled, since to grow by what one read brings would take minutes.
        if self._held_bytes == len(self._buffer):
            self._buffer = self._buffer + bytes(len(self._buffer))
        return memoryview(self._buffer)[self._held_bytes :]

    def buffer_updated(self, read_bytes: int) -> None:
        """Take every whole packet."""
        # TLS reads once more as it is closed, here within this very call: after an error nobody can tell where a packet
        # begins.
        if self._ended.done() or self._is_leaving:
            return
        self._is_silent = False
        received_at, number = datetime.now(UTC), self._number
        arrivals: list[Arrival] = []
        packet_ids: list[int] = []
        try:
            for packet in self._packets(self._held_bytes + read_bytes):
                if type(packet) is mqtt5.PublishPacket or type(packet) is Publish:
                    packet_id = packet.packet_id
                    if packet_id is None:  # QoS 0: there is nothing to acknowledge
                        arrivals.append(Arrival(packet.topic, packet.payload, received_at, packet.retain))
                        continue
                    arrivals.append(Arrival(packet.topic, packet.payload, received_at, packet.retain, number))
                    packet_ids.append(packet_id)
                elif isinstance(packet, mqtt5.DisconnectPacket):
                    self._fail(LineError(f"the broker ended the session: {said(packet)}"))
                elif not isinstance(packet, mqtt5.PingRespPacket | mqtt5.PubAckPacket):  # nobody waits for those
                    self._answers.put_nowait(packet)
        except (LineError, OldBrokerError) as error:
            self._fail(error)
            self.close()
        self.unacknowledged += len(packet_ids)
        self._inbox.put(arrivals, Receipt(number, len(packet_ids), _pubacks(packet_ids)))
        if self._inbox.is_full:
            self._is_paused = True
        if self.unacknowledged > BUSY_MESSAGES and read_bytes < READ_BYTES // 2 and not self._is_waiting:
            self._is_waiting = True
            asyncio.get_running_loop().call_later(COMPANY_SECONDS, self._go_on)
        self._read_or_wait()

    def _go_on(self) -> None:
        self._is_waiting = False
        self._read_or_wait()

    def _packets(self, end: int) -> Iterator[object]:
        """The whole ones before *end* of the buffer; what is left is held."""
        place = 0
        with memoryview(self._buffer)[:end] as view:
            while True:
                try:
                    packet, size = mqtt5.read(view[place:])
                except IndexError:  # not whole yet
                    break
                except BaseException as error:
                    # The codec panics on a topic that is no UTF-8, and its panic is no Exception. The message must not
                    # come again for ever.
                    if isinstance(error, KeyboardInterrupt | SystemExit):
                        raise
                    publish, size = _malformed(bytes(view[place:]), error)
                    yield publish
                else:
                    yield packet
                place += size
        self._held_bytes = end - place
        if place:  # copied with each read, a large packet would take minutes, too
            held = self._buffer[place:end]
            if len(self._buffer) > READ_BYTES >= len(held):
                self._buffer = bytearray(READ_BYTES)
            self._buffer[: len(held)] = held

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """The messages of those that were given on this connection, in one write."""
        own = [receipt for receipt in receipts if receipt.connection == self._number]
        self.unacknowledged -= sum([receipt.messages for receipt in own])
        if pubacks := b"".join([receipt.packet_ids for receipt in own]):
            self.send(pubacks)
            self._read_or_wait()

    def send(self, data: bytes) -> None:
        """Write, unless it has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def answer(self, kind: type[PacketT]) -> PacketT:
        """The next packet that is no publish. Raises LineError when the connection ends, or it is something else."""
        waiting = asyncio.create_task(self._answers.get())
        either: set[asyncio.Future[Any]] = {waiting, self._ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                self._ended.result()
            packet = await waiting
        finally:
            waiting.cancel()
        if not isinstance(packet, kind):
            raise LineError(f"expected {kind.__name__} of the broker, not {type(packet).__name__}")
        return packet

    async def keep_alive(self, every_seconds: float) -> NoReturn:
        """Show that we are alive until the connection ends. Raises what ended it, LineError when the broker is mute."""
        while True:
            self._is_silent = True
            self.send(mqtt5.PingReqPacket().write())
            await asyncio.wait({self._ended}, timeout=every_seconds)
            if self._ended.done():
                self._ended.result()
            # While we do not read, we cannot hear either.
            if self._is_silent and self._is_reading:
                if self._transport is not None:
                    self._transport.abort()  # nobody would take a goodbye
                raise LineError(f"the broker has said nothing for {every_seconds:.0f} s")

    def pause(self) -> None:
        """Leave what comes in the kernel's hands, and then the broker's."""
        self._is_paused = True
        self._read_or_wait()

    def resume(self) -> None:
        """Read on."""
        self._is_paused = False
        self._read_or_wait()

    def _read_or_wait(self) -> None:
        wanted = self._is_leaving or not (self._is_paused or self._is_waiting or self.unacknowledged > self._window)
        if wanted == self._is_reading:
            return
        self._is_reading = wanted
        # What was said while we waited has not been read yet.
        self._is_silent = False
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    async def leave(self) -> None:
        """Take leave, and hear the broker out until it hangs up; it keeps what it still says.

        Closed over that, the connection would be reset, and acknowledgements that the broker has not read lost with it.
        """
        self.send(mqtt5.DisconnectPacket().write())
        self._is_leaving = True
        self._read_or_wait()
        await asyncio.wait({self._ended}, timeout=LEAVE_SECONDS)
        self._hang_up()

    def close(self) -> None:
        """Take leave at once; the broker keeps the session."""
        self.send(mqtt5.DisconnectPacket().write())
        self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)


def _pubacks(packet_ids: Sequence[int]) -> bytes:
    """The acknowledgements as they are sent: made when the ids have just been read, which is when they are at hand."""
    words = [PUBACK] * (2 * len(packet_ids))
    words[1::2] = packet_ids
    return struct.pack(f">{len(words)}H", *words)


def _malformed(data: bytes, error: BaseException) -> tuple[Publish, int]:
    """A publish that the codec cannot read, whose topic will be refused, and its size."""
    if data.startswith(OLD_CONNACK):
        raise OldBrokerError("the broker does not speak MQTT 5")
    if data[0] >> 4 != PUBLISH:
        raise LineError(f"the broker sent a packet that cannot be read: {error}")
    try:
        return read_publish(data)
    except IndexError:  # it ends before what it says it holds
        raise LineError(f"the broker sent a publish that cannot be read: {error}") from None


def said(packet: "mqtt5.ConnAckPacket | mqtt5.DisconnectPacket") -> str:
    """The broker's reason, in its words."""
    return f"{packet.reason_code!r}{f', {packet.reason_str}' if packet.reason_str else ''}"
