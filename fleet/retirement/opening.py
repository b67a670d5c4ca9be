"""Cases opened: from the flag of a device, or by hand with a reason. Their grounds are frozen here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from fleet.business_day import today
from fleet.lifecycle.device import take as take_devices
from fleet.lifecycle.states import TERMINAL
from fleet.retirement.reading import DAYS
from fleet.retirement.recording import Taken, record
from fleet.retirement.report import Changed, Complaint, Report
from fleet.retirement.states import path_of

CANDIDATES: Final = """
SELECT d.device_id, d.device_no, d.state, d.owner_type, f.flag_id, f.flagged_at, o.case_no AS open_case_no,
       k.kept_until, k.state_since AS kept_at
FROM devices AS d
LEFT JOIN flags AS f ON f.device_id = d.device_id AND f.ended_at IS NULL
LEFT JOIN cases AS o ON o.device_id = d.device_id
    AND NOT is_over(o.state)
LEFT JOIN LATERAL (
    SELECT c.kept_until, c.state_since FROM cases AS c WHERE c.device_id = d.device_id AND c.state = 'kept'
    ORDER BY c.case_id DESC LIMIT 1) AS k ON true
WHERE d.device_no = ANY(%(device_nos)s::text[])
"""
# The flag's findings; of devices without one, those that are open.
GROUNDS: Final = """
SELECT g.device_id, jsonb_build_object(
           'finding_id', g.finding_id, 'rule', g.rule, 'rule_version', g.rule_version, 'weight', g.weight,
           'is_mandatory', g.is_mandatory, 'found_on', g.found_on, 'window_from', g.window_from,
           'window_to', g.window_to, 'numbers', g.numbers, 'sentence_zh', g.sentence_zh, 'sentence_en', g.sentence_en)
FROM findings AS g
LEFT JOIN flags AS f ON f.device_id = g.device_id AND f.ended_at IS NULL
WHERE g.device_id = ANY(%(device_ids)s::int4[])
  AND (g.finding_id = ANY(f.findings) OR (f.flag_id IS NULL AND g.cleared_at IS NULL))
ORDER BY g.device_id, g.finding_id
"""
PROGRAMMES: Final = """
SELECT programme_no, programme_id FROM programmes WHERE programme_no = ANY(%(programme_nos)s::text[])
"""
# The number has the id in it, so the id is drawn first, and once.
OPEN: Final = """
WITH drawn AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('cases', 'case_id'))::int4 AS case_id, o.*
    FROM unnest(%(device_id)s::int4[], %(flag_id)s::int4[], %(programme_id)s::int4[], %(path)s::text[],
                %(grounds)s::jsonb[]) AS o (device_id, flag_id, programme_id, path, grounds)
)
INSERT INTO cases (case_id, case_no, device_id, flag_id, programme_id, path, state, state_since, grounds, due_on,
                   opened_by)
OVERRIDING SYSTEM VALUE
SELECT case_id, concat('RC-', %(year)s::text, '-', lpad(case_id::text, 6, '0')), device_id, flag_id, programme_id, path,
       'opened', %(now)s, grounds, %(due_on)s, acting_as()
FROM drawn
RETURNING case_id, case_no, device_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A case to be opened. *by_hand*: for its *reason*, whatever flag the device may have."""

    device_no: str
    reason: str = ""
    programme_no: str | None = None
    by_hand: bool = False
    row: int = 1


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A device, and what there is about it already."""

    device_id: int
    device_no: str
    state: str
    owner_type: str | None
    flag_id: int | None
    flagged_at: datetime | None
    open_case_no: str | None
    kept_until: date | None
    kept_at: datetime | None


def open_case(
    connection: Connection[Any],
    device_no: str,
    *,
    now: datetime,
    reason: str = "",
    programme_no: str | None = None,
    by_hand: bool = False,
) -> Changed:
    """The new case of a device. Raises UnknownEntryError; RefusedError, which says what is to be done first."""
    opening = Opening(device_no=device_no, reason=reason, programme_no=programme_no, by_hand=by_hand)
    [changed] = open_cases(connection, [opening], now=now, apply=True).settle().changed
    return changed


def open_cases(connection: Connection[Any], openings: Sequence[Opening], *, now: datetime, apply: bool) -> Report:
    """What *openings* come to; with *apply*, and when nothing is wrong with any, their cases are opened.

    A device with a flag has its findings as grounds; one without needs a reason.
    """
    numbers = sorted({opening.device_no for opening in openings})
    if apply:
        take_devices(connection, numbers)
    with connection.cursor(row_factory=class_row(_Candidate)) as cursor:
        found = {one.device_no: one for one in cursor.execute(CANDIDATES, {"device_nos": numbers})}
    programmes = _programmes(connection, openings)
    complaints, good, rows = [], [], dict[str, int]()
    for opening in openings:
        wrong = list(_wrong(opening, found.get(opening.device_no), programmes, rows, today(now)))
        rows.setdefault(opening.device_no, opening.row)
        complaints += wrong
        if not wrong:
            good.append(opening)
    report = Report("open", len(openings), tuple(_shown(opening, "") for opening in good), tuple(complaints))
    if not apply or not report.is_good:
        return report
    numbered = _open(connection, good, found, programmes, now=now)
    return replace(report, changed=tuple(_shown(one, numbered[one.device_no]) for one in good), applied=True)


