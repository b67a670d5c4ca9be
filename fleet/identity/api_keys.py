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
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError
from fleet.identity.names import MAKE_ALONE, is_taken_by_key, is_taken_by_user
from fleet.identity.roles import ANONYMOUS, ROLES, Role
from fleet.identity.scope import EVERYWHERE, Scope, require_for, require_known

_ALPHABET: Final = string.ascii_lowercase + string.digits
_FORM: Final = re.compile(r"tf_([a-z0-9]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
_NAME: Final = re.compile(r"\S(.{0,62}\S)?")

COLUMNS: Final = """
k.key_id, k.name, o.name AS owner, k.roles, k.regions, k.sites, k.created_at, k.expires_at, k.revoked_at, k.replaces,
u.last_used_at
"""
_FROM: Final = "api_keys AS k LEFT JOIN api_key_uses AS u USING (key_id) LEFT JOIN users AS o ON o.user_id = k.owner_id"
INSERT: Final = """
INSERT INTO api_keys (key_id, name, secret_sha256, owner_id, roles, regions, sites, created_at, expires_at, replaces)
VALUES (%(key_id)s, %(name)s, %(secret_sha256)s, %(owner_id)s, %(roles)s, %(regions)s, %(sites)s, %(created_at)s,
        %(expires_at)s, %(replaces)s)
"""
OWNER: Final = "SELECT user_id FROM users WHERE name = %(name)s AND disabled_at IS NULL"
REVOKE: Final = "UPDATE api_keys SET revoked_at = now() WHERE key_id = %(key_id)s AND revoked_at IS NULL"
END_BY: Final = """
UPDATE api_keys SET expires_at = least(expires_at, %(ends_at)s) WHERE key_id = %(key_id)s
"""
# Locked: of two who rotate it at once, the second sees that it was done.
TAKE: Final = "SELECT owner_id FROM api_keys WHERE key_id = %(key_id)s FOR UPDATE"
REPLACED: Final = "SELECT key_id FROM api_keys WHERE replaces = %(key_id)s AND revoked_at IS NULL"
LIST: Final = f"SELECT {COLUMNS} FROM {_FROM} ORDER BY k.created_at, k.key_id"  # noqa: S608 - constants in a constant
ONE: Final = f"SELECT {COLUMNS} FROM {_FROM} WHERE k.key_id = %(key_id)s"  # noqa: S608 - as above
NOTE_USE: Final = """
INSERT INTO api_key_uses (key_id, last_used_at) SELECT key_id, %(at)s FROM api_keys WHERE key_id = %(key_id)s
ON CONFLICT (key_id) DO UPDATE SET last_used_at = greatest(api_key_uses.last_used_at, excluded.last_used_at)
"""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; never its secret."""

    key_id: str
    name: str
    owner: str | None
    roles: tuple[Role, ...]
    regions: tuple[str, ...] | None
    sites: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None
    last_used_at: datetime | None

    def __post_init__(self) -> None:
        # The driver gives lists.
        for name in ("roles", "regions", "sites"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Whether it opens anything at *now*."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


def make(
    connection: Connection[Any],
    name: str,
    roles: Sequence[Role],
    *,
    owner: str | None = None,
    scope: Scope = EVERYWHERE,
    expires_in: timedelta | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, which nobody can tell again.

    Raises RefusedError for a name that is none or is taken by a valid key or, of a key that is nobody's, by a user; for
    no role; for a scope that cannot be. UnknownEntryError for an owner who is no user.
    """
    if not _NAME.fullmatch(name) or not name.isprintable() or name.lower() == ANONYMOUS:
        raise RefusedError(f"a key cannot be called {name!r}: give it 1 to 64 printable characters, not {ANONYMOUS!r}.")
    if not roles:
        raise RefusedError(f"a key needs a role, one or several of: {', '.join(ROLES)}.")
    require_for(roles, scope)
    require_known(connection, scope)
    connection.execute(MAKE_ALONE)
    if is_taken_by_key(connection, name):
        raise RefusedError(f"a valid key is called {name!r} already. Revoke it first, or choose another name.")
    owner_id = None if owner is None else _owner(connection, owner)
    if owner_id is None and is_taken_by_user(connection, name):
        raise RefusedError(f"{name!r} is a user, in whose name only a key of his own may act: give the owner, too.")
    expires_at = None if expires_in is None else datetime.now(UTC) + expires_in
    return _insert(connection, name, roles, scope, owner_id=owner_id, expires_at=expires_at, replaces=None)


def rotate(
    connection: Connection[Any], key_id: str, *, overlap: timedelta, expires_in: timedelta | None = None
) -> tuple[ApiKey, str]:
    """A key that takes the place of a valid one, with its name, owner, roles and scope; the old one ends in *overlap*.

    Unless told, the new one lives as long as the old one was meant to, from now on. Raises UnknownEntryError;
    RefusedError for a key that is valid no more, or was rotated already.
    """
    connection.execute(MAKE_ALONE)
    taken = connection.execute(TAKE, {"key_id": key_id}).fetchone()
    old, now = one(connection, key_id), datetime.now(UTC)
    if old.state(now) != "valid":
        raise RefusedError(f"the key {key_id} is {old.state(now)}: make another with `tracefleet keys create`.")
    replaced = connection.execute(REPLACED, {"key_id": key_id}).fetchone()
    if replaced is not None:
        raise RefusedError(f"the key {key_id} was rotated already: rotate or revoke {replaced[0]}.")
    lives = expires_in or (None if old.expires_at is None else old.expires_at - old.created_at)
    made = _insert(
        connection,
        old.name,
        old.roles,
        Scope(old.regions, old.sites),
        owner_id=taken[0] if taken else None,
        expires_at=None if lives is None else now + lives,
        replaces=key_id,
    )
    connection.execute(END_BY, {"key_id": key_id, "ends_at": now + overlap})
    return made


def revoke(connection: Connection[Any], key_id: str) -> ApiKey:
    """The key, revoked; every API process refuses it within seconds. Raises UnknownEntryError."""
    connection.execute(REVOKE, {"key_id": key_id})
    return one(connection, key_id)


def listed(connection: Connection[Any]) -> list[ApiKey]:
    """All keys, the oldest first."""
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(LIST).fetchall()


def one(connection: Connection[Any], key_id: str) -> ApiKey:
    """The key of that id. Raises UnknownEntryError."""
    with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        found = cursor.execute(ONE, {"key_id": key_id}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no key has the id {key_id!r}: `tracefleet keys list` shows all.")
    return found


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


def _insert(
    connection: Connection[Any],
    name: str,
    roles: Sequence[Role],
    scope: Scope,
    *,
    owner_id: int | None,
    expires_at: datetime | None,
    replaces: str | None,
) -> tuple[ApiKey, str]:
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    row = {
        "key_id": key_id,
        "name": name,
        "secret_sha256": digest(secret),
        "owner_id": owner_id,
        "roles": list(dict.fromkeys(roles)),
        "regions": None if scope.regions is None else list(scope.regions),
        "sites": None if scope.sites is None else list(scope.sites),
        "created_at": datetime.now(UTC),
        "expires_at": expires_at,
        "replaces": replaces,
    }
    connection.execute(INSERT, row)
    return one(connection, key_id), f"tf_{key_id}_{secret}"


def _owner(connection: Connection[Any], owner: str) -> int:
    found = connection.execute(OWNER, {"name": owner}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no user is called {owner!r}, or he is disabled: `tracefleet users list` shows all.")
    return int(found[0])
