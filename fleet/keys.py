"""The installation's one key: a file that every process shares, and a key for each purpose derived from it.

The database never sees it. It knows a digest of each derived key, so that a process with another file stops with a
sentence instead of sealing what nobody can verify or read.
"""

import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from psycopg import AsyncConnection, Connection

from fleet.errors import KeyFileError
from store.settings import PREFIX, Settings

Purpose = Literal["audit", "personal", "broker"]

KEY_BYTES: Final = 32
FILE_NAME: Final = "tracefleet.key"

FINGERPRINT: Final = "SELECT fingerprint FROM key_fingerprints WHERE purpose = %(purpose)s"
# A file is made for a database that knows none; whoever lacks it later is told so, for every purpose.
ANY_FINGERPRINT: Final = "SELECT purpose, fingerprint FROM key_fingerprints LIMIT 1"
REMEMBER: Final = """
INSERT INTO key_fingerprints (purpose, fingerprint) VALUES (%(purpose)s, %(fingerprint)s) ON CONFLICT DO NOTHING
"""


class Keys:
    """The key in a file, read when it is first needed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._master: bytes | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Keys":
        """The keys of an installation."""
        return cls(settings.key_file or settings.data_dir / FILE_NAME)

    def key(self, connection: Connection[Any], purpose: Purpose) -> bytes:
        """The 32 bytes for *purpose*. The first use of a database makes the file, where there is none, and binds it.

        Raises KeyFileError when the file cannot be read or is not the one that this database was begun with.
        """
        known = connection.execute(FINGERPRINT, {"purpose": purpose}).fetchone()
        if known is None:
            self._agree(connection.execute(ANY_FINGERPRINT).fetchone())
            connection.execute(REMEMBER, {"purpose": purpose, "fingerprint": fingerprint_of(self._made(purpose))})
            known = connection.execute(FINGERPRINT, {"purpose": purpose}).fetchone()
        return self._fitting(purpose, known)

    async def key_for(self, connection: AsyncConnection[Any], purpose: Purpose) -> bytes:
        """The same over a connection of a service."""
        known = await (await connection.execute(FINGERPRINT, {"purpose": purpose})).fetchone()
        if known is None:
            self._agree(await (await connection.execute(ANY_FINGERPRINT)).fetchone())
            mark = fingerprint_of(self._made(purpose))
            await connection.execute(REMEMBER, {"purpose": purpose, "fingerprint": mark})
            known = await (await connection.execute(FINGERPRINT, {"purpose": purpose})).fetchone()
        return self._fitting(purpose, known)

    def of_file(self, purpose: Purpose) -> bytes:
        """The 32 bytes for *purpose* of the file as it is, whatever the database was begun with.

        Raises KeyFileError when the file cannot be read; none is made.
        """
        return self._derive(purpose, may_make=False)

    def _agree(self, other: Sequence[Any] | None) -> None:
        """Refuse a file that is not the one another purpose was begun with, before anything is bound to it."""
        if other is not None:
            self._fitting(other[0], other[1:])

    def _fitting(self, purpose: Purpose, known: Sequence[Any] | None) -> bytes:
        derived = self.of_file(purpose)
        if known is None or not hmac.compare_digest(bytes(known[0]), fingerprint_of(derived)):
            raise KeyFileError(
                f"{self._file} is not the key that this database was begun with. Put the first one back, "
                f"or set {PREFIX}KEY_FILE to it: without it the audit cannot be verified, nor personal data be read."
            )
        return derived

    def _made(self, purpose: Purpose) -> bytes:
        return self._derive(purpose, may_make=True)

    def _derive(self, purpose: Purpose, *, may_make: bool) -> bytes:
        # HKDF's expansion (RFC 5869) of one block; the master key is uniformly random, so nothing is extracted first.
        return hmac.digest(self._read(may_make=may_make), f"tracefleet {purpose}".encode() + b"\x01", "sha256")

    def _read(self, *, may_make: bool) -> bytes:
        if self._master is None:
            try:
                if may_make:
                    _make(self._file)
                self._master = bytes.fromhex(self._file.read_text(encoding="ascii").strip())
            except (OSError, ValueError) as error:
                words = error.strerror if isinstance(error, OSError) else "it is not a line of 64 hexadecimal digits"
                raise KeyFileError(
                    f"the key file {self._file} cannot be used: {words}. Every process of an installation needs the "
                    f"same one: copy it here, or set {PREFIX}KEY_FILE."
                ) from error
            if len(self._master) != KEY_BYTES:
                self._master = None
                raise KeyFileError(f"the key file {self._file} does not hold 64 hexadecimal digits. Restore its copy.")
        return self._master


def fingerprint_of(derived: bytes) -> bytes:
    """What a database knows of a derived key."""
    return hmac.digest(derived, b"fingerprint", "sha256")


def _make(file: Path) -> None:
    """Make *file* with a new key unless it is there; of two who do so at once, one does."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(f"{secrets.token_hex(KEY_BYTES)}\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink()
