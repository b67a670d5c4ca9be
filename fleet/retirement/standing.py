"""Whether the grounds that a case was opened on still hold: whoever executes it has to know."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from psycopg import Connection

from fleet.retirement.case import Case

STANDING: Final = """
SELECT device_id, rule FROM findings WHERE device_id = ANY(%(device_ids)s::int4[]) AND cleared_at IS NULL
"""


def lapsed(connection: Connection[Any], cases: Sequence[Case], *, day: date) -> set[int]:  # noqa: ARG001 - asked soon
    """The ids of *cases* that were opened from a flag and none of whose rules holds for their devices on *day*."""
    asked = [case for case in cases if case.flag_id is not None and case.rules]
    if not asked:
        return set()
    rules: dict[int, set[str]] = {}
    for device_id, rule in connection.execute(STANDING, {"device_ids": [case.device_id for case in asked]}):
        rules.setdefault(device_id, set()).add(rule)
    return {case.case_id for case in asked if not case.rules & rules.get(case.device_id, set())}
