"""Drafts may be deleted; whatever was more than that is retired the lawful way, and its number never issued again."""

from typing import Any, Final

from psycopg import Connection

from fleet.errors import RefusedError, UnknownEntryError

# Before the row: an import takes the table first, and would wait for us crosswise.
TAKE_TABLE: Final = "LOCK TABLE devices IN ROW EXCLUSIVE MODE"
TAKE: Final = "SELECT state FROM devices WHERE device_no = %(device_no)s FOR UPDATE"
DELETE: Final = "DELETE FROM devices WHERE device_no = %(device_no)s"
TOMBSTONES: Final = """
SELECT t.device_no, t.state, t.retired_at, t.reason FROM tombstones AS t
WHERE %(after)s::text IS NULL OR t.device_no > %(after)s ORDER BY t.device_no LIMIT %(rows)s
"""


def delete_draft(connection: Connection[Any], device_no: str) -> None:
    """The draft of that number is gone. Raises UnknownEntryError, and RefusedError when it is no draft."""
    connection.execute(TAKE_TABLE)
    found = connection.execute(TAKE, {"device_no": device_no}).fetchone()
    if found is None:
        raise UnknownEntryError(f"{device_no} is not in the ledger: correct the number.")
    if found[0] != "draft":
        raise RefusedError(
            f"{device_no} is {found[0]}, and only a draft may be deleted: a device that was in the books leaves them "
            f"by recovery and disposal, or as lost. `tracefleet devices allowed {device_no}` says what may follow."
        )
    connection.execute(DELETE, {"device_no": device_no})
