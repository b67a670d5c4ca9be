"""Which rules hold for devices, without a run and with nothing written: for whoever acts upon a finding."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

from fleet.obsolescence.gathering import gather
from fleet.obsolescence.judging import Ground, judge
from fleet.obsolescence.rules import RULES, windows
from fleet.obsolescence.versions import versions_on

OPEN: Final = """
SELECT device_id, rule, rule_version, weight, is_mandatory, numbers, window_from, window_to, sentence_zh, sentence_en
FROM findings
WHERE device_id = ANY(%(device_ids)s::int4[]) AND cleared_at IS NULL AND gone_since IS NULL
"""


def standing(connection: Connection[Any], device_ids: Sequence[int], *, day: date) -> dict[int, list[Ground]]:
    """The grounds that hold for each of *device_ids* on *day*, an empty list where there is none.

    Of a rule that nothing can be said of just now (its site is closed, the device is out of service, its case is being
    carried out) the open finding stands for it. Days count as far as they are rolled up.
    """
    found: dict[int, dict[str, Ground]] = {device_id: {} for device_id in device_ids}
    before = _open_findings(connection, device_ids)
    versions = versions_on(connection, day)
    chosen = windows({rule: version.parameters for rule, version in versions.items()})
    judged = set()
    for facts in gather(connection, day, chosen, list(found)):
        judged.add(facts.device_id)
        judgement = judge(facts, versions.values())
        of = found[facts.device_id]
        of.update({ground.rule: ground for ground in judgement.grounds})
        of.update({rule: old for rule, old in before.get(facts.device_id, {}).items() if rule in judgement.unsaid})
    for device_id in found.keys() - judged:
        found[device_id] |= before.get(device_id, {})
    return {device_id: [of[rule] for rule in RULES if rule in of] for device_id, of in found.items()}


def _open_findings(connection: Connection[Any], device_ids: Sequence[int]) -> Mapping[int, dict[str, Ground]]:
    found: dict[int, dict[str, Ground]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(OPEN, {"device_ids": list(device_ids)}):
            numbers = dict(row.pop("numbers"))
            device_id, version = row.pop("device_id"), row.pop("rule_version")
            found.setdefault(device_id, {})[row["rule"]] = Ground(
                version=version, thresholds=numbers.pop("thresholds", {}), numbers=numbers, **row
            )
    return found
