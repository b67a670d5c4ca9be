"""The audit read over one connection, for commands; :mod:`fleet.audit.history` has the queries and their meaning."""

from collections.abc import Mapping
from datetime import date
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.audit.differences import referred_to
from fleet.audit.history import (
    FIRST_OF_DEVICE,
    FIRST_PAGE,
    HISTORY,
    LIST,
    NAMES_NOW,
    NAMES_THEN,
    OF_DEVICES,
    ON_DAY,
    Change,
    changes_of,
    end_of,
    names_of,
    state_of,
    wanted,
    wanted_by,
    why_unknown,
)
from fleet.errors import UnknownEntryError

Rows = list[dict[str, Any]]


def list_changes(connection: Connection[Any], filters: Mapping[str, object], *, rows: int) -> list[Change]:
    """The last changes that match, the newest first. *filters* are those of LIST; what is left out does not filter."""
    every = dict.fromkeys(("entity", "label", "actor", "operation", "since", "until"))
    found = _fetch(connection, LIST, {**every, **filters, "below": FIRST_PAGE, "rows": rows})
    return changes_of(found, names_of(_fetch(connection, NAMES_NOW, wanted_by(found))))


def history_of(connection: Connection[Any], device_no: str, *, rows: int) -> list[Change]:
    """The last changes of a device and of what hangs on it, the newest first.

    Raises UnknownEntryError when no device ever had the number.
    """
    parameters = {"device_no": device_no, "of_devices": list(OF_DEVICES), "below": FIRST_PAGE, "rows": rows}
    found = _fetch(connection, HISTORY, parameters)
    if not found:
        raise UnknownEntryError(f"No device ever had the number {device_no!r}. Numbers are case-sensitive.")
    return changes_of(found, names_of(_fetch(connection, NAMES_NOW, wanted_by(found))))


def state_on(connection: Connection[Any], device_no: str, day: date) -> dict[str, Any]:
    """The fields of a device as they were at the end of *day*, what it refers to by the numbers of then.

    Raises UnknownEntryError when the audit does not tell, with the reason.
    """
    at = {"device_no": device_no, "end": end_of(day)}
    last = next(iter(_fetch(connection, ON_DAY, at)), None)
    if last is None or last["after"] is None:
        first = next(iter(_fetch(connection, FIRST_OF_DEVICE, at)), None)
        raise UnknownEntryError(why_unknown(device_no, day, last, first))
    pairs = wanted(set(referred_to("devices", [last["after"]])))
    now = names_of(_fetch(connection, NAMES_NOW, pairs))
    then = names_of(_fetch(connection, NAMES_THEN, {**pairs, "end": at["end"]}))
    return state_of(last, {**now, **then})


def _fetch(connection: Connection[Any], query: LiteralString, parameters: Mapping[str, object]) -> Rows:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()
