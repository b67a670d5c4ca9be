"""``/api/v1/users``: who may log in, as what and where; by administrators.

Nobody is deleted, and no password is told twice.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, get_args

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import require
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import Reason, Text
from api.problems import FORBIDDEN, OF_BODIES, OF_CHANGES, documented
from fleet.identity import users
from fleet.identity.scope import scope_as_asked
from fleet.identity.users import Change, User

router = APIRouter(prefix="/api/v1/users", tags=["Accounts"], dependencies=[Depends(require("admin"))])

PersonRole = Literal["viewer", "operator", "fleet_admin", "approver", "auditor", "admin"]
ROLES_MAX: Final = len(get_args(PersonRole))
NAMED_MAX: Final = 500
READS: Final = documented(FORBIDDEN, besides=OF_CHANGES)
CHANGES: Final = documented(FORBIDDEN, *OF_BODIES, besides=OF_CHANGES)

Name = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9._@-]{0,62}$", description="Name of the user.", examples=["wang.li"])
]
Regions = Annotated[
    list[Text] | None,
    Field(max_length=NAMED_MAX, description="Region codes of 2, 4 or 6 digits, each with what is below it."),
]
Sites = Annotated[list[Text] | None, Field(max_length=NAMED_MAX, description="Numbers of sites.")]
Roles = Annotated[list[PersonRole], Field(min_length=1, max_length=ROLES_MAX, examples=[["operator"]])]


class UserEntry(BaseModel):
    """Somebody who may log in."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["wang.li"])
    display_name: str = Field(examples=["王丽"])
    state: str = Field(examples=["active"], description="active, one-time password, expired, or disabled")
    roles: list[str]
    regions: list[str] | None = Field(description="with `sites`: where the roles count; both null: everywhere")
    sites: list[str] | None
    created_at: datetime
    created_by: str
    disabled_at: datetime | None
    must_change: bool = Field(description="Whether a one-time password waits to be changed.")
    password_expires_at: datetime | None = Field(description="of a one-time password")
    password_changed_at: datetime | None
    last_login_at: datetime | None


class UserList(BaseModel):
    """Everybody, by name."""

    items: list[UserEntry]


class WithPassword(BaseModel):
    """Somebody and a one-time password, told this once."""

    user: UserEntry
    password: str


class NewUser(BaseModel):
    """Somebody who is to log in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"name": "wang.li", "display_name": "王丽", "roles": ["operator"], "regions": ["4101"]}
        },
    )

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,62}$", description="Never given twice.")
    display_name: str = Field("", max_length=64)
    roles: Roles
    regions: Regions = None
    sites: Sites = None
    reason: Reason | None = None


class UserChange(BaseModel):
    """What is to be changed; what is not named stays. `regions` and `sites` go together: naming one sets both."""

    model_config = ConfigDict(extra="forbid")

    display_name: str | None = Field(None, max_length=64)
    roles: Roles | None = None
    regions: Regions = None
    sites: Sites = None
    disabled: bool | None = Field(None, description="True logs him out everywhere, and ends his keys while it lasts.")
    reason: Reason | None = None

    def change(self) -> Change:
        """As the fleet takes it. Raises RefusedError."""
        moves = bool({"regions", "sites"} & self.model_fields_set)
        return Change(
            display_name=self.display_name,
            roles=self.roles,
            scope=scope_as_asked(self.regions, self.sites) if moves else None,
            disabled=self.disabled,
        )


class ResetOrder(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = None


@router.get("", summary="List users", responses=documented(FORBIDDEN))
async def list_users(desk: DeskDep) -> UserList:
    """Everybody who may log in, or could; never a password."""
    return UserList(items=[_entry(user) for user in await desk.read(users.listed)])


@router.post("", status_code=201, summary="Create a user", openapi_extra=described(NewUser), responses=CHANGES)
async def post_user(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> WithPassword:
    """With a one-time password that is good for seven days, for nothing but choosing another."""
    asked = await bodies.read(request, NewUser)

    user, password = await desk.change(
        actor,
        lambda connection: users.make(
            connection,
            asked.name,
            asked.roles,
            display_name=asked.display_name,
            scope=scope_as_asked(asked.regions, asked.sites),
        ),
        reason=asked.reason or "",
    )
    return WithPassword(user=_entry(user), password=password)


@router.get("/{name}", summary="One user", responses=READS)
async def get_user(name: Name, desk: DeskDep) -> UserEntry:
    """Somebody, by name."""
    return _entry(await desk.read(lambda connection: users.one(connection, name)))


@router.patch("/{name}", summary="Change a user", openapi_extra=described(UserChange), responses=CHANGES)
async def patch_user(request: Request, name: Name, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> UserEntry:
    """Roles, scope, display name, or disabled; it counts from the next request on. The last administrator stays one."""
    asked = await bodies.read(request, UserChange)
    user = await desk.change(
        actor, lambda connection: users.amend(connection, name, asked.change()), reason=asked.reason or ""
    )
    return _entry(user)


@router.post("/{name}/password", summary="Reset a password", openapi_extra=described(ResetOrder), responses=CHANGES)
async def post_password(
    request: Request, name: Name, bodies: BodiesDep, desk: DeskDep, actor: ActorDep
) -> WithPassword:
    """Another one-time password; all sessions of the user end."""
    asked = await bodies.read(request, ResetOrder)
    user, password = await desk.change(
        actor, lambda connection: users.reset(connection, name), reason=asked.reason or ""
    )
    return WithPassword(user=_entry(user), password=password)


def _entry(user: User) -> UserEntry:
    told = {name: getattr(user, name) for name in UserEntry.model_fields if name != "state"}
    return UserEntry.model_validate({**told, "state": user.state(datetime.now(UTC))})
