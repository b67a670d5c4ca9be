"""A case as steps find it and leave it, and the statements that take it from the ledger and put it back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from fleet.retirement.states import Path, State

# A case is of one device for ever, so what is to be locked is known before anything is.
NAMED: Final = """
SELECT c.case_id, c.case_no, d.device_no
FROM cases AS c JOIN devices AS d USING (device_id)
WHERE c.case_no = ANY(%(case_nos)s::text[])
UNION
SELECT c.case_id, c.case_no, d.device_no
FROM cases AS c JOIN devices AS d USING (device_id)
WHERE d.device_no = ANY(%(device_nos)s::text[])
  AND NOT is_over(c.state)
"""
# After the devices', by all who take both. NO KEY: rows of ingest that refer to devices go on.
TAKE_ROWS: Final = """
SELECT case_id FROM cases WHERE case_id = ANY(%(case_ids)s::int4[]) ORDER BY case_id FOR NO KEY UPDATE
"""
CASES: Final = """
SELECT c.case_id, c.case_no, c.device_id, d.device_no, c.path, c.state, c.state_since, c.grounds, c.flag_id,
       p.programme_no, c.bundle, c.due_on, c.reminded_at, c.escalated_at, c.kept_until, c.opened_by, c.proposed_by,
       c.proposed_at, c.appraised_by, c.appraised_at, c.appraisal, c.tier, c.approved_by, c.approved_at, c.approval,
       c.executed_by, c.executed_at, c.silent_since, c.silence, c.successor_id, s.device_no AS successor_no,
       c.replacement, c.recovered_place, c.recovered_by, c.photo_sha256, c.wiped_by, c.wiped_at, c.method, c.recipient,
       c.recycler_licence, c.receipt_no, c.income_fen, c.disposed_at
FROM cases AS c
JOIN devices AS d USING (device_id)
LEFT JOIN devices AS s ON s.device_id = c.successor_id
LEFT JOIN programmes AS p ON p.programme_id = c.programme_id
WHERE c.case_id = ANY(%(case_ids)s::int4[])
ORDER BY c.case_id
"""
WRITE: Final = """
UPDATE cases AS c
SET state = e.state, state_since = e.state_since, bundle = e.bundle, due_on = e.due_on, reminded_at = e.reminded_at,
    escalated_at = e.escalated_at, kept_until = e.kept_until, proposed_by = e.proposed_by, proposed_at = e.proposed_at,
    appraised_by = e.appraised_by, appraised_at = e.appraised_at, appraisal = e.appraisal, tier = e.tier,
    approved_by = e.approved_by, approved_at = e.approved_at, approval = e.approval, executed_by = e.executed_by,
    executed_at = e.executed_at, silent_since = e.silent_since, silence = e.silence, successor_id = e.successor_id,
    replacement = e.replacement, recovered_place = e.recovered_place, recovered_by = e.recovered_by,
    photo_sha256 = e.photo_sha256, wiped_by = e.wiped_by, wiped_at = e.wiped_at, method = e.method,
    recipient = e.recipient, recycler_licence = e.recycler_licence, receipt_no = e.receipt_no,
    income_fen = e.income_fen, disposed_at = e.disposed_at, updated_at = now()
FROM unnest(
    %(case_id)s::int4[], %(state)s::text[], %(state_since)s::timestamptz[], %(bundle)s::uuid[], %(due_on)s::date[],
    %(reminded_at)s::timestamptz[], %(escalated_at)s::timestamptz[], %(kept_until)s::date[], %(proposed_by)s::text[],
    %(proposed_at)s::timestamptz[], %(appraised_by)s::text[], %(appraised_at)s::timestamptz[], %(appraisal)s::text[],
    %(tier)s::text[], %(approved_by)s::text[], %(approved_at)s::timestamptz[], %(approval)s::text[],
    %(executed_by)s::text[], %(executed_at)s::timestamptz[], %(silent_since)s::timestamptz[], %(silence)s::jsonb[],
    %(successor_id)s::int4[], %(replacement)s::text[], %(recovered_place)s::text[], %(recovered_by)s::text[],
    %(photo_sha256)s::text[], %(wiped_by)s::text[], %(wiped_at)s::timestamptz[], %(method)s::text[],
    %(recipient)s::text[], %(recycler_licence)s::text[], %(receipt_no)s::text[], %(income_fen)s::int8[],
    %(disposed_at)s::timestamptz[]
) AS e (case_id, state, state_since, bundle, due_on, reminded_at, escalated_at, kept_until, proposed_by, proposed_at,
        appraised_by, appraised_at, appraisal, tier, approved_by, approved_at, approval, executed_by, executed_at,
        silent_since, silence, successor_id, replacement, recovered_place, recovered_by, photo_sha256, wiped_by,
        wiped_at, method, recipient, recycler_licence, receipt_no, income_fen, disposed_at)
