"""Programmes: make, change and end them, and read them as they were on any day.

What a programme is about stays as it is once it has begun: figures that were reported would not come out again. Change
within :func:`fleet.acting.acting`.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.audit.history import end_of
from fleet.errors import RefusedError, UnknownEntryError
from fleet.ledger.words import SITE_KINDS

_NUMBER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_REGION: Final = re.compile(r"[0-9]{2}|[0-9]{4}|[0-9]{6}", re.ASCII)
# What its figures go by, and what may be another after it began.
OF_THE_SCOPE: Final = ("region_code", "kinds", "site_kinds", "begins_on")
CHANGEABLE: Final = ("name_zh", "name_en", "due_on", "target", "basis")
# No programme of this system is of another time; what is typed so is a slip.
_EARLIEST: Final = date(2000, 1, 1)
_LATEST: Final = date(2100, 1, 1)

# The next change of a row knows what it was before; where there was none since, the row itself does.
READ: Final = """
SELECT r.programme_id, r.programme_no, r.name_zh, r.name_en, r.region_code, r.kinds, r.site_kinds, r.begins_on,
       r.due_on, r.target, r.basis, r.ended_on
FROM programmes AS p
CROSS JOIN LATERAL jsonb_populate_record(p, coalesce(
    (SELECT (array_agg(coalesce(a.before, a.after) ORDER BY a.audit_id))[1] FROM audit AS a
     WHERE a.entity = 'programmes' AND a.label = p.programme_no AND a.at >= %(end)s::timestamptz),
    to_jsonb(p))) AS r
WHERE (%(programme_no)s::text IS NULL OR p.programme_no = %(programme_no)s)
  AND (%(after)s::text IS NULL OR p.programme_no > %(after)s)
ORDER BY p.programme_no LIMIT %(rows)s
"""
TAKE: Final = """
SELECT programme_id, programme_no, name_zh, name_en, region_code, kinds, site_kinds, begins_on, due_on, target, basis,
       ended_on
FROM programmes WHERE programme_no = %(programme_no)s FOR UPDATE
"""
UNKNOWN_KINDS: Final = """
SELECT u.kind FROM unnest(%(kinds)s::text[]) AS u (kind) LEFT JOIN kinds AS k USING (kind) WHERE k.kind IS NULL
"""
CREATE: Final = """
INSERT INTO programmes
    (programme_no, name_zh, name_en, region_code, kinds, site_kinds, begins_on, due_on, target, basis)
VALUES (%(programme_no)s, %(name_zh)s, %(name_en)s, %(region_code)s, %(kinds)s, %(site_kinds)s, %(begins_on)s,
        %(due_on)s, %(target)s, %(basis)s)
ON CONFLICT (programme_no) DO NOTHING
RETURNING programme_id
"""
CHANGE: Final = """
UPDATE programmes SET name_zh = %(name_zh)s, name_en = %(name_en)s, region_code = %(region_code)s, kinds = %(kinds)s,
       site_kinds = %(site_kinds)s, begins_on = %(begins_on)s, due_on = %(due_on)s,
       target = %(target)s, basis = %(basis)s, updated_at = now()