def _shown(opening: Opening, case_no: str) -> Changed:
    return Changed(opening.row, case_no, opening.device_no, None, "opened")


def _programmes(connection: Connection[Any], openings: Sequence[Opening]) -> dict[str, int]:
    numbers = list({opening.programme_no for opening in openings if opening.programme_no})
    return dict(connection.execute(PROGRAMMES, {"programme_nos": numbers}).fetchall()) if numbers else {}


def _wrong(
    opening: Opening,
    device: _Candidate | None,
    programmes: Mapping[str, int],
    rows: Mapping[str, int],
    day: date,
) -> Iterator[Complaint]:
    def complaint(column: str, sentence: str, *, unknown: bool = False) -> Complaint:
        return Complaint(opening.row, "", opening.device_no, column, sentence, unknown)

    if opening.programme_no and opening.programme_no not in programmes:
        yield complaint("programme_no", f"no programme has the number {opening.programme_no}", unknown=True)
    if device is None:
        yield complaint("device_no", f"{opening.device_no} is not in the ledger: correct the number", unknown=True)
        return
    if opening.device_no in rows:
        sentence = f"{opening.device_no} stands in row {rows[opening.device_no]} already: keep one of the two"
        yield complaint("device_no", sentence)
    for column, sentence in _against(opening, device, day):
        yield complaint(column, sentence)


def _against(opening: Opening, device: _Candidate, day: date) -> Iterator[tuple[str, str]]:
    number = device.device_no
    if device.state in TERMINAL:
        yield "device_no", f"{number} is {device.state}: there is nothing to retire"
    elif device.state == "draft":
        yield "device_no", f"{number} is a draft and was never in the ledger: delete it, or register it first"
    if device.open_case_no is not None:
        yield "device_no", f"{number} has the case {device.open_case_no} already: go on with that one"
    if path_of(device.owner_type) is None:
        sentence = f"whose {number} is (产权单位) is not known, and the law asks other things of each owner"
        yield "owner_type", f"{sentence}: fill in owner_type in the ledger first"
    if (opening.by_hand or device.flag_id is None) and not opening.reason.strip():
        yield "reason", f"{number} has no flag to go by: give the reason"
    flagged_since = device.flagged_at is not None and device.kept_at is not None and device.flagged_at > device.kept_at
    if not opening.by_hand and device.kept_until is not None and device.kept_until >= day and not flagged_since:
        yield "device_no", f"{number} is kept until {device.kept_until}: wait for a later flag, or open it by hand"


def _open(
    connection: Connection[Any],
    openings: Sequence[Opening],
    found: Mapping[str, _Candidate],
    programmes: Mapping[str, int],
    *,
    now: datetime,
) -> dict[str, str]:
    """The numbers of the new cases, by those of their devices."""
    if not openings:
        return {}
    devices = [found[opening.device_no] for opening in openings]
    findings: dict[int, list[Any]] = {}
    for device_id, ground in connection.execute(GROUNDS, {"device_ids": [one.device_id for one in devices]}):
        findings.setdefault(device_id, []).append(ground)
    days = dict(connection.execute(DAYS).fetchall())
    pairs = list(zip(openings, devices, strict=True))
    given = {
        "device_id": [device.device_id for device in devices],
        "flag_id": [None if opening.by_hand else device.flag_id for opening, device in pairs],
        "programme_id": [programmes.get(opening.programme_no or "") for opening in openings],
        "path": [path_of(device.owner_type) for device in devices],
        "grounds": [Jsonb(_grounds(opening, device, findings.get(device.device_id, []))) for opening, device in pairs],
        "year": str(today(now).year),
        "now": now,
        "due_on": today(now) + timedelta(days=days["opened"]) if "opened" in days else None,
    }
    made = {device_id: (case_id, case_no) for case_id, case_no, device_id in connection.execute(OPEN, given)}
    taken = [
        Taken(*made[device.device_id], device.device_no, None, "opened", opening.reason.strip() or None)
        for opening, device in pairs
    ]
    record(connection, taken, now=now)
    return {step.device_no: step.case_no for step in taken}


def _grounds(opening: Opening, device: _Candidate, findings: Sequence[Any]) -> list[Any]:
    """What a person says stands beside what the rules found."""
    told = opening.by_hand or device.flag_id is None
    return [*([{"rule": None, "reason": opening.reason.strip()}] if told else []), *findings]
