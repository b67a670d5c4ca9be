"""What can go wrong in the fleet's own work, for the operator.

TracefleetError
├── SheetError        a file that is no sheet at all: nothing in it can be checked row by row
├── KeyFileError      the installation's key is missing, or another one
├── AnchorFileError   the heads of the audit cannot be noted outside the database
├── BrokerError       the broker cannot be reached, or does not do what it is asked for
└── RefusedError      what was asked for is against a rule of the ledger; nothing was changed
    ├── UnknownEntryError     it names something that the ledger does not hold
    └── IllegalTransitionError     a state may not follow another; it knows which may
"""

from collections.abc import Sequence
from typing import NoReturn, Protocol

from store.errors import TracefleetError


class SheetError(TracefleetError):
    """A file that cannot be read as a sheet."""


class KeyFileError(TracefleetError):
    """A key file that cannot be used."""


class AnchorFileError(TracefleetError):
    """A file for the audit's heads that cannot be used."""


class BrokerError(TracefleetError):
    """A broker that cannot be reached, or does not do what it is asked for."""


class RefusedError(TracefleetError):
    """A change that a rule of the ledger forbids: the sentence says which and what to do. Nothing was changed."""


class UnknownEntryError(RefusedError):
    """A number or name that the ledger does not hold."""


class IllegalTransitionError(RefusedError):
    """A state that may not follow the present one."""

    def __init__(self, sentence: str, *, state: str, allowed: Sequence[str]) -> None:
        super().__init__(sentence)
        self.state = state
        self.allowed = tuple(allowed)


class Complaint(Protocol):
    """What is wrong with one thing that was asked for, as the reports of moves and of cases tell it."""

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do."""

    @property
    def unknown(self) -> bool:
        """Whether it names what the ledger does not hold."""

    @property
    def state(self) -> str | None:
        """The present state, where another may not follow it."""

    @property
    def allowed(self) -> Sequence[str]:
        """Those that may."""


def refuse(subject: str, complaints: Sequence[Complaint]) -> NoReturn:
    """Raise RefusedError, of the sort of the first of *complaints*, with all their sentences about *subject*."""
    first, sentence = complaints[0], "; ".join(complaint.sentence for complaint in complaints)
    text = f"{subject}: {sentence}." if subject else f"{sentence}."
    if first.unknown:
        raise UnknownEntryError(text)
    if first.state is not None:
        raise IllegalTransitionError(text, state=first.state, allowed=first.allowed)
    raise RefusedError(text)
