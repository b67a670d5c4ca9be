"""Which records of a batch are written together: within a round no sequence number of a boot comes twice. Pure.

Nearly always one round. A device that tells different things under one number needs three, however often it does so.
"""

from collections.abc import Iterable

from ingest.batch import Batch, DeviceBoot
from ingest.run import Run, Told


def rounds_of(batch: Batch) -> list[list[Run]]:
    """The rounds, in the order in which they are to be written: the first telling of a number is in an earlier one.

    Only the last round may hold a number more than once: all of its numbers have been told by then, so each of its
    records is looked up.
    """
    return [list(batch.runs.values()), *(round_ for round_ in _later(batch.overlapping) if round_)]


def _later(overlapping: Iterable[Told]) -> tuple[list[Run], list[Run]]:
    """The next telling of each number, and all others: each of those alone, or whose record it is would be in doubt."""
    nexts: dict[DeviceBoot, Run] = {}
    others: list[Run] = []
    for told in overlapping:
        run = nexts.setdefault((told.route.device_id, told.boot), Run(told.route, told.boot))
        if not run.take(told.route, told.seq, (told.reading,), told.arrival):
            others.append(Run(told.route, told.boot))
            others[-1].take(told.route, told.seq, (told.reading,), told.arrival)
    return list(nexts.values()), others
