"""People who log in: made, changed, disabled and given passwords within :func:`fleet.acting.acting`; never deleted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError
from fleet.identity import passwords
from fleet.identity.names import MAKE_ALONE, as_meant, is_taken_by_program, is_taken_by_user
from fleet.identity.roles import ADMIN, ANONYMOUS, PEOPLE, Role
from fleet.identity.scope import EVERYWHERE, Scope, require_for, require_known, scope_of

# The one that the first start makes.
FIRST: Final = "admin"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}", re.ASCII)
_DISPLAY_NAME: Final = re.compile(r"(\S(.{0,62}\S)?)?")

COLUMNS: Final = """
u.user_id, u.name, u.display_name, u.roles, u.regions, u.sites, u.created_at, u.created_by, u.disabled_at,
u.must_change, u.password_expires_at, u.password_changed_at,
(SELECT max(s.created_at) FROM sessions AS s WHERE s.user_id = u.user_id) AS last_login_at
"""
INSERT: Final = """
INSERT INTO users (name, display_name, roles, regions, sites, must_change, password_expires_at)
VALUES (%(name)s, %(display_name)s, %(roles)s, %(regions)s, %(sites)s, true, now() + %(lasts)s::interval)
RETURNING user_id
"""
AMEND: Final = """
UPDATE users SET display_name = %(display_name)s, roles = %(roles)s, regions = %(regions)s, sites = %(sites)s,
    disabled_at = CASE WHEN %(disabled)s::bool THEN coalesce(disabled_at, now()) END
WHERE user_id = %(user_id)s
"""
EXPIRE: Final = """
UPDATE users SET must_change = true, password_expires_at = now() + %(lasts)s::interval WHERE user_id = %(user_id)s
"""
SETTLE: Final = "UPDATE users SET must_change = false, password_expires_at = NULL WHERE user_id = %(user_id)s"
SET_HASH: Final = """
INSERT INTO user_passwords (user_id, password_hash) VALUES (%(user_id)s, %(password_hash)s)
ON CONFLICT (user_id) DO UPDATE SET password_hash = excluded.password_hash
"""
# Of the one that was proved alone: who was given another meanwhile, has that one.
REPLACE_HASH: Final = """
UPDATE user_passwords SET password_hash = %(password_hash)s
WHERE user_id = %(user_id)s AND password_hash = %(proved_hash)s
"""
LOCK: Final = "SELECT FROM users WHERE user_id = %(user_id)s FOR NO KEY UPDATE"
LIST: Final = f"SELECT {COLUMNS} FROM users AS u ORDER BY u.name"  # noqa: S608 - a constant in a constant
ONE: Final = f"SELECT {COLUMNS} FROM users AS u WHERE u.name = %(name)s"  # noqa: S608 - as above
ANY: Final = "SELECT EXISTS (SELECT FROM users)"
OTHER_ADMINS: Final = """
SELECT EXISTS (SELECT FROM users WHERE user_id <> %(user_id)s AND disabled_at IS NULL AND 'admin' = ANY (roles))
"""
FOR_LOGIN: Final = """
SELECT u.user_id, u.name, u.disabled_at IS NOT NULL AS is_disabled,
       coalesce(u.password_expires_at <= now(), false) AS is_expired, p.password_hash
FROM users AS u JOIN user_passwords AS p USING (user_id) WHERE u.name = %(name)s
"""


@dataclass(frozen=True, slots=True)
class User:
    """What is known of somebody; never the password."""

    user_id: int
    name: str
    display_name: str
    roles: tuple[Role, ...]
    regions: tuple[str, ...] | None
    sites: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    disabled_at: datetime | None
    must_change: bool
    password_expires_at: datetime | None
    password_changed_at: datetime | None
    last_login_at: datetime | None

    def __post_init__(self) -> None:
        # The driver gives lists.
        for name in ("roles", "regions", "sites"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    @property
    def scope(self) -> Scope:
        """Where the roles count."""
        return scope_of(self.regions, self.sites)

    def state(self, now: datetime) -> Literal["active", "one-time password", "expired", "disabled"]:
        """How things stand at *now*."""
        if self.disabled_at is not None:
            return "disabled"
        if not self.must_change:
            return "active"
        is_over = self.password_expires_at is not None and self.password_expires_at <= now
        return "expired" if is_over else "one-time password"


@dataclass(frozen=True, slots=True)
class Account:
    """What a log-in is compared with."""

    user_id: int
    name: str
    is_disabled: bool
    is_expired: bool
    password_hash: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed of somebody; None leaves it as it is."""

    display_name: str | None = None
    roles: Sequence[Role] | None = None
    scope: Scope | None = None
    disabled: bool | None = None


def make(
    connection: Connection[Any],
    name: str,
    roles: Sequence[Role],
    *,
    display_name: str = "",
    scope: Scope = EVERYWHERE,
) -> tuple[User, str]:
    """A new user and the one-time password. Raises RefusedError for what cannot be, or a name that is taken."""
    if not _NAME.fullmatch(name) or name == ANONYMOUS:
        raise RefusedError(
            f"nobody can be called {name!r}: 1 to 63 small letters, digits, dots, dashes, underlines and @, beginning "
            f"with a letter or digit, and not {ANONYMOUS!r}. The display name takes any script."
        )
    _require_sound(roles, scope, display_name)
    require_known(connection, scope)
    password = passwords.one_time()
    password_hash = passwords.hash_of(password)
    connection.execute(MAKE_ALONE)
    if is_taken_by_user(connection, name):
        raise RefusedError(f"{name!r} is somebody already; names are never given twice.")
    if is_taken_by_program(connection, name):
        raise RefusedError(f"a valid key that is nobody's is called {name!r}: revoke it first, or choose another name.")
    row = {"name": name, "lasts": passwords.ONE_TIME_LASTS, **_columns(display_name, roles, scope)}
    made = connection.execute(INSERT, row).fetchone()
    if made is None:
        raise AssertionError("an insert returns its row")
    connection.execute(SET_HASH, {"user_id": made[0], "password_hash": password_hash})
    return one(connection, name), password


