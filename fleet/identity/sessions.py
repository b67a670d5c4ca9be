"""Sessions of people who logged in: a random token, told to the browser once; of it only a SHA-256 is kept.

They are no change of the ledger, so apart from the audit. What ends all sessions of a user is in the tables themselves:
another password, or being disabled.
"""

import secrets
from datetime import timedelta
from typing import Any, Final

from psycopg import Connection

from fleet.identity.secret import digest

# Kept for a while after their end: who was logged in when, and from where.
KEPT: Final = timedelta(days=90)

# Locked until the session is there: a change of the password, or a disabling, that comes meanwhile waits and ends it;
# after one that came before, the hash is not the one that was checked.
INSERT: Final = """
WITH who AS (
    SELECT u.user_id FROM users AS u JOIN user_passwords AS p USING (user_id)
    WHERE u.user_id = %(user_id)s AND u.disabled_at IS NULL AND p.password_hash = %(password_hash)s
    FOR SHARE OF u, p)
INSERT INTO sessions (token_sha256, user_id, address, expires_at)
SELECT %(token_sha256)s, user_id, %(address)s, now() + %(lasts)s::interval FROM who
"""
NOTE: Final = "UPDATE sessions SET last_seen_at = now() WHERE token_sha256 = %(token_sha256)s AND revoked_at IS NULL"
END: Final = "UPDATE sessions SET revoked_at = now() WHERE token_sha256 = %(token_sha256)s AND revoked_at IS NULL"
END_ALL: Final = "UPDATE sessions SET revoked_at = now() WHERE user_id = %(user_id)s AND revoked_at IS NULL"
FORGET: Final = "DELETE FROM sessions WHERE expires_at < now() - %(kept)s::interval"


def begin(
    connection: Connection[Any], user_id: int, password_hash: str, *, address: str, lasts: timedelta
) -> str | None:
    """The token of a new session of who knew the password of that hash; None when it is his no more."""
    token = secrets.token_urlsafe(32)
    row = {
        "token_sha256": digest(token),
        "user_id": user_id,
        "password_hash": password_hash,
        "address": address,
        "lasts": lasts,
    }
    connection.execute(FORGET, {"kept": KEPT})
    return token if connection.execute(INSERT, row).rowcount else None


def note_visit(connection: Connection[Any], token_sha256: bytes) -> None:
    """Remember that the session is used."""
    connection.execute(NOTE, {"token_sha256": token_sha256})


def end(connection: Connection[Any], token_sha256: bytes) -> None:
    """End one session; one that is over stays so."""
    connection.execute(END, {"token_sha256": token_sha256})


def end_all(connection: Connection[Any], user_id: int) -> int:
    """End all sessions of a user; how many were open."""
    return connection.execute(END_ALL, {"user_id": user_id}).rowcount
