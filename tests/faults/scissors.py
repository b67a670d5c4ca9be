"""A proxy before PostgreSQL that knows enough of its protocol to cut a connection in the worst places."""

import random
import threading
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.faults.proxy import Proxy, Wire

Place = Literal["in_copy", "before_commit", "after_commit_sent", "before_commit_answered"]

# Requests without a type byte: TLS and GSS, each answered by one byte; anything else starts the session.
_KNOCKS: Final = (80_877_103, 80_877_104)
COMMITTED: Final = b"C\x00\x00\x00\x0bCOMMIT\x00"
HEAD_BYTES: Final = 5


@dataclass(slots=True)
class _Talk:
    """What one client has said, as far as it is not a whole message yet."""

    buffer: bytearray = field(default_factory=bytearray)
    started: bool = False
    # A COMMIT of the extended protocol was said; it is carried out at the next Sync.
    commits: bool = False
    named: set[bytes] = field(default_factory=set)
    # What the server says after a COMMIT whose answer must not arrive.
    swallowed: bytearray | None = None


class Scissors(Proxy):
    """Carries connections, and cuts the next one that comes to the place it was armed for."""

    def __init__(self, port: int, *, seed: int) -> None:
        super().__init__(port, seed=seed)
        self.cuts = 0
        self._choice = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._place: Place | None = None
        self._pieces = 0
        self._talks: dict[int, _Talk] = {}
        self._done = threading.Event()

    def cut_next(self, place: Place, *, seconds: float) -> bool:
        """Cut at the next *place*; whether one came within *seconds*."""
        self._done.clear()
        # Inside the data of a COPY: sometimes the first piece, sometimes a later one.
        self._pieces = self._choice.randrange(3)
        self._place = place
        return self._done.wait(seconds)

    async def on_client(self, wire: Wire, data: bytes) -> None:
        """Forward message by message, so that a cut is between two or inside one, as wanted."""
        talk = self._talks.setdefault(wire.number, _Talk())
        talk.buffer += data
        whole = bytearray()
        while (size := _size(talk)) is not None and not wire.is_cut:
            message = bytes(talk.buffer[:size])
            del talk.buffer[:size]
            kept = self._kept(talk, message)
            whole += message[:kept]
            if self._place is None or (kept == len(message) and not self._is_said(talk, message)):
                continue
            await self.forward(wire, wire.server, bytes(whole))
            whole.clear()
            self._act(wire, talk)
        if whole and not wire.is_cut:
            await self.forward(wire, wire.server, bytes(whole))

    async def on_server(self, wire: Wire, data: bytes) -> None:
        """Forward, unless it is the answer that must not arrive."""
        talk = self._talks.setdefault(wire.number, _Talk())
        if talk.swallowed is None:
            await super().on_server(wire, data)
            return
        talk.swallowed += data
        if COMMITTED in talk.swallowed:
            self._cut(wire)

    def on_end(self, wire: Wire) -> None:
        """Nothing more will be said."""
        talk = self._talks.pop(wire.number, None)
        if talk is not None and talk.swallowed is not None and not wire.is_cut:
            # The server refused the COMMIT: no cut, and the test shall say so rather than wait.
            self._place = None

    def _kept(self, talk: _Talk, message: bytes) -> int:
        """How much of *message* is forwarded before a cut; all of it where none is due."""
        if not talk.started:
            talk.started = int.from_bytes(message[4:8], "big") not in _KNOCKS
            return len(message)
        if self._place == "in_copy" and message[:1] == b"d":
            self._pieces -= 1
            if self._pieces < 0:
                return self._choice.randrange(1, len(message))
            # A small batch is one piece: then the next batch's is cut.
        if self._place == "before_commit" and _says_commit(talk, message):
            return 0
        return len(message)

    def _is_said(self, talk: _Talk, message: bytes) -> bool:
        """Whether with *message* the server has been told to commit."""
        if self._place not in ("after_commit_sent", "before_commit_answered"):
            return False
        if _says_commit(talk, message):
            if message[:1] == b"Q":
                return True
            talk.commits = True
        said = talk.commits and message[:1] == b"S"
        talk.commits &= not said
        return said

    def _act(self, wire: Wire, talk: _Talk) -> None:
        if self._place == "before_commit_answered":
            self._place = None
            talk.swallowed = bytearray()
        else:
            self._cut(wire)

    def _cut(self, wire: Wire) -> None:
        self._place = None
        self.cuts += 1
        wire.cut(reset=self._choice.random() < 0.5)
        self._done.set()


def _size(talk: _Talk) -> int | None:
    """How long the first message in the buffer is; None while it is not whole."""
    head = HEAD_BYTES if talk.started else 4
    if len(talk.buffer) < head:
        return None
    size = int.from_bytes(talk.buffer[head - 4 : head], "big") + head - 4
    return size if len(talk.buffer) >= size else None


def _says_commit(talk: _Talk, message: bytes) -> bool:
    """Whether *message* is a COMMIT: as a query, parsed, or by the name it was prepared under."""
    kind, body = message[:1], message[HEAD_BYTES:]
    if kind == b"Q":
        return body.upper().startswith(b"COMMIT")
    if kind == b"P":
        name, text = body.split(b"\0")[:2]
        if is_commit := text.upper().startswith(b"COMMIT"):
            talk.named.add(name)
        else:
            talk.named.discard(name)
        return is_commit
    return kind == b"B" and body.split(b"\0")[1] in talk.named
