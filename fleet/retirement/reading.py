"""The facts of many cases at once, for their guards: a handful of statements, whatever the number of cases."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from fleet.business_day import today
from fleet.lifecycle.gate import load_gates
from fleet.retirement import documents, standing
from fleet.retirement.case import Case
from fleet.retirement.facts import Facts
from fleet.retirement.order import Order
from fleet.retirement.replacement import load_successors
from fleet.retirement.tiers import Tier, choose, load_tiers

ACTOR: Final = "SELECT acting_as()"
DEVICES: Final = """
SELECT d.device_id, d.state, d.owner_type, d.original_value_fen,
       ARRAY(SELECT h.kind FROM device_holds AS h
             WHERE h.device_id = d.device_id AND h.begins_at <= greatest(now(), %(now)s)
               AND (h.ends_at IS NULL OR h.ends_at > %(now)s)
             ORDER BY h.kind) AS holds
FROM devices AS d WHERE d.device_id = ANY(%(device_ids)s::int4[])
"""
# What was given up does not count with the rest. A value that is not known makes the sum unknown.
BUNDLES: Final = """
SELECT c.bundle, c.path,
       CASE WHEN count(d.original_value_fen) = count(*) THEN sum(d.original_value_fen)::int8 END AS fen
FROM cases AS c JOIN devices AS d USING (device_id)
WHERE c.bundle = ANY(%(bundles)s::uuid[]) AND c.state NOT IN ('kept', 'rejected', 'withdrawn', 'stopped')
GROUP BY c.bundle, c.path
"""
APPROVALS: Final = """
SELECT case_id, document, (details ->> 'original_value_fen')::int8 FROM case_steps
WHERE case_id = ANY(%(case_ids)s::int4[]) AND to_state = 'approved' ORDER BY step_id
"""
DAYS: Final = "SELECT state, days FROM case_deadlines"


@dataclass(frozen=True, slots=True)
class Read:
    """The facts of each case, by its id; *papers* are the kinds of its documents by their hashes."""

    facts: Mapping[int, Facts]
    papers: Mapping[int, dict[str, str]]
    days: Mapping[str, int]


def read(
    connection: Connection[Any],
    cases: Sequence[Case],
    orders: Mapping[int, Order],
    *,
    now: datetime,
    actor: str | None = None,
) -> Read:
    """What the guards need to know of *cases* at *now*; *orders* by the ids of their cases.

    The actor is whoever the transaction acts as, unless told.
    """
    day = today(now)
    case_ids = [case.case_id for case in cases]
    ids = {"case_ids": case_ids, "device_ids": [case.device_id for case in cases], "now": now}
    devices = {row[0]: row[1:] for row in connection.execute(DEVICES, ids)}
    bundles = _bundles(connection, cases)
    tiers, gates = load_tiers(connection), load_gates(connection)
    successors = load_successors(connection, _successors(cases, orders.values()))
    approvals = {case_id: told for case_id, *told in connection.execute(APPROVALS, ids)}
    papers = documents.kinds_of(connection, case_ids)
    gone = standing.lapsed(connection, [case for case in cases if case.state == "approved"], day=day)
    who = actor if actor is not None else _actor(connection)
    facts = {}
    for case in cases:
        state, owner_type, single_fen, holds = devices[case.device_id]
        bundle_fen = bundles.get((case.bundle, case.path), single_fen) if case.bundle else single_fen
        told = orders.get(case.case_id)
        document, approved_fen = approvals.get(case.case_id, (None, None))
        facts[case.case_id] = Facts(
            actor=who,
            now=now,
            day=day,
            device_state=state,
            owner_type=owner_type,
            holds=tuple(holds),
            papers=frozenset(papers.get(case.case_id, {}).values()) | {p.kind for p in (told.papers if told else ())},
            single_fen=single_fen,
            bundle_fen=bundle_fen,
            tier=_tier(tiers, owner_type, single_fen, bundle_fen),
            approval_document=document,
            approved_fen=approved_fen,
            has_lapsed=case.case_id in gone,
            successors=successors,
            gates=gates,
        )
    return Read(facts, papers, dict(connection.execute(DAYS).fetchall()))


def _tier(tiers: Sequence[Tier], owner_type: str | None, single: int | None, bundle: int | None) -> Tier | None:
    return choose(tiers, owner_type, single, bundle)


def _actor(connection: Connection[Any]) -> str:
    row = connection.execute(ACTOR).fetchone()
    return str(row[0]) if row else ""


def _successors(cases: Iterable[Case], orders: Iterable[Order]) -> set[str]:
    named = {case.successor_no for case in cases} | {order.successor_no for order in orders}
    return {number for number in named if number is not None}


def _bundles(connection: Connection[Any], cases: Iterable[Case]) -> dict[tuple[UUID | None, str], int | None]:
    bundles = list({case.bundle for case in cases if case.bundle is not None})
    if not bundles:
        return {}
    return {(bundle, path): fen for bundle, path, fen in connection.execute(BUNDLES, {"bundles": bundles})}
