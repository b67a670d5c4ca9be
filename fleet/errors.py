"""What can go wrong in the fleet's own work, for the operator.

TracefleetError
└── SheetError      a file that is no sheet at all: nothing in it can be checked row by row
"""

from store.errors import TracefleetError


class SheetError(TracefleetError):
    """A file that cannot be read as a sheet."""
