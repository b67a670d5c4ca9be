"""Who calls: by the key in ``Authorization``, by the session in the cookie, or nobody, who may nothing that has a rule.

What a caller may is declared at each route with :func:`require`, or :data:`PUBLIC` where nobody is asked; a route that
declares nothing is refused when the application is put together (:mod:`api.permissions`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency

from api import cookies, reach
from api.keyring import Keyring
from api.problems import FORBIDDEN, PASSWORD_MUST_CHANGE, UNAUTHENTICATED, ProblemError
from api.visits import Visits
from fleet.identity.roles import ADMIN, ANONYMOUS, ROLES, Role
from fleet.identity.scope import EVERYWHERE, Scope
from store.settings import Settings

_SCHEME: Final = "bearer"
_READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a name, roles and a scope in which they count.

    *person* is the user behind a session, or the owner of the key: two pairs of eyes are two of those. *key_id* is of
    the key that was shown, *session* the digest of the session's token. Who *must_change* may change the password,
    and nothing else.
    """

    name: str
    roles: frozenset[str]
    key_id: str | None = None
    scope: Scope = EVERYWHERE
    person: str | None = None
    session: bytes | None = None
    must_change: bool = False

    def has(self, *roles: Role) -> bool:
        """Whether one of *roles* is the caller's, or the role that may everything."""
        return not self.roles.isdisjoint((*roles, ADMIN))

    @property
    def is_nobody(self) -> bool:
        """Whether nothing was shown that says who it is."""
        return self.key_id is None and self.session is None


async def identify(request: Request) -> Caller:
    """The caller of *request*.

    Raises ProblemError: unauthenticated when it shows anything but one valid key; what a read raises when the database
    cannot be asked. A session that is over is none: its browser is nobody's until somebody logs in.
    """
    shown = request.headers.getlist("authorization")
    if not shown:
        return await _of_session(request) or _nobody(request)
    scheme, _, text = shown[0].partition(" ")
    if len(shown) > 1 or scheme.lower() != _SCHEME:
        raise ProblemError(UNAUTHENTICATED, "`Authorization` is not one `Bearer` with a key.")
    keyring: Keyring = request.app.state.keyring
    # What changes something is decided by what is true now, not by what was true two seconds ago.
    key = await keyring.key_of(text.strip(), anew=request.method not in _READING)
    return Caller(key.owner or key.name, key.roles, key.key_id, key.scope, person=key.owner)


CallerDep = Annotated[Caller, Depends(identify)]


async def _of_session(request: Request) -> Caller | None:
    token = cookies.token_in(request)
    if token is None:
        return None
    visits: Visits = request.app.state.visits
    visit = await visits.of(token)
    if visit is None:
        return None
    return Caller(
        visit.name,
        visit.roles,
        scope=visit.scope,
        person=visit.name,
        session=visit.token_sha256,
        must_change=visit.must_change,
    )


def _nobody(request: Request) -> Caller:
    """Whoever shows nothing: on this machine with the one role that the settings may give it, and without a name."""
    settings: Settings = request.app.state.settings
    role = settings.api_loopback_role
    return Caller(ANONYMOUS, frozenset({role}) if role is not None and _is_here(request) else frozenset())


def _is_here(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may: a caller with one of *roles*, or an admin. A dependency of routes.

    *is_of_account* is what somebody may do about his own account, even before the password is changed.
    """

    roles: tuple[Role, ...]
    is_of_account: bool = False

    async def __call__(self, request: Request, caller: CallerDep) -> Caller:
        """The caller. Raises ProblemError: unauthenticated who shows nothing, forbidden who has not the role.

        And what :func:`api.reach.require_within` raises about what lies out of the caller's scope.
        """
        if not caller.has(*self.roles):
            if caller.is_nobody and not caller.roles:
                raise ProblemError(UNAUTHENTICATED, "Nothing was shown that says who asks.")
            raise ProblemError(FORBIDDEN, f"It needs the role {' or '.join(self.told)}.")
        if caller.must_change and not self.is_of_account:
            raise ProblemError(PASSWORD_MUST_CHANGE, "Somebody else has set it.")
        if not self.is_of_account:
            await reach.require_within(request, caller.scope)
        return caller

    @property
    def told(self) -> tuple[Role, ...]:
        """The roles that may, the one included that may everything."""
        return tuple(dict.fromkeys((*self.roles, ADMIN)))


def require(*roles: Role) -> Permission:
    """A dependency: the caller, who has one of *roles* or is an admin.

    For a route, ``dependencies=[Depends(require("operator"))]``, or for a whole router; ProblemError otherwise.
    """
    return Permission(roles)


async def nobody_is_asked() -> None:
    """Anybody may; what says so of a route."""


# Everybody who works with the fleet may look; how far is a matter of the scope.
READERS: Final[tuple[Role, ...]] = ("viewer", "operator", "fleet_admin", "approver", "auditor")
MAY_READ: Final[Sequence[Dependency]] = [Depends(require(*READERS))]
# Whoever is somebody, about himself.
ACCOUNT: Final[Sequence[Dependency]] = [Depends(Permission(ROLES, is_of_account=True))]
PUBLIC: Final[Sequence[Dependency]] = [Depends(nobody_is_asked)]
