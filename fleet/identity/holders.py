"""The devices that may be given something to prove themselves by: those of the ledger that are not retired."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from fleet.errors import RefusedError, UnknownEntryError

# How many numbers a sentence names.
SHOWN: Final = 5
LONGEST: Final = timedelta(days=36_500)

# Until our commit nobody retires them: what is given is then either refused here or revoked with the retirement.
HOLD: Final = """
SELECT device_no, device_id,
       CASE WHEN is_retired(state, decommissioned_at)
            THEN CASE WHEN state IN ('disposed', 'lost') THEN state ELSE 'decommissioned' END END AS retired
FROM devices WHERE device_no = ANY(%(device_nos)s) ORDER BY device_id FOR SHARE
"""
FIND: Final = "SELECT device_id FROM devices WHERE device_no = %(device_no)s"

SITES: Final = "SELECT site_no FROM sites WHERE site_no = ANY(%(wanted)s)"
KINDS: Final = "SELECT kind FROM kinds WHERE kind = ANY(%(wanted)s)"
CHOOSE: Final = """
SELECT d.device_no FROM devices AS d JOIN sites AS s USING (site_id) JOIN models AS m USING (model_id)
WHERE NOT is_retired(d.state, d.decommissioned_at)
  AND (%(site_nos)s::text[] IS NULL OR s.site_no = ANY(%(site_nos)s))
  AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)
  AND NOT (%(has_none)s AND EXISTS (
      SELECT FROM credentials AS c
      WHERE c.device_id = d.device_id AND c.kind = 'password' AND c.revoked_at IS NULL
        AND (c.expires_at IS NULL OR c.expires_at > %(now)s)))
ORDER BY d.device_no
"""


def hold(connection: Connection[Any], device_nos: Sequence[str]) -> dict[str, int]:
    """The ids of devices by number, which stay as they are until the transaction ends.

    Raises UnknownEntryError when the ledger has not all of them, RefusedError when one is retired.
    """
    rows = connection.execute(HOLD, {"device_nos": list(device_nos)}).fetchall()
    found = {device_no: device_id for device_no, device_id, _ in rows}
    unknown = [device_no for device_no in device_nos if device_no not in found]
    if unknown:
        raise UnknownEntryError(f"The ledger has no device {_named(unknown)}.")
    retired = [f"{device_no} ({how})" for device_no, _, how in rows if how is not None]
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


@dataclass(frozen=True, slots=True)
class Choice:
    """Which devices are meant; None does not narrow."""

    site_nos: Sequence[str] | None = None
    kind: str | None = None
    has_none: bool = True


def choose(connection: Connection[Any], choice: Choice, *, now: datetime) -> list[str]:
    """The numbers of devices that are not retired, in their order; those without a good password only, if so meant.

    Raises UnknownEntryError when a site or kind is none of the ledger's.
    """
    for what, known, wanted in (("site", SITES, choice.site_nos), ("kind", KINDS, choice.kind and [choice.kind])):
        found = {row[0] for row in connection.execute(known, {"wanted": list(wanted or [])})}
        if unknown := [name for name in wanted or () if name not in found]:
            raise UnknownEntryError(f"The ledger has no {what} {_named(unknown)}.")
    given = {"site_nos": choice.site_nos, "kind": choice.kind, "has_none": choice.has_none, "now": now}
    return [row[0] for row in connection.execute(CHOOSE, given)]
