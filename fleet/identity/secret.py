"""The secrets that devices prove themselves by, and the one-time codes of installers. Pure, but for the dice.

Both are random, so a plain SHA-256 keeps them: there is no dictionary to run through. A code is short, which its single
use, its few tries and its expiry make up for.
"""

import hashlib
import secrets
from typing import Final

SECRET_BYTES: Final = 32
# Crockford's base 32: no I, L, O, U.
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 10
GROUP: Final = 5
# What people read or write instead.
_AS_MEANT: Final = str.maketrans("ILO", "110", " -")


def new_secret() -> str:
    """A new password: 32 random bytes in 43 characters of base64url, of which the first is a letter or a digit.

    One that began with a dash would be an option in a shell and a formula in a spreadsheet.
    """
    while True:
        secret = secrets.token_urlsafe(SECRET_BYTES)
        if secret[0].isalnum():
            return secret


def digest(secret: str) -> bytes:
    """What is kept of a *secret*, of whatever text somebody sends as one: its SHA-256."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_code() -> str:
    """A new one-time code, 50 random bits: `7KQ2M-X0T9C`."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(code[at : at + GROUP] for at in range(0, CODE_LENGTH, GROUP))


def code_as_meant(code: str) -> str:
    """The *code* that somebody typed, without its dashes and spaces, in capitals, I and L read as 1, O as 0."""
    return code.upper().translate(_AS_MEANT)


def code_digest(code: str) -> bytes:
    """What is kept of a code, however it is typed."""
    return digest(code_as_meant(code))
