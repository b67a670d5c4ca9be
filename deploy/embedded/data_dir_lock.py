"""One ``tracefleet up`` a data folder: a lock the kernel releases however its holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from store.errors import TracefleetError

LOCK_FILE: Final = "up.lock"


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Hold *data_dir* (made if need be, readable by its owner alone) as long as the block runs.

    Raises TracefleetError when another process holds it, or when the folder cannot be made.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = _acquire(data_dir / LOCK_FILE)
    except OSError as error:
        raise TracefleetError(
            f"the data folder {data_dir} cannot be used: {error.strerror}. "
            f"Choose another with TRACEFLEET_DATA_DIR, or mend its permissions."
        ) from error
    try:
        yield
    finally:
        # Unlinked while it is held: nobody can lock it between the two and then find it gone.
        (data_dir / LOCK_FILE).unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode() or "unknown"
            os.close(descriptor)
            raise TracefleetError(
                f"another `tracefleet up` (process {holder}) runs on the data folder {path.parent}. "
                f"Stop it, or choose another folder with TRACEFLEET_DATA_DIR."
            ) from None
        if _is_at(path, descriptor):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor
        os.close(descriptor)  # its last holder removed it just now: the lock is on a file nobody will open again


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
