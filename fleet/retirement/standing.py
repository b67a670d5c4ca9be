"""Whether the grounds that a case was opened on still hold: whoever executes it has to know."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from psycopg import Connection

from fleet.obsolescence.standing import standing
from fleet.retirement.case import Case


def lapsed(connection: Connection[Any], cases: Sequence[Case], *, day: date) -> set[int]:
    """The ids of *cases* that were opened from a flag and none of whose rules holds for their devices on *day*."""
    asked = [case for case in cases if case.flag_id is not None and case.rules]
    if not asked:
        return set()
    grounds = standing(connection, [case.device_id for case in asked], day=day)
    return {
        case.case_id for case in asked if not case.rules & {ground.rule for ground in grounds.get(case.device_id, ())}
    }
