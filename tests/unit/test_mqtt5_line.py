"""What a connection of MQTT 5 does where a real broker would have to be caught at the right instant."""

import asyncio
import time

import mqtt5
import pytest

from ingest.inbox import Inbox
from ingest.mqtt5_line import READ_BYTES, Line, LineError


@pytest.fixture
async def line() -> Line:
    """A connection that nobody is at the other end of."""
    return Line(1, Inbox(limit_bytes=1000, on_room=lambda: None), window=100)


def feed(line: Line, data: bytes) -> None:
    """*data* comes in one read, or in as many as it takes."""
    while data:
        with line.get_buffer(-1) as buffer:
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
        line.buffer_updated(size)
        data = data[size:]


async def test_who_is_cancelled_as_the_connection_ends_is_cancelled(line: Line) -> None:
    """An error in place of it would have the session connect again, and a stop wait for that for ever."""
    waiting = asyncio.create_task(line.answer(mqtt5.ConnAckPacket))
    await asyncio.sleep(0)
    waiting.cancel()
    line.connection_lost(None)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_answer_that_came_before_the_end_counts(line: Line) -> None:
    """A broker that refuses us says why, and closes the connection."""
    waiting = asyncio.create_task(line.answer(mqtt5.ConnAckPacket))
    await asyncio.sleep(0)
    feed(line, mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED).write())
    line.connection_lost(None)
    assert (await waiting).reason_code == mqtt5.ConnAckReasonCode.NOT_AUTHORIZED


async def test_end_is_told_to_who_waits(line: Line) -> None:
    """With the reason."""
    waiting = asyncio.create_task(line.answer(mqtt5.ConnAckPacket))
    await asyncio.sleep(0)
    line.connection_lost(OSError("pulled out"))
    with pytest.raises(LineError, match="pulled out"):
        await waiting


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what the codec leaves of its panic
@pytest.mark.parametrize("cut_bytes", [1, 2, 7, 64, 1000])
async def test_packets_come_in_any_pieces(cut_bytes: int) -> None:
    """Each is taken once, in order, those that the codec cannot read included; a piece of one waits for the rest."""
    inbox = Inbox(limit_bytes=1_000_000, on_room=lambda: None)
    line = Line(1, inbox, window=100)
    packets = [
        mqtt5.PublishPacket("t/!", payload=b"%d" % number * 50, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number).write()
        for number in range(1, 8)
    ]
    packets[3] = packets[3].replace(b"!", b"\xff")
    data = b"".join(packets)
    for start in range(0, len(data), cut_bytes):
        feed(line, data[start : start + cut_bytes])
    taken, receipts = inbox.take(1_000_000)
    assert [one.payload for one in taken] == [b"%d" % number * 50 for number in range(1, 8)]
    assert sum(receipt.messages for receipt in receipts) == 7
    assert b"".join(receipt.packet_ids for receipt in receipts) == b"".join(b"\x40\x02\0%c" % n for n in range(1, 8))
    assert {type(one.payload) for one in taken} == {bytes}
    assert taken[3].topic == "t/\\xff"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what the codec leaves of its panic
@pytest.mark.parametrize(
    "broken",
    [b"\x00\x00", b"\x32\x00", b"\x32\x05\x00\x0aaaa", b"\x32\x04\x00\x02\xff\xff"],
    ids=["no packet", "empty publish", "topic beyond its end", "no packet id"],
)
async def test_what_came_before_a_broken_packet_is_taken_and_nothing_after_it(broken: bytes) -> None:
    """The connection ends there, though over TLS one more read may come."""
    inbox = Inbox(limit_bytes=1000, on_room=lambda: None)
    line = Line(1, inbox, window=100)
    first, second = (
        mqtt5.PublishPacket("t", payload=b"", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number).write()
        for number in (1, 2)
    )
    feed(line, first + broken)
    feed(line, second)
    assert [receipt.packet_ids for receipt in inbox.take(1000)[1]] == [b"\x40\x02\0\x01"]
    with pytest.raises(LineError, match="cannot be read"):
        await line.answer(mqtt5.ConnAckPacket)


async def test_large_message_is_read_in_time(line: Line) -> None:
    """Quadratic, it would take longer than the broker waits for us, and come again for ever."""
    payload, read_bytes = bytes(64 * 1024 * 1024), 256 * 1024
    data = mqtt5.PublishPacket("t", payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()
    began = time.process_time()
    for start in range(0, len(data), read_bytes):
        feed(line, data[start : start + read_bytes])
    assert line.unacknowledged == 1
    assert time.process_time() - began < 1


async def test_broker_that_was_not_heard_for_want_of_room_is_given_another_turn(line: Line) -> None:
    """What it said meanwhile is still to be read when we read on."""
    every_seconds = 0.1
    began = time.monotonic()
    alive = asyncio.create_task(line.keep_alive(every_seconds))
    await asyncio.sleep(0)
    line.pause()
    line.resume()
    with pytest.raises(LineError, match="has said nothing"):
        await alive
    assert time.monotonic() - began >= 2 * every_seconds


async def test_broker_that_sends_beyond_the_window_is_not_read() -> None:
    """Some do; what comes in the one read that goes beyond it is all that is held, and with room it goes on."""
    sent, window = 20_000, 100
    publish = mqtt5.PublishPacket("t", payload=bytes(50), qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()

    gone = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(publish * sent)
        await reader.read()
        writer.close()
        gone.set()

    inbox = Inbox(limit_bytes=100_000_000, on_room=lambda: None)
    line = Line(1, inbox, window=window)
    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server, asyncio.timeout(30):
        host, port = server.sockets[0].getsockname()
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: line, host, port)
        taken = 0
        while taken < sent:
            await inbox.stirred.wait()
            inbox.stirred.clear()
            await asyncio.sleep(0.01)
            assert line.unacknowledged <= window + READ_BYTES // len(publish) + 1
            arrivals, receipts = inbox.take(100_000_000)
            taken += len(arrivals)
            line.acknowledge(receipts)
        transport.close()
        await gone.wait()
        await asyncio.sleep(0)
    assert (taken, line.unacknowledged) == (sent, 0)
