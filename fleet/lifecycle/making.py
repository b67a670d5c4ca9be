"""Planned moves into the ledger: devices, who answers for them, the record of their steps, and the events.

A handful of statements, whatever the number of moves.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from psycopg import Connection

from fleet.events import Event, record
from fleet.lifecycle.device import put_back
from fleet.lifecycle.world import Outcome

# More devices at once are one event: who watches wants to know of it, and not a line for each of a thousand.
TOLD_ONE_BY_ONE: Final = 50
BECAUSE: Final = "SELECT set_config('tracefleet.reason', %(reason)s, true)"
RECORD: Final = """
INSERT INTO device_transitions (device_id, from_state, to_state, actor, reason, document, cost_fen)
SELECT t.device_id, t.from_state, t.to_state, acting_as(), t.reason, t.document, t.cost_fen
FROM unnest(
    %(device_id)s::int4[], %(from_state)s::text[], %(to_state)s::text[], %(reason)s::text[], %(document)s::text[],
    %(cost_fen)s::int8[]
) WITH ORDINALITY AS t (device_id, from_state, to_state, reason, document, cost_fen, place)
ORDER BY t.place
"""
# Who answers for a device answers for the one in its place, and for no other.
FORGET_DUTIES: Final = """
DELETE FROM device_responsibilities AS r
USING unnest(%(new_ids)s::int4[], %(old_ids)s::int4[]) AS pair (new_id, old_id)
WHERE r.device_id = pair.new_id
  AND NOT EXISTS (SELECT FROM device_responsibilities AS o WHERE o.device_id = pair.old_id AND o.duty = r.duty)
"""
HAND_DUTIES: Final = """
INSERT INTO device_responsibilities AS r (device_id, duty, party_id)
SELECT pair.new_id, o.duty, o.party_id
FROM unnest(%(new_ids)s::int4[], %(old_ids)s::int4[]) AS pair (new_id, old_id)
JOIN device_responsibilities AS o ON o.device_id = pair.old_id
ON CONFLICT (device_id, duty) DO UPDATE SET party_id = excluded.party_id, updated_at = now()
WHERE r.party_id <> excluded.party_id
"""
# A site or a merchant answers for no device that is not with it.
DROP_DUTIES: Final = """
DELETE FROM device_responsibilities AS r
USING devices AS d, parties AS p
WHERE r.device_id = ANY(%(device_ids)s::int4[]) AND d.device_id = r.device_id AND p.party_id = r.party_id
  AND (p.site_id <> d.site_id OR (p.merchant_id IS NOT NULL AND p.merchant_id IS DISTINCT FROM d.merchant_id))
"""
# What spoke through a gateway speaks through the one in its place.
HAND_GATEWAY: Final = """
UPDATE devices AS d SET gateway_id = pair.new_id, updated_at = now()
FROM unnest(%(new_ids)s::int4[], %(old_ids)s::int4[]) AS pair (new_id, old_id)
WHERE d.gateway_id = pair.old_id
"""


def make(connection: Connection[Any], outcomes: Sequence[Outcome]) -> None:
    """Write what *outcomes* say. A statement for each reason that is given: the audit has one for each of its rows."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.move.reason)
    for reason, group in groupby(ordered, key=lambda outcome: outcome.move.reason):
        connection.execute(BECAUSE, {"reason": reason})
        together = list(group)
        put_back(connection, [effect.after for outcome in together for effect in outcome.effects], reason)
        _hand_over(connection, together)
        _drop_duties(connection, together)
    _record(connection, outcomes)
    record(connection, _events(outcomes))


def _hand_over(connection: Connection[Any], outcomes: Sequence[Outcome]) -> None:
    pairs = [outcome.effects for outcome in outcomes if outcome.succeeds]
    if pairs:
        ids = {
            "old_ids": [old.before.device_id for old, _ in pairs],
            "new_ids": [new.before.device_id for _, new in pairs],
        }
        for statement in (FORGET_DUTIES, HAND_DUTIES, HAND_GATEWAY):
            connection.execute(statement, ids)


def _drop_duties(connection: Connection[Any], outcomes: Sequence[Outcome]) -> None:
    """Of the devices that were moved away from a site or a merchant."""
    moved = [
        effect.before.device_id
        for outcome in outcomes
        for effect in outcome.effects
        if (effect.before.site_no, effect.before.merchant_code) != (effect.after.site_no, effect.after.merchant_code)
    ]
    if moved:
        connection.execute(DROP_DUTIES, {"device_ids": moved})


def _record(connection: Connection[Any], outcomes: Sequence[Outcome]) -> None:
    steps: dict[str, list[object]] = {
        name: [] for name in ("device_id", "from_state", "to_state", "reason", "document", "cost_fen")
    }
    for move, effect in ((outcome.move, effect) for outcome in outcomes for effect in outcome.effects):
        # Papers and costs are of the first device and belong to its last step.
        is_first = effect.before.device_no == move.device_no
        for before, after in zip((effect.before.state, *effect.states), effect.states, strict=False):
            is_last = is_first and after == effect.states[-1]
            row = (effect.before.device_id, before, after, move.reason)
            papers = (move.document, move.cost_fen) if is_last else (None, None)
            for name, value in zip(steps, (*row, *papers), strict=True):
                steps[name].append(value)
    if steps["device_id"]:
        connection.execute(RECORD, steps)


def _events(outcomes: Sequence[Outcome]) -> list[Event]:
    """`device.<state>` of each device that came into another state; of many, one event with their number by state."""
    moved = [effect for outcome in outcomes for effect in outcome.effects if effect.states]
    if len(moved) <= TOLD_ONE_BY_ONE:
        return [
            Event(
                f"device.{effect.states[-1]}",
                effect.before.device_no,
                {"states": [effect.before.state, *effect.states], "site_no": effect.after.site_no},
            )
            for effect in moved
        ]
    by_state = Counter(effect.states[-1] for effect in moved)
    return [Event("device.many", f"{len(moved)} devices", {"devices": len(moved), "by_state": dict(by_state)})]
