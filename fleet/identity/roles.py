"""What callers may be: the words of the contract, and what one who lends his rights can lend. Pure."""

from typing import Final, Literal, get_args

Role = Literal["viewer", "operator", "fleet_admin", "approver", "auditor", "admin", "broker", "gateway"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
# May do whatever any role may.
ADMIN: Final[Role] = "admin"
# Of programs alone: a broker asks who may connect, a gateway sends telemetry, and neither may anything else.
MACHINES: Final[frozenset[str]] = frozenset({"broker", "gateway"})
# Of people.
PEOPLE: Final[tuple[Role, ...]] = tuple(role for role in ROLES if role not in MACHINES)
# The name of whoever shows nothing: a key or a user of that name could hide among them.
ANONYMOUS: Final = "anonymous"


def of_machines(roles: frozenset[str]) -> bool:
    """Whether somebody with *roles* is a program that can do nothing but its one thing."""
    return bool(roles) and roles <= MACHINES


def roles_within(roles: frozenset[str], owner_roles: frozenset[str]) -> frozenset[str]:
    """Of the *roles* of a key those that its owner has himself; an admin has all.

    A machine's role is no more than any of its owner's, so it stays with the key of anybody who still has one.
    """
    return roles if ADMIN in owner_roles else roles & (owner_roles | MACHINES)
