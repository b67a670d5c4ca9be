"""Who calls. Until there are accounts, whoever reaches the loopback is an operator without a name of its own."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a name and roles."""

    name: str
    roles: frozenset[str]


def _of() -> Caller:
    return Caller("anonymous", frozenset({"operator"}))


CallerDep = Annotated[Caller, Depends(_of)]
