"""Heads of the chain, noted outside the database: who can cut the chain's end cannot make these agree.

One JSON object a line, appended and never rewritten, and signed with a key that is derived from the audit's.
"""

import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fleet.errors import AnchorFileError
from store.settings import PREFIX, Settings

FILE_NAME: Final = "audit-anchors.jsonl"
# Longer than any line.
TAIL_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head of the chain, and when it was seen."""

    at: str
    seal_no: int
    seal: str

    def signature(self, key: bytes) -> str:
        """Of a line, with the audit's *key*."""
        text = f"{self.at} {self.seal_no} {self.seal}"
        return hmac.digest(hmac.digest(key, b"anchors", "sha256"), text.encode(), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Noted:
    """What a file holds: its anchors, the numbers of lines that we did not write, and how many were torn by a crash."""

    anchors: list[Anchor] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)
    torn: int = 0


def file_of(settings: Settings) -> Path:
    """Where the anchors of an installation are."""
    return settings.audit_anchor_file or settings.data_dir / FILE_NAME


def read(file: Path, key: bytes) -> Noted:
    """The anchors in *file*; none where there is no file. Raises AnchorFileError when it cannot be read."""
    noted = Noted()
    torn = 0
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                anchor, is_torn = _parse(line, key)
                if anchor is not None:
                    noted.anchors.append(anchor)
                elif is_torn:
                    torn += 1
                elif line.strip():
                    noted.foreign.append(number)
    except FileNotFoundError:
        return noted
    except OSError as error:
        raise _unusable(file, error) from error
    return Noted(noted.anchors, noted.foreign, torn)


def append(file: Path, key: bytes, seal_no: int, seal: bytes) -> bool:
    """Whether the head was noted, and is on the disk; False where it is what the file says already.

    Any number of processes may do this at once. Raises AnchorFileError when the file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        is_new = not file.exists()
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            tail = _tail(descriptor)
            last = tail.rstrip(b"\n").rpartition(b"\n")[2]
            known, _ = _parse(last + b"\n", key)
            if known is not None and (known.seal_no, known.seal) == (seal_no, seal.hex()):
                return False
            # In one write, so that lines of two processes never mix; a torn line before it stays alone.
            line = b"\n" * (tail[-1:] not in (b"", b"\n")) + _line(seal_no, seal, key)
            if os.write(descriptor, line) != len(line):
                raise OSError(None, "the disk is full")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(file.parent)
    except OSError as error:
        raise _unusable(file, error) from error
    return True


def _line(seal_no: int, seal: bytes, key: bytes) -> bytes:
    anchor = Anchor(datetime.now(UTC).isoformat(timespec="seconds"), seal_no, seal.hex())
    told = {"at": anchor.at, "seal_no": seal_no, "seal": anchor.seal, "signature": anchor.signature(key)}
    return json.dumps(told).encode() + b"\n"


def _parse(line: bytes, key: bytes) -> tuple[Anchor | None, bool]:
    """The anchor of a line, or whether it is only the beginning of one."""
    if not line.endswith(b"}\n"):
        return None, bool(line.strip()) and line.startswith(b"{")
    try:
        told: Any = json.loads(line)
        anchor = Anchor(str(told["at"]), int(told["seal_no"]), str(told["seal"]))
        is_ours = hmac.compare_digest(str(told["signature"]).encode(), anchor.signature(key).encode())
    except (ValueError, KeyError, TypeError):
        return None, False
    return (anchor if is_ours else None), False


def _tail(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, TAIL_BYTES, max(0, size - TAIL_BYTES))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(file: Path, error: OSError) -> AnchorFileError:
    return AnchorFileError(
        f"the anchor file {file} cannot be used: {error.strerror}. Mend it, or set {PREFIX}AUDIT_ANCHOR_FILE: "
        f"without it nobody notices when the end of the audit is cut off."
    )


class Comparison:
    """Anchors against the chain, while its seals pass by in their order."""

    def __init__(self, anchors: list[Anchor]) -> None:
        self._waiting = iter(sorted(anchors, key=lambda anchor: anchor.seal_no))
        self._next = next(self._waiting, None)
        self.differing: list[Anchor] = []
        self.beyond: list[Anchor] = []

    def see(self, seal_no: int, seal: bytes) -> None:
        """Compare with every anchor of this number; what was anchored before it and did not pass by is missing."""
        while self._next is not None and self._next.seal_no <= seal_no:
            if self._next.seal_no == seal_no and self._next.seal != seal.hex():
                self.differing.append(self._next)
            self._next = next(self._waiting, None)

    def end(self) -> None:
        """The chain is over: what still waits lies beyond it."""
        self.beyond += self._rest()

    def _rest(self) -> Iterator[Anchor]:
        while self._next is not None:
            yield self._next
            self._next = next(self._waiting, None)
