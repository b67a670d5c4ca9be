"""Who is logged in, as the database has it at each request: what a session may is never older than its question."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from api.database import Database
from api.notes import Notes
from fleet.identity.scope import Scope, scope_of
from fleet.identity.secret import digest
from store.settings import Settings

LOOK_UP: Final = """
SELECT u.name, u.roles, u.regions, u.sites, u.must_change
FROM sessions AS s JOIN users AS u USING (user_id)
WHERE s.token_sha256 = %(token_sha256)s AND s.revoked_at IS NULL AND s.expires_at > now()
  AND s.last_seen_at > now() - %(idle)s::interval AND u.disabled_at IS NULL
  AND (u.password_expires_at IS NULL OR u.password_expires_at > now())
"""

# Remembers that the session of this token was used.
NoteVisit = Callable[[bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Visit:
    """A session that is good, and whose it is."""

    token_sha256: bytes
    name: str
    roles: frozenset[str]
    scope: Scope
    must_change: bool


class Visits:
    """The sessions of browsers. One for the process, which keeps none of them in mind."""

    def __init__(self, database: Database, note_visit: NoteVisit, *, idle: timedelta) -> None:
        self._database = database
        self._note_visit = note_visit
        self._idle = idle
        self._notes = Notes()

    async def of(self, token: str) -> Visit | None:
        """The session of *token*, or None when there is none that is good. Raises ProblemError as a read does."""
        token_sha256 = digest(token)
        row = await self._database.fetch_one(LOOK_UP, {"token_sha256": token_sha256, "idle": self._idle})
        if row is None:
            return None
        self._notes.note(token_sha256, lambda: self._note_visit(token_sha256))
        return Visit(
            token_sha256,
            row["name"],
            frozenset(row["roles"]),
            scope_of(row["regions"], row["sites"]),
            row["must_change"],
        )

    async def close(self) -> None:
        """Let the notes that are under way end."""
        await self._notes.close()


@asynccontextmanager
async def connect(database: Database, note_visit: NoteVisit, settings: Settings) -> AsyncIterator[Visits]:
    """The visits over *database*; what is still to be noted is noted at the end."""
    visits = Visits(database, note_visit, idle=timedelta(minutes=settings.session_idle_minutes))
    try:
        yield visits
    finally:
        await visits.close()