WHERE c.case_id = e.case_id
"""
WRITTEN: Final = (
    "case_id",
    "state",
    "state_since",
    "bundle",
    "due_on",
    "reminded_at",
    "escalated_at",
    "kept_until",
    "proposed_by",
    "proposed_at",
    "appraised_by",
    "appraised_at",
    "appraisal",
    "tier",
    "approved_by",
    "approved_at",
    "approval",
    "executed_by",
    "executed_at",
    "silent_since",
    "silence",
    "successor_id",
    "replacement",
    "recovered_place",
    "recovered_by",
    "photo_sha256",
    "wiped_by",
    "wiped_at",
    "method",
    "recipient",
    "recycler_licence",
    "receipt_no",
    "income_fen",
    "disposed_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case and whatever was told with its steps so far. *grounds*: why, frozen when it was opened."""

    case_id: int
    case_no: str
    device_id: int
    device_no: str
    path: Path
    state: State
    state_since: datetime
    grounds: Sequence[Mapping[str, Any]]
    opened_by: str
    flag_id: int | None = None
    programme_no: str | None = None
    bundle: UUID | None = None
    due_on: date | None = None
    reminded_at: datetime | None = None
    escalated_at: datetime | None = None
    kept_until: date | None = None
    proposed_by: str | None = None
    proposed_at: datetime | None = None
    appraised_by: str | None = None
    appraised_at: datetime | None = None
    appraisal: str | None = None
    tier: str | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    approval: str | None = None
    executed_by: str | None = None
    executed_at: datetime | None = None
    silent_since: datetime | None = None
    silence: Mapping[str, Any] | None = None
    successor_id: int | None = None
    successor_no: str | None = None
    replacement: str | None = None
    recovered_place: str | None = None
    recovered_by: str | None = None
    photo_sha256: str | None = None
    wiped_by: str | None = None
    wiped_at: datetime | None = None
    method: str | None = None
    recipient: str | None = None
    recycler_licence: str | None = None
    receipt_no: str | None = None
    income_fen: int | None = None
    disposed_at: datetime | None = None

    @property
    def is_mandatory(self) -> bool:
        """Whether one of its grounds suffices by itself, whatever the appraisal says."""
        return any(ground.get("is_mandatory") for ground in self.grounds)

    @property
    def rules(self) -> frozenset[str]:
        """The rules that its grounds were found by."""
        return frozenset(ground["rule"] for ground in self.grounds if ground.get("rule"))


@dataclass(frozen=True, slots=True)
class Name:
    """A case and its device, before either is locked."""

    case_id: int
    case_no: str
    device_no: str


def named(connection: Connection[Any], case_nos: Iterable[str], device_nos: Iterable[str]) -> list[Name]:
    """The cases of these numbers, and those of these devices that are not over."""
    wanted = {"case_nos": sorted(set(case_nos)), "device_nos": sorted(set(device_nos))}
    return [Name(*row) for row in connection.execute(NAMED, wanted)]


def take(connection: Connection[Any], case_ids: Iterable[int]) -> list[Case]:
    """The cases as they are now, kept from others until the end of the transaction. Their devices are taken before."""
    ids = sorted(set(case_ids))
    connection.execute(TAKE_ROWS, {"case_ids": ids})
    return look(connection, ids)


def look(connection: Connection[Any], case_ids: Iterable[int]) -> list[Case]:
    """The cases, in the order of their ids."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return [Case(**row) for row in cursor.execute(CASES, {"case_ids": sorted(set(case_ids))})]


def put_back(connection: Connection[Any], cases: Sequence[Case]) -> None:
    """Write *cases* as they shall be, in one statement, whatever their number."""
    arrays: dict[str, list[Any]] = {name: [getattr(case, name) for case in cases] for name in WRITTEN}
    arrays["silence"] = [None if proof is None else Jsonb(proof) for proof in arrays["silence"]]
    connection.execute(WRITE, arrays)
