"""The answers that nats-server believes: JSON web tokens signed with the issuer's key, whose public half it knows."""

import base64
from collections.abc import Iterable
from datetime import datetime
from math import ceil
from typing import Any, Final

import msgspec
import nkeys

_encode = msgspec.json.Encoder().encode
# nats-server's own number for "without a limit".
UNLIMITED: Final = -1


class Issuer:
    """The key that signs, made from the installation's."""

    def __init__(self, key: bytes) -> None:
        """*key* is 32 bytes; the same ones make the same issuer."""
        self._pair = nkeys.from_seed(nkeys.encode_seed(key, nkeys.PREFIX_BYTE_ACCOUNT))
        self.public_key: Final = self._pair.public_key.decode()
        self._head: Final = _base64(_encode({"typ": "JWT", "alg": "ed25519-nkey"})) + b"."

    def admit(
        self,
        *,
        user: str,
        server: str,
        name: str,
        account: str,
        publish: Iterable[str],
        subscribe: Iterable[str],
        expires_at: datetime | None,
        now: datetime,
    ) -> bytes:
        """The answer that lets *user* (the key that the server made for the connection) in as *name*."""
        rights = {
            "pub": {"allow": list(publish)},
            "sub": {"allow": list(subscribe)},
            "subs": UNLIMITED,
            "data": UNLIMITED,
            "payload": UNLIMITED,
            "type": "user",
            "version": 2,
        }
        claims = self._claims(user, account, now) | {"name": name, "nats": rights}
        if expires_at is not None:
            claims["exp"] = ceil(expires_at.timestamp())
        return self._answer(user, server, now, {"jwt": self._signed(claims).decode()})

    def refuse(self, *, user: str, server: str, reason: str, now: datetime) -> bytes:
        """The answer that does not; the server's log has the *reason*."""
        return self._answer(user, server, now, {"error": reason})

    def _answer(self, user: str, server: str, now: datetime, content: dict[str, Any]) -> bytes:
        answer = content | {"type": "authorization_response", "version": 2}
        return self._signed(self._claims(user, server, now) | {"nats": answer})

    def _claims(self, user: str, audience: str, now: datetime) -> dict[str, Any]:
        return {"iss": self.public_key, "sub": user, "aud": audience, "iat": int(now.timestamp())}

    def _signed(self, claims: dict[str, Any]) -> bytes:
        body = self._head + _base64(_encode(claims))
        return body + b"." + _base64(self._pair.sign(body))


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
