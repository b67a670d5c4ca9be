"""Which messages are being read right now, in a file that outlives the process.

A file mapped into memory belongs to the kernel: what was written there last is there however the process ends. It costs
a copy of the messages and no call, so it is kept for every message; only the loss of the machine loses it.
"""

import mmap
import struct
from collections.abc import Sequence
from os import SEEK_END
from pathlib import Path
from typing import Final

from ingest.arrival import Arrival

# How many messages, and how long all their topics and all their payloads are.
_HEAD: Final = struct.Struct("<III")
_NOTHING: Final = bytes(_HEAD.size)
# No topic may hold it (MQTT 5, section 1.5.4); one that does all the same is entered alone.
_BETWEEN: Final = "\0"
# What is longer is refused by its length, and nobody looks inside.
SIZE_BYTES: Final = 512 * 1024


class Journal:
    """The messages that were entered last, until somebody leaves."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            # Written, not only made long: on a full disk, writing into a hole of a mapped file ends the process.
            file.write(bytes(max(0, SIZE_BYTES - file.seek(0, SEEK_END))))
            file.flush()
            self._map = mmap.mmap(file.fileno(), SIZE_BYTES)

    def left_behind(self) -> list[tuple[str, bytes]]:
        """Topics and payloads of the messages that were being read when the last process ended."""
        count, topics_bytes, payloads_bytes = _HEAD.unpack_from(self._map)
        sizes_end = _HEAD.size + 4 * count
        topics_end = sizes_end + topics_bytes
        if not count or topics_end + payloads_bytes > SIZE_BYTES:
            return []
        sizes = struct.unpack_from(f"<{count}I", self._map, _HEAD.size)
        try:
            topics = self._map[sizes_end:topics_end].decode("utf-8", "surrogatepass").split(_BETWEEN, count - 1)
        except UnicodeDecodeError:  # a machine that went down has written a part of it
            return []
        if len(topics) != count or sum(sizes) != payloads_bytes:
            return []
        payloads, place = [], topics_end
        for size in sizes:
            payloads.append(self._map[place : place + size])
            place += size
        return list(zip(topics, payloads, strict=True))

    def enter(self, arrivals: Sequence[Arrival]) -> bool:
        """*arrivals* are about to be read. False, and nothing is entered, when they cannot be entered together."""
        payloads = [arrival.payload for arrival in arrivals]
        names = _BETWEEN.join([arrival.topic for arrival in arrivals])
        topics = names.encode("utf-8", "surrogatepass")
        sizes = struct.pack(f"<{len(payloads)}I", *map(len, payloads))
        entry = b"".join([sizes, topics, *payloads])
        end = _HEAD.size + len(entry)
        # The head last, so that it never speaks of what is not there yet.
        self.leave()
        if end > SIZE_BYTES or (len(payloads) > 1 and names.count(_BETWEEN) >= len(payloads)):
            return False
        self._map[_HEAD.size : end] = entry
        _HEAD.pack_into(self._map, 0, len(payloads), len(topics), len(entry) - len(sizes) - len(topics))
        return True

    def leave(self) -> None:
        """They have been read, or refused: whatever happens now is not their doing."""
        self._map[: _HEAD.size] = _NOTHING

    def close(self) -> None:
        """Give the file back."""
        self._map.close()
