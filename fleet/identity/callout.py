"""Answers nats-server's auth callout: who connects to the broker, and what they may do there.

A question comes as a token that the server signed. Its signature is not looked at: the server's key is new at each of
its starts, so it would prove nothing; whoever can ask here is a user of the system account.
"""

import base64
import hashlib
import re
import ssl
import time
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from fleet.identity.accesses import Accesses
from fleet.identity.answers import Issuer
from fleet.identity.permissions import rights_of, subjects
from fleet.identity.snapshot import Admitted, Denied, Identities
from fleet.identity.status import Status
from fleet.metrics import Metrics

SUBJECT: Final = "$SYS.REQ.USER.AUTH"
# Of several fleets one answers.
QUEUE: Final = "tracefleet-fleet"
# nats-server's account of those that belong to none: what it has stored before it asked anybody is there, too.
ACCOUNT: Final = "$G"

# What nats-server calls a client that gave no id: a NUID, new at each connect.
_MADE_UP: Final = re.compile(r"[0-9A-Za-z]{22}", re.ASCII)

log = structlog.get_logger()


class _Server(msgspec.Struct):
    id: str


class _Client(msgspec.Struct):
    host: str = ""
    mqtt_id: str = ""


class _Options(msgspec.Struct, rename={"secret": "pass"}):
    user: str = ""
    secret: str = ""


class _Tls(msgspec.Struct):
    certs: list[str] = []
    verified_chains: list[list[str]] = []

    def fingerprint(self) -> bytes | None:
        """SHA-256 of the client's own certificate, if it showed one."""
        shown = self.verified_chains[0][:1] if self.verified_chains else self.certs[:1]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown[0])).digest() if shown else None


class _Asked(msgspec.Struct):
    server_id: _Server
    user_nkey: str
    client_info: _Client
    connect_opts: _Options
    client_tls: _Tls | None = None


class _Question(msgspec.Struct):
    nats: _Asked


_decode = msgspec.json.Decoder(_Question).decode


class Callout:
    """Judges by *identities* and signs as *issuer*; *accesses* and *metrics* hear of each judgement."""

    def __init__(self, identities: Identities, issuer: Issuer, accesses: Accesses, metrics: Metrics) -> None:
        self._identities = identities
        self._issuer = issuer
        self._accesses = accesses
        self._metrics = metrics

    def answer(self, question: bytes) -> bytes:
        """The answer to a question of nats-server; empty, which lets nobody in, to what is none."""
        begun = time.perf_counter()
        try:
            asked = _read(question)
        except ValueError as error:
            log.warning("a question of the broker cannot be read", error=str(error))
            return b""
        answer = self._judge(asked, datetime.now(UTC))
        self._metrics.broker_login_seconds.observe(time.perf_counter() - begun)
        return answer

    def status(self, _: bytes) -> bytes:
        """What is known, as :mod:`fleet.identity.status` reads it."""
        return msgspec.json.encode(Status(len(self._identities), self._identities.newest_credential_id))

    def _judge(self, asked: _Asked, now: datetime) -> bytes:
        given = asked.connect_opts
        certificate = asked.client_tls.fingerprint() if asked.client_tls is not None else None
        # Over NATS itself there is no client id, so devices speak MQTT alone.
        client_id = asked.client_info.mqtt_id
        outcome = self._identities.authenticate(given.user, given.secret, client_id, certificate, now=now)
        user, server, host = asked.user_nkey, asked.server_id.id, asked.client_info.host
        if isinstance(outcome, Denied):
            self._metrics.broker_logins[outcome.reason].inc()
            # A name of the broker's own making is nobody's: each port scan would be a stranger to be looked for.
            named = (
                client_id if given.user or outcome.device_id is not None or not _MADE_UP.fullmatch(client_id) else ""
            )
            self._accesses.refused(given.user, named, host, outcome, now)
            return self._issuer.refuse(user=user, server=server, reason=outcome.reason, now=now)
        self._metrics.broker_logins["admitted"].inc()
        self._accesses.admitted(outcome, host, now)
        return self._admit(outcome, user, server, now)

    def _admit(self, admitted: Admitted, user: str, server: str, now: datetime) -> bytes:
        identity = admitted.identity
        rights = rights_of(identity.device_no, identity.behind)
        return self._issuer.admit(
            user=user,
            server=server,
            name=identity.device_no,
            account=ACCOUNT,
            publish=subjects(rights.publish),
            subscribe=subjects(rights.subscribe),
            expires_at=admitted.expires_at,
            now=now,
        )


def _read(question: bytes) -> _Asked:
    """What is asked. Raises ValueError for anything but a token that holds a question."""
    parts = question.split(b".")
    if len(parts) != 3:  # noqa: PLR2004 - head, claims, signature
        raise ValueError("it is no token")
    return _decode(base64.urlsafe_b64decode(parts[1] + b"==")).nats
