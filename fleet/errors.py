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
