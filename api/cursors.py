"""Cursors of the lists: where a page ended, opaque to the caller and good in any process.

A cursor carries a check over itself and the list it was cut from, so a damaged or foreign one is refused. It is no
secret and no right: whoever forges one reaches only what the list would have given anyway, and its values are
validated like any parameter.
"""

import base64
import hashlib
import hmac
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from api.problems import BAD_CURSOR, ProblemError

_CHECK_BYTES: Final = 8
PositionT = TypeVar("PositionT", bound=BaseModel)


def seal(position: BaseModel, *, of: tuple[str, ...]) -> str:
    """The cursor for *position* in the list that *of* names: the route and every parameter but the limit."""
    body = position.model_dump_json().encode()
    return base64.urlsafe_b64encode(_check(body, of) + body).rstrip(b"=").decode()


def unseal(cursor: str, kind: type[PositionT], *, of: tuple[str, ...]) -> PositionT:
    """The position in a cursor.

    Raises ProblemError, bad-cursor, when it is damaged, was cut from another list, or holds what no list would.
    """
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, body = sealed[:_CHECK_BYTES], sealed[_CHECK_BYTES:]
        if hmac.compare_digest(check, _check(body, of)):
            return kind.model_validate_json(body)
    except (ValueError, ValidationError):
        pass
    raise ProblemError(BAD_CURSOR, "The cursor is damaged or belongs to another request.")


def _check(body: bytes, of: tuple[str, ...]) -> bytes:
    digest = hashlib.blake2b(body, digest_size=_CHECK_BYTES)
    for part in of:
        # The length first, so ("ab", "c") and ("a", "bc") differ.
        digest.update(f"{len(part)}:{part}".encode())
    return digest.digest()
