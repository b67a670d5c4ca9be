"""The keys of callers as a process knows them: looked up when shown, remembered for seconds, never a secret itself."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from psycopg.rows import DictRow

from api.database import Database
from api.notes import Notes
from api.problems import UNAUTHENTICATED, ProblemError
from fleet.identity.api_keys import is_secret_of, parse
from fleet.identity.roles import of_machines, roles_within
from fleet.identity.scope import Scope, scope_of

# How long a revoked key may still read something, and a machine's still send.
REMEMBER_SECONDS: Final = 2.0
REMEMBERED_MAX: Final = 1024

LOOK_UP: Final = """
SELECT k.key_id, k.name, k.secret_sha256, k.roles, k.regions, k.sites, k.expires_at, k.revoked_at, u.name AS owner,
       u.roles AS owner_roles, u.regions AS owner_regions, u.sites AS owner_sites, u.disabled_at AS owner_disabled_at
FROM api_keys AS k LEFT JOIN users AS u ON u.user_id = k.owner_id
WHERE k.key_id = %(key_id)s
"""

# Remembers that the key with this id was used at that time.
NoteUse = Callable[[str, datetime], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the database has it; of an owner, with no role and in no place that he has not himself."""

    key_id: str
    name: str
    owner: str | None
    secret_sha256: bytes
    roles: frozenset[str]
    scope: Scope
    expires_at: datetime | None
    revoked_at: datetime | None
    owner_disabled_at: datetime | None

    def refusal(self, now: datetime) -> str | None:
        """Why it opens nothing at *now*, or None."""
        if self.revoked_at is not None:
            return "It is revoked."
        if self.expires_at is not None and self.expires_at <= now:
            return "It is expired."
        return "Its owner is disabled." if self.owner_disabled_at is not None else None


class Keyring:
    """Keys that were shown lately. One for the process."""

    def __init__(self, database: Database, note_use: NoteUse, *, remember_seconds: float = REMEMBER_SECONDS) -> None:
        self._database = database
        self._note_use = note_use
        self._remember_seconds = remember_seconds
        self._known: OrderedDict[str, tuple[float, Key]] = OrderedDict()
        self._notes = Notes()

    async def key_of(self, text: str, *, anew: bool = False) -> Key:
        """The valid key of that text; *anew*, as the database has it now, unless it is a machine's.

        Machines send many times a second what one revoked key more or less does not decide. Raises ProblemError:
        unauthenticated, without saying what of the key was right, or what a read raises.
        """
        parts = parse(text)
        if parts is None:
            raise ProblemError(UNAUTHENTICATED, "It has not the form of a key.")
        key_id, secret = parts
        key = await self._look_up(key_id, anew=anew)
        if key is None or not is_secret_of(secret, key.secret_sha256):
            raise ProblemError(UNAUTHENTICATED, "No such key is known.")
        now = datetime.now(UTC)
        # Told only to who has the secret.
        if (refusal := key.refusal(now)) is not None:
            raise ProblemError(UNAUTHENTICATED, refusal)
        self._notes.note(key_id, lambda: self._note_use(key_id, now))
        return key

    async def close(self) -> None:
        """Let the notes that are under way end."""
        await self._notes.close()

    async def _look_up(self, key_id: str, *, anew: bool) -> Key | None:
        now = time.monotonic()
        known = self._known.get(key_id)
        if known is not None and now - known[0] < self._remember_seconds and (not anew or of_machines(known[1].roles)):
            return known[1]
        row = await self._database.fetch_one(LOOK_UP, {"key_id": key_id})
        if row is None:
            # Not remembered: whoever guesses shall not push out those who know.
            self._known.pop(key_id, None)
            return None
        key = _key_of(row)
        self._known[key_id] = now, key
        self._known.move_to_end(key_id)
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        return key


def _key_of(row: DictRow) -> Key:
    roles, scope = frozenset(row["roles"]), scope_of(row["regions"], row["sites"])
    if row["owner"] is not None:
        roles = roles_within(roles, frozenset(row["owner_roles"]))
        scope = scope.within(scope_of(row["owner_regions"], row["owner_sites"]))
    return Key(
        key_id=row["key_id"],
        name=row["name"],
        owner=row["owner"],
        secret_sha256=bytes(row["secret_sha256"]),
        roles=roles,
        scope=scope,
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        owner_disabled_at=row["owner_disabled_at"],
    )


@asynccontextmanager
async def connect(database: Database, note_use: NoteUse) -> AsyncIterator[Keyring]:
    """A keyring over *database*; what it has still to note is noted at the end."""
    keyring = Keyring(database, note_use)
    try:
        yield keyring
    finally:
        await keyring.close()
