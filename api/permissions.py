"""Deny by default: what each route of an application declares about who may, and that none declares nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from api.callers import Permission, nobody_is_asked
from fleet.identity.roles import ROLES, Role

_READING: Final = frozenset({"GET", "HEAD"})


class UndeclaredError(Exception):
    """A route says nothing, or two things, about who may; it is a mistake in the code."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a route declares: the roles that may, or None when anybody may."""

    path: str
    methods: frozenset[str]
    roles: tuple[Role, ...] | None
    in_schema: bool

    @property
    def told(self) -> str | list[str]:
        """As OpenAPI tells it."""
        return "public" if self.roles is None else list(self.roles)


def check(app: FastAPI) -> None:
    """Raise UndeclaredError when a route of *app* does not say who may, or lets mere viewers change something."""
    for declared in all_of(app):
        changes = not declared.methods <= _READING
        of_everybody = declared.roles is None or set(declared.roles) == set(ROLES)
        if changes and not of_everybody and "viewer" in (declared.roles or ()):
            raise UndeclaredError(f"{declared.path}: a viewer could change something")


def all_of(app: FastAPI) -> Iterator[Declared]:
    """What every route of *app* declares. Raises UndeclaredError."""
    for route in iter_route_contexts(app.routes):
        yield declared_by(route)


def declared_by(route: RouteContext) -> Declared:
    """What *route* declares. Raises UndeclaredError."""
    path = str(route.path)
    dependant = getattr(route, "dependant", None)
    found = list(_within(dependant)) if isinstance(dependant, Dependant) else []
    if len(found) != 1:
        raise UndeclaredError(f"{path}: it declares {len(found)} permissions, and has to declare one: api.callers")
    return Declared(path, frozenset(route.methods or ()), found[0], bool(getattr(route, "include_in_schema", False)))


def _within(dependant: Dependant) -> Iterator[tuple[Role, ...] | None]:
    """The permissions among the dependencies, those of dependencies included."""
    for one in dependant.dependencies:
        if isinstance(one.call, Permission):
            yield one.call.told
        elif one.call is nobody_is_asked:
            yield None
        yield from _within(one)
