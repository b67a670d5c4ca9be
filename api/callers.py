"""Who calls: the owner of the key in ``Authorization``, or the operator of this machine, who has no name of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final

from fastapi import Depends, Request

from api.keyring import Keyring
from api.problems import FORBIDDEN, UNAUTHENTICATED, ProblemError
from fleet.identity.api_keys import ANONYMOUS, Role

_SCHEME: Final = "bearer"
# May do whatever any role may.
_ALL: Final[Role] = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a name and roles; *key_id* of the key that was shown, None of who shows none."""

    name: str
    roles: frozenset[str]
    key_id: str | None = None

    def has(self, *roles: Role) -> bool:
        """Whether one of *roles* is the caller's, or the role that may everything."""
        return not self.roles.isdisjoint((*roles, _ALL))


def _is_here(request: Request) -> bool:
    """Whether it is asked from this machine. From elsewhere, whoever shows no key may look and change nothing."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


async def identify(request: Request) -> Caller:
    """The caller of *request*.

    Raises ProblemError: unauthenticated when it shows anything but one valid key; what a read raises when the database
    cannot be asked.
    """
    shown = request.headers.getlist("authorization")
    if not shown:
        return Caller(ANONYMOUS, frozenset({"operator"}) if _is_here(request) else frozenset())
    scheme, _, text = shown[0].partition(" ")
    if len(shown) > 1 or scheme.lower() != _SCHEME:
        raise ProblemError(UNAUTHENTICATED, "`Authorization` is not one `Bearer` with a key.")
    keyring: Keyring = request.app.state.keyring
    key = await keyring.key_of(text.strip())
    return Caller(key.name, key.roles, key.key_id)


CallerDep = Annotated[Caller, Depends(identify)]


def require(*roles: Role) -> Callable[[CallerDep], Awaitable[Caller]]:
    """A dependency: the caller, who has one of *roles* or is an admin.

    For a whole router, ``dependencies=[Depends(require("broker"))]``; it raises ProblemError, forbidden, otherwise. Its
    routes document FORBIDDEN.
    """

    async def required(caller: CallerDep) -> Caller:
        if not caller.has(*roles):
            raise ProblemError(FORBIDDEN, f"It needs a key with the role {' or '.join((*roles, _ALL))}.")
        return caller

    return required