def make_first(connection: Connection[Any]) -> str | None:
    """The one-time password of the first user, an admin; None when there are users already.

    Of several processes that start at once, one makes it.
    """
    connection.execute(MAKE_ALONE)
    if there_are_users(connection):
        return None
    return make(connection, FIRST, [ADMIN])[1]


def there_are_users(connection: Connection[Any]) -> bool:
    """Whether anybody could ever log in."""
    return _is(connection, ANY, {})


def amend(connection: Connection[Any], name: str, change: Change) -> User:
    """The user as changed; one who is disabled is logged out. Raises UnknownEntryError, RefusedError.

    The last administrator stays one: nobody could let him in again over HTTP.
    """
    connection.execute(MAKE_ALONE)
    before = one(connection, name)
    roles = before.roles if change.roles is None else tuple(change.roles)
    scope = before.scope if change.scope is None else change.scope
    display_name = before.display_name if change.display_name is None else change.display_name
    disabled = before.disabled_at is not None if change.disabled is None else change.disabled
    _require_sound(roles, scope, display_name)
    if change.scope is not None:
        # Where he was before may have left the ledger since; that is no reason not to disable him.
        require_known(connection, scope)
    was_admin = ADMIN in before.roles and before.disabled_at is None
    stays_admin = ADMIN in roles and not disabled
    if was_admin and not stays_admin and not _is(connection, OTHER_ADMINS, {"user_id": before.user_id}):
        raise RefusedError(f"{name} is the last administrator: make somebody else one first.")
    row = {"user_id": before.user_id, "disabled": disabled, **_columns(display_name, roles, scope)}
    connection.execute(AMEND, row)
    return one(connection, name)


def reset(connection: Connection[Any], name: str) -> tuple[User, str]:
    """The user and a new one-time password; all his sessions end. Raises UnknownEntryError, RefusedError."""
    user = one(connection, name)
    if user.disabled_at is not None:
        raise RefusedError(f"{name} is disabled: enable him first.")
    password = passwords.one_time()
    password_hash = passwords.hash_of(password)
    connection.execute(EXPIRE, {"user_id": user.user_id, "lasts": passwords.ONE_TIME_LASTS})
    connection.execute(SET_HASH, {"user_id": user.user_id, "password_hash": password_hash})
    return one(connection, name), password


def set_password(connection: Connection[Any], proved: Account, password_hash: str) -> None:
    """Keep the hash of a password that somebody chose himself, who *proved* the one before; all his sessions end.

    Raises RefusedError when that one is his no more: what an administrator reset meanwhile stays reset.
    """
    # The user first, as whoever logs in does: two that lock the same in another order would wait for each other.
    connection.execute(SETTLE, {"user_id": proved.user_id})
    if not _replace_hash(connection, proved, password_hash):
        raise RefusedError("the password was set by somebody else at this very moment: log in with that one.")


def renew_hash(connection: Connection[Any], proved: Account, password_hash: str) -> None:
    """Keep the same password by the parameters of today, unless it is another by now; all sessions end."""
    connection.execute(LOCK, {"user_id": proved.user_id})
    _replace_hash(connection, proved, password_hash)


def _replace_hash(connection: Connection[Any], proved: Account, password_hash: str) -> bool:
    row = {"user_id": proved.user_id, "proved_hash": proved.password_hash, "password_hash": password_hash}
    return connection.execute(REPLACE_HASH, row).rowcount > 0


def account(connection: Connection[Any], name: str) -> Account | None:
    """What a log-in as *name* is compared with, if anybody is called so."""
    with connection.cursor(row_factory=class_row(Account)) as cursor:
        return cursor.execute(FOR_LOGIN, {"name": as_meant(name)}).fetchone()


def listed(connection: Connection[Any]) -> list[User]:
    """Everybody, by name."""
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(LIST).fetchall()


def one(connection: Connection[Any], name: str) -> User:
    """The user of that name. Raises UnknownEntryError."""
    with connection.cursor(row_factory=class_row(User)) as cursor:
        found = cursor.execute(ONE, {"name": name}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no user is called {name!r}: `tracefleet users list` shows all.")
    return found


def _require_sound(roles: Sequence[Role], scope: Scope, display_name: str) -> None:
    if not roles or not set(roles) <= set(PEOPLE):
        raise RefusedError(f"a user has one or several of the roles {', '.join(PEOPLE)}; programs have keys.")
    if not _DISPLAY_NAME.fullmatch(display_name) or not display_name.isprintable():
        raise RefusedError("a display name has at most 64 printable characters, on one line.")
    require_for(roles, scope)


def _columns(display_name: str, roles: Sequence[Role], scope: Scope) -> dict[str, object]:
    return {
        "display_name": display_name,
        "roles": list(dict.fromkeys(roles)),
        "regions": None if scope.regions is None else list(scope.regions),
        "sites": None if scope.sites is None else list(scope.sites),
    }


def _is(connection: Connection[Any], query: str, parameters: dict[str, object]) -> bool:
    return connection.execute(query.encode(), parameters).fetchone() == (True,)
