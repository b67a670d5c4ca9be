"""Reading the audit: who changed what and when, the history of a device, and what it was at the end of a day.

The queries are here for every reader; :func:`changes_of` and :func:`state_of` turn their rows into what is shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from fleet.audit.differences import Difference, Names, differences, fields_of, referred_to
from fleet.business_day import SHANGHAI
from fleet.ledger.nouns_devices import DEVICES

# A day is one of the place where the devices stand.
FIRST_PAGE: Final = 2**63 - 1
# What hangs on a device and is labelled with its id.
OF_DEVICES: Final = ("device_responsibilities", "device_holds", "credentials", "enrolments")

_COLUMNS: Final = """
a.audit_id, a.at, a.actor, a.origin, a.reason, a.operation, a.db_user, a.action, a.entity, a.label, a.before, a.after,
s.seal_no
"""
LIST: Final = f"""
SELECT {_COLUMNS}
FROM audit AS a LEFT JOIN audit_seals AS s USING (audit_id)
WHERE a.audit_id < %(below)s
  AND (%(entity)s::text IS NULL OR a.entity = %(entity)s)
  AND (%(label)s::text IS NULL OR a.label = %(label)s)
  AND (%(actor)s::text IS NULL OR a.actor = %(actor)s)
  AND (%(operation)s::uuid IS NULL OR a.operation = %(operation)s)
  AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR a.at < %(until)s)
ORDER BY a.audit_id DESC LIMIT %(rows)s
"""  # noqa: S608 - a constant in a constant
# Also of a device that was deleted, and of each that had the number.
HISTORY: Final = f"""
WITH own AS (SELECT DISTINCT entity_id FROM audit WHERE entity = 'devices' AND label = %(device_no)s),
chosen AS (
    SELECT audit_id FROM audit WHERE entity = 'devices' AND label = %(device_no)s
    UNION ALL
    -- '0' follows '/': what lies between the two begins with the id and a stroke.
    SELECT hanging.audit_id FROM own JOIN audit AS hanging
      ON hanging.entity = ANY(%(of_devices)s)
     AND hanging.label ~>=~ (own.entity_id || '/') AND hanging.label ~<~ (own.entity_id || '0')
)
SELECT {_COLUMNS}
FROM chosen JOIN audit AS a USING (audit_id) LEFT JOIN audit_seals AS s USING (audit_id)
WHERE a.audit_id < %(below)s
ORDER BY a.audit_id DESC LIMIT %(rows)s
"""  # noqa: S608 - as above
# The last row written by then. *at* is when its transaction began.
ON_DAY: Final = """
SELECT a.audit_id, a.at, a.action, a.after
FROM audit AS a WHERE a.entity = 'devices' AND a.label = %(device_no)s AND a.at < %(end)s
ORDER BY a.audit_id DESC LIMIT 1
"""
FIRST_OF_DEVICE: Final = """
SELECT a.at, a.action, a.after->>'created_at' AS created_at
FROM audit AS a WHERE a.entity = 'devices' AND a.label = %(device_no)s ORDER BY a.audit_id LIMIT 1
"""
# What people call rows today. The numbers of entries do not change in the ordinary way.
NAMES_NOW: Final = """
SELECT w.entity, w.id, coalesce(d.device_no, t.site_no, m.model_no, c.merchant_code, p.party_no) AS name
FROM unnest(%(entities)s::text[], %(ids)s::text[]) AS w (entity, id)
LEFT JOIN devices AS d ON w.entity = 'devices' AND d.device_id = w.id::bigint
LEFT JOIN sites AS t ON w.entity = 'sites' AND t.site_id = w.id::bigint
LEFT JOIN models AS m ON w.entity = 'models' AND m.model_id = w.id::bigint
LEFT JOIN merchants AS c ON w.entity = 'merchants' AND c.merchant_id = w.id::bigint
LEFT JOIN parties AS p ON w.entity = 'parties' AND p.party_id = w.id::bigint
"""
# What they called them then, and of what is gone since.
NAMES_THEN: Final = """
SELECT DISTINCT ON (w.entity, w.id) w.entity, w.id, a.label AS name
FROM unnest(%(entities)s::text[], %(ids)s::text[]) AS w (entity, id)
JOIN audit AS a ON a.entity = w.entity AND a.entity_id = w.id AND a.at < %(end)s
ORDER BY w.entity, w.id, a.audit_id DESC
"""
# A row of JSON has its fields by the length of their names. What one looks for first comes first, then the groups of
# the sheet, as the API's device has them; what the sheet does not have comes last.
_FIRST: Final = ("device_no", "state", "state_since", "model_no", "site_no")
_PLACES: Final = {
    name: place
    for place, name in enumerate(
        dict.fromkeys(
            (*_FIRST, *(name for one in DEVICES.columns for name in (one.name, one.stored, f"{one.name}_masked")))
        )
    )
}


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the audit, as shown. *seal_no* is None while it waits for its seal."""

    audit_id: int
    at: datetime
    actor: str
    origin: str
    reason: str | None
    operation: UUID | None
    db_user: str
    action: str
    entity: str
    label: str
    seal_no: int | None
    differences: list[Difference]


def end_of(day: date) -> datetime:
    """The first instant after *day* where the devices stand. Raises ValueError on the last day of the calendar."""
    try:
        return datetime.combine(day + timedelta(days=1), time.min, SHANGHAI)
    except OverflowError:
        raise ValueError("the calendar ends there") from None


def wanted_by(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The parameters of NAMES_NOW for rows of LIST or HISTORY."""
    return wanted({pair for row in rows for pair in referred_to(row["entity"], (row["before"], row["after"]))})


def wanted(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The parameters of NAMES_NOW and NAMES_THEN for what is named by its id."""
    ordered = sorted(pairs)
    return {"entities": [entity for entity, _ in ordered], "ids": [entry for _, entry in ordered]}


def names_of(rows: Iterable[Mapping[str, Any]]) -> Names:
    """The names in rows of NAMES_NOW or NAMES_THEN."""
    return {(row["entity"], row["id"]): row["name"] for row in rows if row["name"] is not None}


def changes_of(rows: Sequence[Mapping[str, Any]], names: Names) -> list[Change]:
    """The changes in rows of LIST or HISTORY."""
    shown = []
    for row in rows:
        rest = {name: value for name, value in row.items() if name not in ("before", "after")}
        told = differences(row["entity"], row["before"], row["after"], names)
        shown.append(Change(**rest, differences=told))
    return shown


def state_of(row: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """The device in a row of ON_DAY, which is not of a deletion; its fields in the groups of the ledger's sheet."""
    fields = fields_of("devices", row["after"], names)
    return dict(sorted(fields.items(), key=lambda field: _PLACES.get(field[0], len(_PLACES))))


def why_unknown(device_no: str, day: date, last: Mapping[str, Any] | None, first: Mapping[str, Any] | None) -> str:
    """Why the audit tells no state of that day: rows of ON_DAY and FIRST_OF_DEVICE, where there are any."""
    if last is not None:
        return f"Device {device_no} was deleted from the ledger on {last['at'].astimezone(SHANGHAI):%Y-%m-%d}."
    if first is None:
        return f"No device ever had the number {device_no!r}."
    begins = f"{first['at'].astimezone(SHANGHAI):%Y-%m-%d}"
    if first["action"] == "baseline":
        return f"The audit began on {begins}, after {day}; what device {device_no} was before is not recorded."
    return f"Device {device_no} came into the ledger on {begins}, after {day}."
