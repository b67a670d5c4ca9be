"""The keys of callers as a process knows them: looked up when shown, remembered for seconds, never a secret itself."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from api.database import Database
from api.problems import UNAUTHENTICATED, ProblemError
from fleet.identity.api_keys import is_secret_of, parse

# How long a revoked key may still open something.
REMEMBER_SECONDS: Final = 2.0
REMEMBERED_MAX: Final = 1024
# The last use is for people who look for keys that nobody needs: a minute is exact enough.
NOTE_SECONDS: Final = 60.0

LOOK_UP: Final = """
SELECT key_id, name, secret_sha256, roles, expires_at, revoked_at FROM api_keys WHERE key_id = %(key_id)s
"""

# Remembers that the key with this id was used at that time.
NoteUse = Callable[[str, datetime], Awaitable[object]]
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the database has it."""

    key_id: str
    name: str
    secret_sha256: bytes
    roles: frozenset[str]
    expires_at: datetime | None
    revoked_at: datetime | None


class Keyring:
    """Keys that were shown lately. One for the process."""

    def __init__(self, database: Database, note_use: NoteUse, *, remember_seconds: float = REMEMBER_SECONDS) -> None:
        self._database = database
        self._note_use = note_use
        self._remember_seconds = remember_seconds
        self._known: OrderedDict[str, tuple[float, Key]] = OrderedDict()
        self._noted: OrderedDict[str, float] = OrderedDict()
        self._notes: set[asyncio.Task[None]] = set()

    async def key_of(self, text: str) -> Key:
        """The valid key of that text.

        Raises ProblemError: unauthenticated, without saying what of the key was right, or what a read raises.
        """
        parts = parse(text)
        if parts is None:
            raise ProblemError(UNAUTHENTICATED, "It has not the form of a key.")
        key_id, secret = parts
        key = await self._look_up(key_id)
        if key is None or not is_secret_of(secret, key.secret_sha256):
            raise ProblemError(UNAUTHENTICATED, "No such key is known.")
        # Told only to who has the secret.
        if key.revoked_at is not None:
            raise ProblemError(UNAUTHENTICATED, "It is revoked.")
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise ProblemError(UNAUTHENTICATED, "It is expired.")
        self._note(key_id)
        return key

    async def close(self) -> None:
        """Let the notes that are under way end."""
        if self._notes:
            await asyncio.wait(self._notes, timeout=1)

    async def _look_up(self, key_id: str) -> Key | None:
        now = time.monotonic()
        known = self._known.get(key_id)
        if known is not None and now - known[0] < self._remember_seconds:
            return known[1]
        row = await self._database.fetch_one(LOOK_UP, {"key_id": key_id})
        if row is None:
            # Not remembered: whoever guesses shall not push out those who know.
            self._known.pop(key_id, None)
            return None
        key = Key(**row | {"secret_sha256": bytes(row["secret_sha256"]), "roles": frozenset(row["roles"])})
        _put(self._known, key_id, (now, key))
        return key

    def _note(self, key_id: str) -> None:
        now = time.monotonic()
        last = self._noted.get(key_id)
        if last is not None and now - last < NOTE_SECONDS:
            return
        _put(self._noted, key_id, now)
        task = asyncio.create_task(self._keep_note(key_id), name="note the use of a key")
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _keep_note(self, key_id: str) -> None:
        try:
            await self._note_use(key_id, datetime.now(UTC))
        except ProblemError:
            # The next use after the minute is noted; what ails the database is told by whoever needs it.
            return


def _put(entries: "OrderedDict[str, ValueT]", name: str, value: ValueT) -> None:
    entries[name] = value
    entries.move_to_end(name)
    if len(entries) > REMEMBERED_MAX:
        entries.popitem(last=False)


@asynccontextmanager
async def connect(database: Database, note_use: NoteUse) -> AsyncIterator[Keyring]:
    """A keyring over *database*; what it has still to note is noted at the end."""
    keyring = Keyring(database, note_use)
    try:
        yield keyring
    finally:
        await keyring.close()
