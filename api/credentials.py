"""``/api/v1/devices/{device_no}/credentials`` and ``…/enrolments``: what a device proves itself by."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from psycopg import Connection
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import require
from api.ledger import EXAMPLE_LOGGER
from api.ledger_desk import ActorDep, DeskDep
from api.logins import Login, login_of
from api.parameters import DeviceNo, Text
from api.problems import (
    BUSY,
    FORBIDDEN,
    OF_BODIES,
    OF_CHANGES,
    documented,
)
from fleet.identity.credentials import Issued, credentials_of, issue, revoke, rotate
from fleet.identity.enrolments import Invitation, address_of, invite

router = APIRouter(
    prefix="/api/v1/devices/{device_no}", tags=["Credentials"], dependencies=[Depends(require("fleet_admin"))]
)

OF_ORDERS: Final = (FORBIDDEN, *OF_BODIES, BUSY)
# Of an integer column.
ID_MAX: Final = 2**31 - 1

CredentialId = Annotated[int, Path(ge=1, le=ID_MAX, description="As the list has it.", examples=[17])]
Reason = Annotated[Text, Query(description="Why; it stays with the credential and in the audit.", examples=["stolen"])]


class CredentialRequest(BaseModel):
    """What kind of password is wanted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"replace": True, "overlap_hours": 24}})

    note: Text | None = Field(None, description="For people: who has it, what for.")
    expires_in_days: int | None = Field(None, ge=1, le=36_500, description="None: until it is revoked.")
    replace: bool = Field(False, description="Passwords that the device has now end.")
    overlap_hours: int = Field(
        24, ge=0, le=8760, description="With `replace`: so long from now at most; 0 revokes them at once."
    )


class CredentialLine(BaseModel):
    """What is known of a credential: everything but what it is."""

    model_config = ConfigDict(from_attributes=True)

    credential_id: int = Field(examples=[17])
    kind: Literal["password", "certificate"]
    state: Literal["good", "expired", "revoked"]
    note: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    certificate_sha256: str | None = Field(description="of a certificate: SHA-256 of its DER form")
    last_used_at: datetime | None = Field(description="when the broker last let it in")
    last_host: str | None = Field(description="from where", examples=["10.0.0.7"])


class CredentialList(BaseModel):
    """All of a device, the latest first."""

    items: list[CredentialLine]


class Revoked(BaseModel):
    """What ended with this request."""

    credential_ids: list[int] = Field(description="those that were not revoked before")


class EnrolmentRequest(BaseModel):
    """How long an installer has."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"valid_hours": 24}})

    valid_hours: int = Field(24, ge=1, le=720, description="The code expires after so many hours.")
    revoke_old: bool = Field(
        False, description="Revoke what the device has now at once; else it goes on for 24 h after the code was used."
    )


class EnrolmentReceipt(BaseModel):
    """A one-time code. It is in this answer and nowhere else."""

    device_no: str = Field(examples=[EXAMPLE_LOGGER])
    code: str = Field(description="to be typed, case does not matter", examples=["7KQ2M-X0T9C"])
    url: str = Field(description="for a QR code; the code is in its fragment, which no server sees")
    expires_at: datetime


@router.post(
    "/credentials",
    status_code=201,
    summary="Give a device a password",
    responses=documented(*OF_ORDERS, besides=OF_CHANGES),
    openapi_extra=described(CredentialRequest),
)
async def post_credential(
    request: Request, device_no: DeviceNo, bodies: BodiesDep, desk: DeskDep, actor: ActorDep
) -> Login:
    """A new password for the broker, told once. With `replace` it takes the place of those the device has."""
    asked = await bodies.read(request, CredentialRequest)
    now = datetime.now(UTC)
    expires_in = timedelta(days=asked.expires_in_days) if asked.expires_in_days else None

    def work(connection: Connection[object]) -> Issued:
        if not asked.replace:
            return issue(connection, device_no, now=now, note=asked.note, expires_in=expires_in)
        overlap = timedelta(hours=asked.overlap_hours)
        return rotate(connection, device_no, overlap=overlap, now=now, note=asked.note, expires_in=expires_in)

    return login_of(await desk.change(actor, work))


@router.get(
    "/credentials", summary="List what a device proves itself by", responses=documented(FORBIDDEN, besides=OF_CHANGES)
)
async def list_credentials(device_no: DeviceNo, desk: DeskDep) -> CredentialList:
    """Passwords and certificates with their state and last use, the latest first; ended ones, too."""
    now = datetime.now(UTC)
    found = await desk.read(lambda connection: credentials_of(connection, device_no, now=now))
    return CredentialList(items=[CredentialLine.model_validate(one) for one in found])


@router.delete(
    "/credentials/{credential_id}",
    summary="Revoke a credential",
    responses=documented(FORBIDDEN, besides=OF_CHANGES),
)
async def delete_credential(
    device_no: DeviceNo, credential_id: CredentialId, reason: Reason, desk: DeskDep, actor: ActorDep
) -> Revoked:
    """It is good no more, within 5 s at the broker. One that was revoked before stays as it was."""
    now = datetime.now(UTC)
    ended = await desk.change(
        actor,
        lambda connection: revoke(connection, device_no, credential_id, reason=reason, now=now),
        reason=reason,
    )
    return Revoked(credential_ids=ended)


@router.delete(
    "/credentials", summary="Revoke all credentials of a device", responses=documented(FORBIDDEN, besides=OF_CHANGES)
)
async def delete_credentials(device_no: DeviceNo, reason: Reason, desk: DeskDep, actor: ActorDep) -> Revoked:
    """Whatever the device has is good no more, within 5 s at the broker."""
    now = datetime.now(UTC)
    ended = await desk.change(
        actor, lambda connection: revoke(connection, device_no, reason=reason, now=now), reason=reason
    )
    return Revoked(credential_ids=ended)


@router.post(
    "/enrolments",
    status_code=201,
    summary="Make a one-time code for an installer",
    responses=documented(*OF_ORDERS, besides=OF_CHANGES),
    openapi_extra=described(EnrolmentRequest),
)
async def post_invitation(
    request: Request, device_no: DeviceNo, bodies: BodiesDep, desk: DeskDep, actor: ActorDep
) -> EnrolmentReceipt:
    """A code that `POST /api/v1/enrolments` takes once, in place of an earlier one of the device."""
    asked = await bodies.read(request, EnrolmentRequest)
    now = datetime.now(UTC)

    def work(connection: Connection[object]) -> list[Invitation]:
        valid_for = timedelta(hours=asked.valid_hours)
        return invite(connection, [device_no], valid_for=valid_for, now=now, revoke_old=asked.revoke_old)

    [made] = await desk.change(actor, work)
    url = address_of(made, request.app.state.settings.public_url)
    return EnrolmentReceipt(device_no=made.device_no, code=made.code, url=url, expires_at=made.expires_at)
