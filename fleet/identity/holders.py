"""The devices that may be given something to prove themselves by: those of the ledger that are not retired."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from fleet.errors import RefusedError, UnknownEntryError

RETIRED: Final = ("disposed", "lost")
# How many numbers a sentence names.
SHOWN: Final = 5
LONGEST: Final = timedelta(days=36_500)

# Until our commit nobody retires them: what is given is then either refused here or revoked with the retirement.
HOLD: Final = """
SELECT device_no, device_id, state FROM devices WHERE device_no = ANY(%(device_nos)s) ORDER BY device_id FOR SHARE
"""
FIND: Final = "SELECT device_id FROM devices WHERE device_no = %(device_no)s"


def hold(connection: Connection[Any], device_nos: Sequence[str]) -> dict[str, int]:
    """The ids of devices by number, which stay as they are until the transaction ends.

    Raises UnknownEntryError when the ledger has not all of them, RefusedError when one is retired.
    """
    rows = connection.execute(HOLD, {"device_nos": list(device_nos)}).fetchall()
    found = {device_no: device_id for device_no, device_id, _ in rows}
    unknown = [device_no for device_no in device_nos if device_no not in found]
    if unknown:
        raise UnknownEntryError(f"The ledger has no device {_named(unknown)}.")
    retired = [f"{device_no} ({state})" for device_no, _, state in rows if state in RETIRED]
    if retired:
        raise RefusedError(f"A retired device gets no credential any more: {_named(retired)}.")
    return found


def find(connection: Connection[Any], device_no: str) -> int:
    """The id of a device in any state. Raises UnknownEntryError."""
    row = connection.execute(FIND, {"device_no": device_no}).fetchone()
    if row is None:
        raise UnknownEntryError(f"The ledger has no device {device_no}.")
    return int(row[0])


def end_of(span: timedelta | None, now: datetime) -> datetime | None:
    """When something ends that is good for *span* from *now*; None is no end. Raises RefusedError for no such span."""
    if span is None:
        return None
    if not timedelta() < span <= LONGEST:
        raise RefusedError(f"A time to be good for is more than nothing and at most {LONGEST.days} days.")
    return now + span


def _named(what: Sequence[str]) -> str:
    more = len(what) - SHOWN
    return ", ".join(what[:SHOWN]) + (f" and {more} more" if more > 0 else "")