WHERE programme_no = %(programme_no)s
"""
END: Final = "UPDATE programmes SET ended_on = %(day)s, updated_at = now() WHERE programme_no = %(programme_no)s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """A campaign: devices of *kinds* in *region_code* and below, at *site_kinds* (none: at all), by *due_on*.

    *target* is how many of them are to go; None: all. *programme_id* is 0 until it is made.
    """

    programme_no: str
    name_zh: str
    name_en: str
    region_code: str
    kinds: tuple[str, ...]
    site_kinds: tuple[str, ...] = ()
    begins_on: date
    due_on: date
    target: int | None = None
    basis: str | None = None
    ended_on: date | None = None
    programme_id: int = 0

    def judged_on(self, day: date) -> date:
        """The day whose figures are those of *day*: after its end nothing moves any more."""
        return day if self.ended_on is None else min(day, self.ended_on)


def programmes(
    connection: Connection[Any], day: date, *, after: str | None = None, rows: int = 1000
) -> list[Programme]:
    """Those there are, as they were at the end of *day*, in the order of their numbers."""
    return _read(connection, day, None, after, rows)


def programme(connection: Connection[Any], programme_no: str, day: date) -> Programme:
    """The programme as it was at the end of *day*; one made later, as it was made. Raises UnknownEntryError."""
    found = _read(connection, day, programme_no, None, 1)
    if not found:
        raise _unknown(programme_no)
    return found[0]


def create(connection: Connection[Any], new: Programme) -> Programme:
    """The programme, made. Raises RefusedError with all that is wrong with it."""
    _require_sound(connection, new)
    made = connection.execute(CREATE, _row(new)).fetchone()
    if made is None:
        raise RefusedError(f"there is a programme {new.programme_no} already: give another number, or change that one.")
    return programme_of(asdict(new) | {"programme_id": made[0]})


def change(connection: Connection[Any], programme_no: str, fields: Mapping[str, Any], *, today: date) -> Programme:
    """The programme with *fields* changed. Raises UnknownEntryError; RefusedError when it may not be."""
    before = _taken(connection, programme_no)
    if before.ended_on is not None:
        raise RefusedError(f"the programme {programme_no} ended on {before.ended_on}: make another one.")
    after = programme_of(asdict(before) | dict(fields))
    moved = [name for name in OF_THE_SCOPE if getattr(before, name) != getattr(after, name)]
    if moved and before.begins_on <= today:
        raise RefusedError(
            f"{', '.join(moved)} cannot change after the programme {programme_no} began ({before.begins_on}): its past "
            f"figures would no longer be those that were reported. End it, and make another one."
        )
    _require_sound(connection, after)
    connection.execute(CHANGE, _row(after))
    return after


def end(connection: Connection[Any], programme_no: str, *, today: date) -> Programme:
    """The programme, ended with *today*: that day's figures stay its last. Raises as :func:`change` does."""
    before = _taken(connection, programme_no)
    if before.ended_on is not None:
        raise RefusedError(f"the programme {programme_no} ended on {before.ended_on} already.")
    if today < before.begins_on:
        raise RefusedError(f"the programme {programme_no} begins on {before.begins_on}: change its days instead.")
    connection.execute(END, {"programme_no": programme_no, "day": today})
    return programme_of(asdict(before) | {"ended_on": today})


def require_past(day: date, *, today: date) -> None:
    """Raise RefusedError when there are no figures of *day*, because it is still to come or before any ledger."""
    if not _EARLIEST <= day <= today:
        raise RefusedError(f"there are no figures of {day}: name a day from {_EARLIEST} to today ({today}).")


def programme_of(row: Mapping[str, Any]) -> Programme:
    """The programme in a row."""
    return Programme(**dict(row) | {name: tuple(row[name] or ()) for name in ("kinds", "site_kinds")})


def _read(
    connection: Connection[Any], day: date, programme_no: str | None, after: str | None, rows: int
) -> list[Programme]:
    parameters = {"end": end_of(day), "programme_no": programme_no, "after": after, "rows": rows}
    with connection.cursor(row_factory=dict_row) as cursor:
        return [programme_of(row) for row in cursor.execute(READ, parameters)]


def _taken(connection: Connection[Any], programme_no: str) -> Programme:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(TAKE, {"programme_no": programme_no}).fetchone()
    if row is None:
        raise _unknown(programme_no)
    return programme_of(row)


def _unknown(programme_no: str) -> UnknownEntryError:
    return UnknownEntryError(f"no programme has the number {programme_no!r}: see the list for those there are.")


def _row(of: Programme) -> dict[str, Any]:
    return asdict(of) | {"kinds": list(of.kinds), "site_kinds": list(of.site_kinds)}


def _require_sound(connection: Connection[Any], asked: Programme) -> None:
    wrong = _complaints(asked)
    unknown = [row[0] for row in connection.execute(UNKNOWN_KINDS, {"kinds": list(asked.kinds)})]
    if unknown:
        wrong.append(f"no kind of device is called {', '.join(unknown)}")
    if wrong:
        raise RefusedError(f"the programme {asked.programme_no} cannot stand so: {'; '.join(wrong)}.")


def _complaints(asked: Programme) -> list[str]:
    wrong = []
    if _NUMBER.fullmatch(asked.programme_no) is None:
        wrong.append("its number has 1 to 64 letters, digits, - and _")
    if _REGION.fullmatch(asked.region_code) is None:
        wrong.append("its region is two, four or six digits")
    if not asked.kinds:
        wrong.append("it names no kind of device")
    if asked.due_on <= asked.begins_on:
        wrong.append(f"it is due on {asked.due_on}, which has to be after {asked.begins_on}, when it begins")
    if asked.begins_on < _EARLIEST or asked.due_on > _LATEST:
        wrong.append(f"its days lie between {_EARLIEST} and {_LATEST}")
    if asked.target is not None and asked.target <= 0:
        wrong.append("its target is a number of devices, or none for all of them")
    strange = [kind for kind in asked.site_kinds if kind not in SITE_KINDS]
    if strange:
        wrong.append(f"no kind of site is called {', '.join(strange)}; they are {', '.join(SITE_KINDS)}")
    return wrong
