"""Which message is being read right now, in a file that outlives the process.

A file mapped into memory belongs to the kernel: what was written there last is there however the process ends. It costs
a copy of the message and no call, so it is kept for every message; only the loss of the machine loses it.
"""

import mmap
import struct
from os import SEEK_END
from pathlib import Path
from typing import Final

from ingest.arrival import Arrival

_HEAD: Final = struct.Struct("<II")
# What is longer is refused by its length, and nobody looks inside.
SIZE_BYTES: Final = 512 * 1024


class Journal:
    """One message at most: the one that was entered last, until somebody leaves."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            # Written, not only made long: on a full disk, writing into a hole of a mapped file ends the process.
            file.write(bytes(max(0, SIZE_BYTES - file.seek(0, SEEK_END))))
            file.flush()
            self._map = mmap.mmap(file.fileno(), SIZE_BYTES)

    def left_behind(self) -> tuple[str, bytes] | None:
        """Topic and payload of the message that was being read when the last process ended; None when none was."""
        topic_bytes, payload_bytes = _HEAD.unpack_from(self._map)
        middle = _HEAD.size + topic_bytes
        if not topic_bytes or middle + payload_bytes > SIZE_BYTES:
            return None
        try:
            topic = self._map[_HEAD.size : middle].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a machine that went down has written a part of it
            return None
        return topic, self._map[middle : middle + payload_bytes]

    def enter(self, arrival: Arrival) -> None:
        """*arrival* is about to be read."""
        topic = arrival.topic.encode("utf-8", "surrogatepass")
        end = _HEAD.size + len(topic) + len(arrival.payload)
        if end > SIZE_BYTES:
            self.leave()
            return
        # The head last, so that it never speaks of what is not there yet.
        _HEAD.pack_into(self._map, 0, 0, 0)
        self._map[_HEAD.size : end] = topic + arrival.payload
        _HEAD.pack_into(self._map, 0, len(topic), len(arrival.payload))

    def leave(self) -> None:
        """It has been read, or refused: whatever happens now is not its doing."""
        _HEAD.pack_into(self._map, 0, 0, 0)

    def close(self) -> None:
        """Give the file back."""
        self._map.close()
