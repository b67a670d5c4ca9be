"""Holds: why nothing may be done to a device for a while. An axis of its own; several may stand at a time.

Which steps a hold forbids is said in :mod:`fleet.lifecycle.states`. Place and lift within :func:`fleet.acting.acting`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError
from fleet.lifecycle.states import TERMINAL

HoldKind = Literal["evidence", "dispute", "maintenance", "inspection"]

# Before the row: an import takes the table first, and would wait for us crosswise.
TAKE_TABLE: Final = "LOCK TABLE device_holds IN ROW EXCLUSIVE MODE"
# A step of its life takes the same lock, so none passes by a hold that is being placed.
TAKE: Final = "SELECT device_id, state FROM devices WHERE device_no = %(device_no)s FOR NO KEY UPDATE"
PLACE: Final = """
INSERT INTO device_holds (device_id, kind, reason, document, ends_at)
VALUES (%(device_id)s, %(kind)s, %(reason)s, %(document)s, %(ends_at)s)
RETURNING hold_id, kind, reason, document, begins_at, ends_at
"""
ENDED: Final = """
SELECT ends_at <= now() FROM device_holds WHERE device_id = %(device_id)s AND hold_id = %(hold_id)s
"""
LIFT: Final = """
UPDATE device_holds SET ends_at = now(), updated_at = now() WHERE hold_id = %(hold_id)s
RETURNING hold_id, kind, reason, document, begins_at, ends_at
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold in force from *begins_at* until *ends_at*, or until it is lifted."""

    hold_id: int
    kind: HoldKind
    reason: str
    document: str | None
    begins_at: datetime
    ends_at: datetime | None


def place(
    connection: Connection[Any],
    device_no: str,
    kind: HoldKind,
    *,
    reason: str,
    document: str | None = None,
    ends_at: datetime | None = None,
) -> Hold:
    """The hold, from now on. Raises UnknownEntryError; RefusedError for a device that has left for good."""
    device_id, state = _take(connection, device_no)
    if state in TERMINAL:
        raise RefusedError(f"{device_no} is {state}: nothing can be done to it, so there is nothing to hold.")
    row = {"device_id": device_id, "kind": kind, "reason": reason, "document": document, "ends_at": ends_at}
    now = connection.execute("SELECT now()").fetchone()
    if ends_at is not None and now is not None and ends_at <= now[0]:
        raise RefusedError(f"a hold that ends at {ends_at:%Y-%m-%dT%H:%M:%SZ} would be over: give a time to come.")
    return _hold(connection, PLACE, row)


def lift(connection: Connection[Any], device_no: str, hold_id: int) -> Hold:
    """The hold, ended now; its row stays. Raises UnknownEntryError; RefusedError when it is over already."""
    device_id, _ = _take(connection, device_no)
    found = connection.execute(ENDED, {"device_id": device_id, "hold_id": hold_id}).fetchone()
    if found is None:
        raise UnknownEntryError(f"{device_no} has no hold with the number {hold_id}.")
    if found[0]:
        raise RefusedError(f"the hold {hold_id} of {device_no} is over already.")
    return _hold(connection, LIFT, {"hold_id": hold_id})


def _take(connection: Connection[Any], device_no: str) -> tuple[int, str]:
    connection.execute(TAKE_TABLE)
    found = connection.execute(TAKE, {"device_no": device_no}).fetchone()
    if found is None:
        raise UnknownEntryError(f"no device has the number {device_no!r}.")
    return found[0], found[1]


def _hold(connection: Connection[Any], query: str, parameters: Mapping[str, object]) -> Hold:
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        made = cursor.execute(query.encode(), parameters).fetchone()
    assert made is not None  # noqa: S101 - RETURNING of one row, locked above
    return made
