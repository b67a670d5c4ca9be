"""Keys of those who call the API: ``tf_<key id>_<secret>``, told once; of the secret only a SHA-256 is kept.

It is 32 random bytes, so a slow hash would add nothing. Make and revoke within :func:`fleet.acting.acting`.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError

Role = Literal["viewer", "operator", "fleet_admin", "approver", "auditor", "admin", "broker"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
# The name of whoever shows no key: a key of that name could hide among them.
ANONYMOUS: Final = "anonymous"
_ALPHABET: Final = string.ascii_lowercase + string.digits
_FORM: Final = re.compile(r"tf_([a-z0-9]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
_NAME: Final = re.compile(r"\S(.{0,62}\S)?")

COLUMNS: Final = "k.key_id, k.name, k.roles, k.created_at, k.expires_at, k.revoked_at, u.last_used_at"
INSERT: Final = """
INSERT INTO api_keys (key_id, name, secret_sha256, roles, created_at, expires_at)
VALUES (%(key_id)s, %(name)s, %(secret_sha256)s, %(roles)s, %(created_at)s, %(expires_at)s)
"""
NAMESAKE: Final = """
SELECT key_id FROM api_keys
WHERE name = %(name)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
REVOKE: Final = "UPDATE api_keys SET revoked_at = now() WHERE key_id = %(key_id)s AND revoked_at IS NULL"
LIST: Final = f"SELECT {COLUMNS} FROM api_keys AS k LEFT JOIN api_key_uses AS u USING (key_id) ORDER BY k.created_at"  # noqa: S608 - a constant in a constant
ONE: Final = f"""
SELECT {COLUMNS} FROM api_keys AS k LEFT JOIN api_key_uses AS u USING (key_id) WHERE k.key_id = %(key_id)s
"""  # noqa: S608 - as above
NOTE_USE: Final = """
INSERT INTO api_key_uses (key_id, last_used_at) SELECT key_id, %(at)s FROM api_keys WHERE key_id = %(key_id)s
ON CONFLICT (key_id) DO UPDATE SET last_used_at = greatest(api_key_uses.last_used_at, excluded.last_used_at)
"""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; never its secret."""

    key_id: str
    name: str
    roles: tuple[Role, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def __post_init__(self) -> None:
        # The driver gives a list.
        object.__setattr__(self, "roles", tuple(self.roles))

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Whether it opens anything at *now*."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


def make(
    connection: Connection[Any], name: str, roles: Sequence[Role], *, expires_in: timedelta | None = None
) -> tuple[ApiKey, str]:
    """A new key and its text, which nobody can tell again.

    Raises RefusedError for a name that is none, is taken by a key that is valid, or no role.
    """
    if not _NAME.fullmatch(name) or not name.isprintable() or name == ANONYMOUS:
        raise RefusedError(f"a key cannot be called {name!r}: give it 1 to 64 printable characters, not {ANONYMOUS!r}.")
    if not roles:
        raise RefusedError(f"a key needs a role, one or several of: {', '.join(ROLES)}.")
    if connection.execute(NAMESAKE, {"name": name}).fetchone() is not None:
        raise RefusedError(f"a valid key is called {name!r} already. Revoke it first, or choose another name.")
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    row = {
        "key_id": key_id,
        "name": name,
        "secret_sha256": digest(secret),
        "roles": list(dict.fromkeys(roles)),
        "created_at": now,
        "expires_at": None if expires_in is None else now + expires_in,
    }
    connection.execute(INSERT, row)
    return _one(connection, key_id), f"tf_{key_id}_{secret}"


def revoke(connection: Connection[Any], key_id: str) -> ApiKey:
    """The key, revoked; every API process refuses it within seconds. Raises UnknownEntryError."""
    connection.execute(REVOKE, {"key_id": key_id})
    return _one(connection, key_id)


def listed(connection: Connection[Any]) -> list[ApiKey]:
    """All keys, the oldest first."""
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(LIST).fetchall()


def note_use(connection: Connection[Any], key_id: str, at: datetime) -> None:
    """Remember that the key was used. No change of the ledger, so apart from it and from the audit."""
    connection.execute(NOTE_USE, {"key_id": key_id, "at": at})


def parse(text: str) -> tuple[str, str] | None:
    """The key id and the secret in the text of a key; None when it is none."""
    match = _FORM.fullmatch(text)
    return (match[1], match[2]) if match else None


def digest(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret_of(secret: str, secret_sha256: bytes) -> bool:
    """Whether that digest is of this secret, in a time that tells nothing."""
    return hmac.compare_digest(digest(secret), secret_sha256)


def _one(connection: Connection[Any], key_id: str) -> ApiKey:
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        found = cursor.execute(ONE, {"key_id": key_id}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no key has the id {key_id!r}: `tracefleet keys list` shows all.")
    return found
