"""Files that people name on the command line."""

from pathlib import Path

from store.errors import TracefleetError


def content_of(file: Path) -> bytes:
    """All of *file*. Raises TracefleetError, with what to look at, when it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise TracefleetError(
            f"{file} cannot be read: {error.strerror}. Check the path and its permissions."
        ) from error
