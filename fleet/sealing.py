"""Personal data at rest: sealed with the installation's key, beside a mask that anybody may see.

What is sealed twice looks different each time, so equality is told by opening, never by comparing bytes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from psycopg import Connection

from fleet.errors import KeyFileError
from fleet.keys import Keys

Personal = Literal["phone", "identity", "serial"]

SHOWN_AT_THE_END: Final = 4
MOBILE_DIGITS: Final = 11


class Safe:
    """Seals and opens with one key."""

    def __init__(self, key: bytes) -> None:
        self._box = SecretBox(key)

    @classmethod
    def of(cls, connection: Connection[Any], keys: Keys) -> "Safe":
        """The safe of the installation whose database this is. Raises KeyFileError."""
        return cls(keys.key(connection, "personal"))

    def seal(self, value: str) -> bytes:
        """*value* under a nonce of its own."""
        return bytes(self._box.encrypt(value.encode()))

    def open(self, sealed: bytes) -> str:
        """What was sealed. Raises KeyFileError, which says nothing of it, when the key is another or a byte changed."""
        try:
            return self._box.decrypt(bytes(sealed)).decode()
        except (CryptoError, ValueError):
            raise KeyFileError(
                "personal data of the ledger cannot be opened: it was sealed with another key, or was damaged in the "
                "database. Put the key file back that it was sealed with."
            ) from None


def mask(kind: Personal, value: str) -> str:
    """As much of *value* as anybody may see: 138****5678, 0371-****6556, 4101**********1234, ***********7518."""
    return _MASKS[kind](value)


def _phone(value: str) -> str:
    area, dash, number = value.partition("-")
    if dash:
        return f"{area}-****{number.partition('-')[0][-SHOWN_AT_THE_END:]}"
    return (
        f"{value[:3]}****{value[-SHOWN_AT_THE_END:]}" if len(value) == MOBILE_DIGITS else f"{value[:3]}****{value[-3:]}"
    )


def _identity(value: str) -> str:
    return f"{value[:4]}{'*' * (len(value) - 8)}{value[-SHOWN_AT_THE_END:]}"


def _serial(value: str) -> str:
    return f"{'*' * (len(value) - SHOWN_AT_THE_END)}{value[-SHOWN_AT_THE_END:]}"


_MASKS: Final[Mapping[Personal, Callable[[str], str]]] = {
    "phone": _phone,
    "identity": _identity,
    "serial": _serial,
}
