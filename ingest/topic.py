"""The grammar of telemetry topics: ``tracefleet/v1/<device_no>/<stream>``.

Only the shape is checked here; whether the device exists is the registry's business.
"""

import re
from typing import Final

from ingest.refusal import Refused
from store.records import PRESENCE, TELEMETRY

ROOT: Final = "tracefleet/v1"

_SHAPE = re.compile(rf"{ROOT}/([A-Za-z0-9_-]{{1,64}})/([a-z]+)")
_READ = frozenset(TELEMETRY) | {PRESENCE}
# What the broker matches with ``+`` for the device.
_ON_STREAM = re.compile(rf"{ROOT}/[^/]*/([a-z]+)")
# Ours, on its way down to a device; the subscription sees it too.
_DOWNWARD = re.compile(rf"{ROOT}/[^/]+/command")


def parse(topic: str) -> tuple[str, str]:
    """The device and the stream of an upward topic.

    Raises Refused as bad_topic when it is not one, or when its stream is none that is read.
    """
    match = _SHAPE.fullmatch(topic)
    if match is None:
        raise Refused("bad_topic", f"expected {ROOT}/<device_no>/<stream>")
    device_no, stream = match.groups()
    if stream not in _READ:
        raise Refused("bad_topic", f"no stream {stream!r} is read here; known: {', '.join(sorted(_READ))}")
    return device_no, stream


def is_downward(topic: str) -> bool:
    """Whether it is a command of ours, which is none of ingest's business."""
    return _DOWNWARD.fullmatch(topic) is not None


def stream_level(topic: str) -> str | None:
    """The stream whose subscription *topic* falls under, whether or not a device may be called so."""
    match = _ON_STREAM.fullmatch(topic)
    return match[1] if match is not None else None


def mark_of(worker: str) -> str:
    """Where a worker publishes to itself: a command, which other workers pass over."""
    return f"{ROOT}/{worker}/command"
