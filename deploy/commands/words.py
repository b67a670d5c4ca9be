"""Options that take a word of a list: an unknown one is refused with those there are, rather than finding nothing."""

from collections.abc import Callable, Collection

import typer

from fleet.ledger.words import DEVICE_KINDS
from fleet.obsolescence.rules import RULES
from fleet.retirement.states import STATES


def one_of(what: str, words: Collection[str]) -> Callable[[str | None], str | None]:
    """A callback of an option that takes one of *words*, or none."""

    def taken(given: str | None) -> str | None:
        if given is not None and given not in words:
            raise typer.BadParameter(f"there is no {what} {given!r}; there are {', '.join(words)}")
        return given

    return taken


known_kind = one_of("kind", DEVICE_KINDS)
known_rule = one_of("rule", RULES)
known_state = one_of("state", STATES)
