"""Passwords of people: what may be one, and Argon2id, at 64 MiB and a tenth of a second each. Not on an event loop.

A name that nobody has costs the same time as a wrong password: it is compared with a hash that no password has.
"""

import secrets
import unicodedata
from datetime import timedelta
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from fleet.errors import RefusedError
from fleet.identity.secret import ALPHABET

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 128
# One that somebody else has seen: a hundred random bits, for a week.
ONE_TIME_LENGTH: Final = 20
ONE_TIME_LASTS: Final = timedelta(days=7)
_GROUP: Final = 5
# With the parameters of today, which a test compares; of 32 random bytes that nobody kept.
NOBODYS_HASH: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$Ke5hLlsqeHJ/tLMMKhAulw$lYRlGQBc0oG+AAAnmP4lxTZOC+N/P26BjJrTIffqJ7w"
)


def hash_of(password: str) -> str:
    """What is kept of *password*."""
    return _hasher().hash(_as_meant(password))


def check(password: str, password_hash: str | None) -> tuple[bool, str | None]:
    """Whether *password* is the one of that hash, and a hash of it by today's parameters when that one is not.

    None stands for nobody's, and takes as long.
    """
    # What is longer than any that was ever taken costs the same.
    meant = _as_meant(password)[: LENGTH_MAX + 1]
    if password_hash is None:
        _hasher().verify(meant, NOBODYS_HASH)
        return False, None
    return _hasher().verify_and_update(meant, password_hash)


def require_good(password: str, *, name: str) -> None:
    """Raise RefusedError when *password* is too easy for the user *name*; length is what counts, not odd signs."""
    meant = _as_meant(password)
    if not LENGTH_MIN <= len(meant) <= LENGTH_MAX:
        raise RefusedError(f"a password has {LENGTH_MIN} to {LENGTH_MAX} characters: a few words are easy to keep.")
    # A name of a letter or two is in every sentence.
    if len(set(meant.lower())) < _GROUP or (len(name) >= _GROUP and name in meant.lower()):
        raise RefusedError("the password repeats a few characters, or holds the name: choose another.")


def one_time() -> str:
    """A password that has to be changed at once: `7KQ2M-X0T9C-…`."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(ONE_TIME_LENGTH))
    return "-".join(letters[at : at + _GROUP] for at in range(0, ONE_TIME_LENGTH, _GROUP))


def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(),))


def _as_meant(password: str) -> str:
    """The same signs from every keyboard are the same password."""
    return unicodedata.normalize("NFC", password)
