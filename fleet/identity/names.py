"""Names in the audit: a user's for ever, a key's while it is valid; nobody else may act under one."""

from typing import Any, Final

from psycopg import Connection

# Whoever gives a name away holds this, so that two at once do not give away the same. Its number is
# nobody else's (fleet.leading).
MAKE_ALONE: Final = "SELECT pg_advisory_xact_lock(8386093266583420960)"
# Names are one when they differ in case alone, as they are for four eyes.
OF_KEYS: Final = """
SELECT 1 FROM api_keys
WHERE lower(name) = lower(%(name)s) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
OF_NOBODYS_KEYS: Final = OF_KEYS + "AND owner_id IS NULL"
OF_USERS: Final = "SELECT 1 FROM users WHERE name = lower(%(name)s)"


def is_taken_by_key(connection: Connection[Any], name: str) -> bool:
    """Whether a valid key has *name*."""
    return connection.execute(OF_KEYS, {"name": name}).fetchone() is not None


def is_taken_by_program(connection: Connection[Any], name: str) -> bool:
    """Whether a valid key that is nobody's has *name*, and so acts under it."""
    return connection.execute(OF_NOBODYS_KEYS, {"name": name}).fetchone() is not None


def is_taken_by_user(connection: Connection[Any], name: str) -> bool:
    """Whether somebody has *name*, or had it."""
    return connection.execute(OF_USERS, {"name": name}).fetchone() is not None
