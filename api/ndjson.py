"""Telemetry as lines of JSON: a body to its lines, a line to the topic and the payload that MQTT would have brought.

Pure. Only what surrounds a message is read here; the message itself stays the bytes it came as, for ingest to judge.
"""

import json
import re
import zlib
from datetime import datetime
from typing import Final

import msgspec

from api.problems import TOO_LARGE, UNREADABLE, ProblemError
from ingest import explain, intake
from ingest.arrival import Arrival
from ingest.batch import Batch, DeadLetter
from ingest.decode import MAX_BYTES
from ingest.fast import STUMBLES
from ingest.refusal import Refusal, Refused
from ingest.registry import Registry
from ingest.topic import ROOT, is_downward, parse

UNPACKED_BYTES_MAX: Final = 8 * 1024 * 1024
LINES_MAX: Final = 1000
# Where a line is filed that names no device and stream. No topic of a device, so a replay refuses it again.
NO_TOPIC: Final = "http/telemetry"

# How gzip begins, and no line of JSON does.
GZIP_MAGIC: Final = b"\x1f\x8b"
# Many empty members one after another would cost time for no bytes.
_MEMBERS_MAX: Final = 64
_GZIP: Final = 16 + zlib.MAX_WBITS
# As long as the grammar of topics allows a device number; a longer name is no topic, and no key of a table.
_NAME_MAX: Final = 64
_BETWEEN: Final = re.compile(r"[ \t\r\n]*[:,]?[ \t\r\n]*")
# Finds where a value ends; numbers stay text, since no value is used.
_RAW: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class _Line(msgspec.Struct, gc=False):
    device_no: str
    stream: str
    message: msgspec.Raw


_FAST: Final = msgspec.json.Decoder(_Line)


def unpack(body: bytes, *, limit: int = UNPACKED_BYTES_MAX) -> bytes:
    """What gzip packed, at most *limit* bytes of it: a bomb is not expanded beyond that.

    Raises ProblemError: too-large, or unreadable-body when it is broken or cut off.
    """
    unpacked = bytearray()
    members = 0
    while body or not members:
        members += 1
        member = zlib.decompressobj(wbits=_GZIP)
        try:
            unpacked += member.decompress(body, limit + 1 - len(unpacked))
        except zlib.error:
            raise ProblemError(UNREADABLE, "The body is not gzip, or is damaged.") from None
        if len(unpacked) > limit:
            raise ProblemError(TOO_LARGE, f"At most {limit} bytes are taken after unpacking.")
        if not member.eof or members > _MEMBERS_MAX:
            raise ProblemError(UNREADABLE, "The gzip body is cut off, or in too many pieces.")
        body = member.unused_data
    return bytes(unpacked)


def lines_of(body: bytes) -> list[tuple[int, bytes]]:
    """The lines that hold something, with their numbers from 1 on, without their ends.

    Raises ProblemError: too-large when there are more than LINES_MAX, unreadable-body when there are none.
    """
    if body.count(b"\n") + (not body.endswith(b"\n")) > LINES_MAX:
        raise ProblemError(TOO_LARGE, f"At most {LINES_MAX} lines are taken, empty ones included.")
    numbered = [(number, line.removesuffix(b"\r")) for number, line in enumerate(body.split(b"\n"), start=1)]
    found = [(number, line) for number, line in numbered if line.strip()]
    if not found:
        raise ProblemError(UNREADABLE, "The body holds no line.")
    return found


def take_in(line: bytes, received_at: datetime, registry: Registry, batch: Batch) -> tuple[Arrival, int]:
    """Put a line into *batch*, as if MQTT had brought it; what it became there, and the number of unknown fields.

    Never refuses: a line that names no device and stream is a dead letter by itself, with all its bytes.
    """
    try:
        topic, payload = read(line)
    except Refused as refused:
        refusal = Refusal(refused.reason, refused.detail)
    except Exception as error:  # noqa: BLE001 - the rim of one line: a fault of ours must not cost its neighbours
        refusal = Refusal("crashed", f"{type(error).__name__}: {error}"[:300])
    else:
        arrival = Arrival(topic, payload, received_at)
        return arrival, intake.take_in([arrival], registry, batch)
    arrival = Arrival(NO_TOPIC, line, received_at)
    batch.arrivals.append(arrival)
    batch.records += refusal.records
    batch.dead_letters.append(DeadLetter(arrival, refusal, None, None))
    return arrival, 0


def read(line: bytes) -> tuple[str, bytes]:
    """The topic and the payload of a line; the payload is the very bytes of its message.

    Raises Refused when there is no message, or nobody who could have sent it.
    """
    try:
        told = _FAST.decode(line)
        device_no, stream, payload = told.device_no, told.stream, bytes(told.message)
    except STUMBLES:
        device_no, stream, payload = _read_slowly(line)
    if max(len(device_no), len(stream)) > _NAME_MAX:
        raise Refused("bad_topic", f"device_no and stream have at most {_NAME_MAX} characters")
    topic = f"{ROOT}/{device_no}/{stream}"
    if is_downward(topic):
        raise Refused("bad_topic", "stream: commands go to devices and do not come from them")
    return topic, payload


def device_no_of(line: bytes) -> str | None:
    """Of which device a line is; None where it is no telemetry of any, as :func:`take_in` then finds, too."""
    try:
        topic, _ = read(line)
        return parse(topic)[0]
    except Exception:  # noqa: BLE001 - whatever it is, take_in() files it as nobody's
        return None


def _read_slowly(line: bytes) -> tuple[str, str, bytes]:
    """The same of a line that holds something no column can: that costs a record, and ingest knows which."""
    if len(line) > 2 * MAX_BYTES:
        raise Refused("too_large", f"{len(line)} bytes in a line that is no plain JSON")
    body = explain.parse(line)
    if "message" not in body:
        raise Refused("bad_message", "message: the line has none")
    device_no, stream = (_name(body, name) for name in ("device_no", "stream"))
    return device_no, stream, _slice_of(line, "message")


def _name(body: dict[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise Refused("bad_topic", f"{name}: expected text" if name in body else f"{name}: the line has none")
    return value


def _slice_of(line: bytes, name: str) -> bytes:
    """The bytes of the last member *name* of the object that *line* is known to be."""
    text = line.decode("utf-8", "surrogateescape")
    found = ""
    place = _skip(text, text.index("{") + 1)
    while text[place] != "}":
        key, place = _RAW.raw_decode(text, place)
        start = _skip(text, place)
        _, place = _RAW.raw_decode(text, start)
        if key == name:
            found = text[start:place]
        place = _skip(text, place)
    return found.encode("utf-8", "surrogateescape")


def _skip(text: str, place: int) -> int:
    between = _BETWEEN.match(text, place)
    return between.end() if between is not None else place
