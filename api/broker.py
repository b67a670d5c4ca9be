"""``/api/v1/broker``: who may connect and what they may do, for brokers that ask over HTTP, as EMQX 5 does.

A decision is always 200: EMQX reads any 4xx as "ignore" and goes on to its next authenticator. So is the answer to a
body that cannot be read, which is a denial. Only who may not ask at all, and a ledger that was never read, is a
problem; the broker is configured so that nobody is let in then (deploy/BROKERS.md).
"""

import ipaddress
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, ValidationError

from api.body import Bodies, BodiesDep, described
from api.callers import require
from api.doorkeeper import DoorkeeperDep
from api.ledger import EXAMPLE_LOGGER
from api.problems import FORBIDDEN, NOT_MIGRATED, TOO_SLOW, UNAVAILABLE, ProblemError, documented
from fleet.identity.certificate import sha256_as_sent
from fleet.identity.permissions import may_publish, may_subscribe, rights_of
from fleet.identity.snapshot import Admitted, Denied, Identity

router = APIRouter(prefix="/api/v1/broker", tags=["Broker"], dependencies=[Depends(require("broker"))])
RESPONSES: Final = documented(FORBIDDEN, besides=(UNAVAILABLE, NOT_MIGRATED, TOO_SLOW))

Result = Literal["allow", "deny"]
AskedT = TypeVar("AskedT", bound=BaseModel)


class Connecting(BaseModel):
    """Who connects, as the broker was told."""

    username: str = Field("", examples=[EXAMPLE_LOGGER])
    password: str = ""
    clientid: str = Field("", examples=[EXAMPLE_LOGGER])
    peerhost: str = Field("", description="address of the client", examples=["10.0.0.7"])
    cert_pem: str = Field(
        "", description="the client's certificate, which TLS has proved: PEM, or base64 of PEM or DER"
    )
    preset: bool = Field(
        False,
        description="Answer with `acl`, so that the broker need not ask again. A revocation then ends no connection.",
    )


class Rule(BaseModel):
    """A line of the permissions that a broker may keep with the connection."""

    permission: Result
    action: Literal["publish", "subscribe", "all"]
    topic: str = Field(description="`eq` before it: this filter itself")


class Admission(BaseModel):
    """Whether it may connect."""

    result: Result
    is_superuser: Literal[False] = False
    expire_at: int | None = Field(None, description="when the broker ends the connection, seconds since 1970")
    client_attrs: dict[str, str] | None = Field(
        None, description="`credential`, to be sent with each question after it"
    )
    acl: list[Rule] | None = Field(None, description="if `preset` was asked for")


class Acting(BaseModel):
    """What a client of the broker is about to do."""

    username: str = Field("", examples=[EXAMPLE_LOGGER])
    clientid: str = Field("", examples=[EXAMPLE_LOGGER])
    topic: str = Field("", examples=[f"tracefleet/v1/{EXAMPLE_LOGGER}/coldchain"])
    action: str = Field("", description="`publish` or `subscribe`", examples=["publish"])
    credential: str = Field("", description="`client_attrs.credential` of its admission, if the broker keeps it")


class Permission(BaseModel):
    """Whether it may."""

    result: Result


@router.post(
    "/authenticate",
    summary="Ask whether a client may connect",
    responses=RESPONSES,
    openapi_extra=described(Connecting),
    response_model_exclude_none=True,
)
async def post_authenticate(request: Request, bodies: BodiesDep, doorkeeper: DoorkeeperDep) -> Admission:
    """By what the ledger knows in memory, half a second after any change of it; who comes is noted."""
    asked = await _read(request, bodies, Connecting)
    if asked is None:
        return Admission(result="deny")
    identities = await doorkeeper.identities()
    now = datetime.now(UTC)
    certificate = sha256_as_sent(asked.cert_pem) if asked.cert_pem else None
    outcome = identities.authenticate(asked.username, asked.password, asked.clientid, certificate, now=now)
    host = _host(asked.peerhost)
    if isinstance(outcome, Denied):
        doorkeeper.accesses.refused(asked.username, asked.clientid, host, outcome, now)
        return Admission(result="deny")
    doorkeeper.accesses.admitted(outcome, host, now)
    return _admission(outcome, preset=asked.preset)


@router.post(
    "/authorize",
    summary="Ask whether a client may publish or subscribe",
    responses=RESPONSES,
    openapi_extra=described(Acting),
)
async def post_authorize(request: Request, bodies: BodiesDep, doorkeeper: DoorkeeperDep) -> Permission:
    """By what the ledger knows now: whoever lost the right to connect may do nothing on a connection that is open."""
    asked = await _read(request, bodies, Acting)
    if asked is None:
        return Permission(result="deny")
    identities = await doorkeeper.identities()
    may = _may(identities.get(asked.username or asked.clientid), asked, datetime.now(UTC))
    return Permission(result="allow" if may else "deny")


async def _read(request: Request, bodies: Bodies, kind: type[AskedT]) -> AskedT | None:
    """What is asked, whatever media type the broker gives it; None when it cannot be read."""
    try:
        return kind.model_validate_json(await bodies.receive(request))
    except (ValidationError, ProblemError):
        return None


def _host(told: str) -> str:
    """The address in its one form, or nothing: it is kept."""
    try:
        return str(ipaddress.ip_address(told))
    except ValueError:
        return ""


def _admission(admitted: Admitted, *, preset: bool) -> Admission:
    return Admission(
        result="allow",
        expire_at=int(admitted.expires_at.timestamp()) if admitted.expires_at is not None else None,
        client_attrs={"credential": str(admitted.credential_id)},
        acl=_rules(admitted.identity) if preset else None,
    )


def _rules(identity: Identity) -> list[Rule]:
    rights = rights_of(identity.device_no, identity.behind)
    return [
        *(Rule(permission="allow", action="publish", topic=topic) for topic in rights.publish),
        *(Rule(permission="allow", action="subscribe", topic=f"eq {topic}") for topic in rights.subscribe),
        Rule(permission="deny", action="all", topic="#"),
    ]


def _may(identity: Identity | None, asked: Acting, now: datetime) -> bool:
    if identity is None or identity.is_retired or asked.clientid != identity.device_no:
        return False
    # Which of them it came in with is known only if the broker keeps it; else any that is good will do.
    if not any(
        credential.is_good(now) and asked.credential in ("", str(credential.credential_id))
        for credential in identity.credentials
    ):
        return False
    if asked.action == "publish":
        return may_publish(identity, asked.topic)
    return asked.action == "subscribe" and may_subscribe(identity, asked.topic)
