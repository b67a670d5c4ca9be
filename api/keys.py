"""``/api/v1/keys``: the keys of those who call, by administrators. A secret is told once, when its key is made."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import require
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Reason, Text
from api.problems import FORBIDDEN, OF_BODIES, OF_CHANGES, documented
from api.users import Regions, Sites
from fleet.identity import api_keys
from fleet.identity.api_keys import ApiKey
from fleet.identity.roles import ROLES, Role
from fleet.identity.scope import scope_as_asked

router = APIRouter(prefix="/api/v1/keys", tags=["Accounts"], dependencies=[Depends(require("admin"))])

HOURS_MAX: Final = 24 * 366
DAYS_MAX: Final = 3660
CHANGES: Final = documented(FORBIDDEN, *OF_BODIES, besides=OF_CHANGES)

KeyId = Annotated[str, Path(pattern=r"^[a-z0-9]{8}$", description="Id of the key.", examples=["k3x9m2ab"])]


class KeyEntry(BaseModel):
    """What is known of a key."""

    key_id: str
    name: str = Field(examples=["erp"])
    owner: str | None = Field(description="the user in whose name it acts; null: it acts in its own")
    state: str = Field(examples=["valid"], description="valid, expired, or revoked")
    roles: list[str] = Field(description="bounded by those that its owner has himself")
    regions: list[str] | None
    sites: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str | None = Field(description="the key that it was rotated from")
    last_used_at: datetime | None = Field(description="to the minute")


class KeyList(BaseModel):
    """All keys, the oldest first."""

    items: list[KeyEntry]


class WithSecret(BaseModel):
    """A key and its text, told this once."""

    key: KeyEntry
    text: str = Field(description="`tf_<id>_<secret>`, for `Authorization: Bearer`")


class NewKey(BaseModel):
    """A key that is to be made."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "erp", "roles": ["gateway"], "expires_in_days": 365}}
    )

    name: Text
    roles: list[Role] = Field(min_length=1, max_length=len(ROLES))
    owner: Text | None = None
    regions: Regions = None
    sites: Sites = None
    expires_in_days: int | None = Field(None, ge=1, le=DAYS_MAX, description="Left out: valid until it is revoked.")
    reason: Reason | None = None


class RotateOrder(BaseModel):
    """For how long both are good."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(24, ge=0, le=HOURS_MAX, description="The old key ends after so many hours.")
    expires_in_days: int | None = Field(
        None, ge=1, le=DAYS_MAX, description="Left out: as long as the old one was meant to live, from now on."
    )
    reason: Reason | None = None


class WhyQuery(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = Field(None, description="Why; the audit keeps it.")


@router.get("", summary="List keys", responses=documented(FORBIDDEN))
async def list_keys(desk: DeskDep) -> KeyList:
    """All keys, never their secrets."""
    return KeyList(items=[_entry(key) for key in await desk.read(api_keys.listed)])


@router.post("", status_code=201, summary="Create a key", openapi_extra=described(NewKey), responses=CHANGES)
async def post_key(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> WithSecret:
    """Somebody's, then it acts in his name and may no more than he; or a program's own."""
    asked = await bodies.read(request, NewKey)
    expires_in = None if asked.expires_in_days is None else timedelta(days=asked.expires_in_days)
    key, text = await desk.change(
        actor,
        lambda connection: api_keys.make(
            connection,
            asked.name,
            asked.roles,
            owner=asked.owner,
            scope=scope_as_asked(asked.regions, asked.sites),
            expires_in=expires_in,
        ),
        reason=asked.reason or "",
    )
    return WithSecret(key=_entry(key), text=text)


@router.post(
    "/{key_id}/rotate", status_code=201, summary="Rotate a key", openapi_extra=described(RotateOrder), responses=CHANGES
)
async def post_rotation(
    request: Request, key_id: KeyId, bodies: BodiesDep, desk: DeskDep, actor: ActorDep
) -> WithSecret:
    """Another key with the same name, owner, roles and scope; the old one is good a while longer."""
    asked = await bodies.read(request, RotateOrder)
    expires_in = None if asked.expires_in_days is None else timedelta(days=asked.expires_in_days)
    key, text = await desk.change(
        actor,
        lambda connection: api_keys.rotate(
            connection, key_id, overlap=timedelta(hours=asked.overlap_hours), expires_in=expires_in
        ),
        reason=asked.reason or "",
    )
    return WithSecret(key=_entry(key), text=text)


@router.delete("/{key_id}", summary="Revoke a key", responses=CHANGES)
async def delete_key(key_id: KeyId, query: Annotated[WhyQuery, Query()], desk: DeskDep, actor: ActorDep) -> KeyEntry:
    """For good; every API process refuses it within two seconds, for changes at once."""
    revoked = await desk.change(
        actor, lambda connection: api_keys.revoke(connection, key_id), reason=query.reason or ""
    )
    return _entry(revoked)


def _entry(key: ApiKey) -> KeyEntry:
    told = {name: getattr(key, name) for name in KeyEntry.model_fields if name != "state"}
    return KeyEntry.model_validate({**told, "state": key.state(datetime.now(UTC))})
