"""The health of every device that stands somewhere, reckoned anew: one query, a judgement each, and only news written.

device_days, latest, device_presence, ledger ─▶ facts ─▶ judge ─▶ differs from what was written? ─▶ device_health
                                                                   └▶ fell below fair ─▶ events
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from psycopg import Connection

from fleet.events import Event, record
from fleet.health.facts import Facts, read
from fleet.health.score import FAIR, Reason, judge
from store import arrays
from store.arrays import Int4s, Int8s, Texts

# Sums of a hundred thousand devices fit, and need not go over the disk. One process does it: what else the machine has
# is ingest's.
ROOM: Final = """
SELECT set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', '0', true)
"""
WRITE: Final = """
INSERT INTO device_health AS h (device_id, evaluated_at, presence, presence_since, excused_by, score, reasons)
SELECT n.device_id, %(now)s::timestamptz, n.presence, to_timestamp(n.since / 1e6), nullif(n.excused_by, ''),
       nullif(n.score, -1)::int2, n.reasons::jsonb
FROM unnest(%(device_ids)s::int4[], %(presences)s::text[], %(since)s::int8[], %(excused)s::text[], %(scores)s::int4[],
            %(reasons)s::text[]) AS n (device_id, presence, since, excused_by, score, reasons)
ORDER BY n.device_id
ON CONFLICT (device_id) DO UPDATE SET
    evaluated_at = excluded.evaluated_at, presence = excluded.presence, presence_since = excluded.presence_since,
    excused_by = excluded.excused_by, score = excluded.score, reasons = excluded.reasons
"""
# What stands nowhere any more has a history, and no health.
REMOVE: Final = """
DELETE FROM device_health AS h USING devices AS d WHERE d.device_id = h.device_id AND NOT is_placed(d.state)
"""
NUMBERS: Final = "SELECT device_id, device_no FROM devices WHERE device_id = ANY(%(device_ids)s::int4[])"
# More at once is one thing that happened, not many.
MANY_EVENTS: Final = 20
_NO_SCORE: Final = -1


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a round did: devices judged, rows written because something changed, rows removed, devices fallen."""

    devices: int
    written: int
    removed: int
    worse: int


@dataclass(slots=True)
class _News:
    """What is to be written, in columns."""

    device_ids: Int4s = field(default_factory=Int4s)
    presences: Texts = field(default_factory=Texts)
    since: Int8s = field(default_factory=Int8s)
    excused: Texts = field(default_factory=Texts)
    scores: Int4s = field(default_factory=Int4s)
    reasons: Texts = field(default_factory=Texts)
    # Those that fell below fair: id, score before, score now, the worst reason.
    worse: list[tuple[int, int, int, str]] = field(default_factory=list)

    def add(self, facts: Facts, score: int | None, reasons: list[Reason]) -> None:
        """Note the health of a device."""
        self.device_ids.append(facts.device_id)
        self.presences.append(facts.presence)
        self.since.append(facts.presence_since)
        self.excused.append(facts.excused_by or "")
        self.scores.append(_NO_SCORE if score is None else score)
        self.reasons.append(orjson.dumps(reasons).decode() if reasons else "[]")
        before = facts.score_before
        if score is not None and before is not None and score < FAIR <= before:
            self.worse.append((facts.device_id, before, score, reasons[0]["check"]))


def evaluate(connection: Connection[Any], *, now: datetime) -> Evaluated:
    """Judge all devices as of *now* and write what changed, in a transaction of its own or the caller's.

    Devices that are no longer placed lose their row. Two at once do no harm: the later writes the same once more.
    """
    arrays.register(connection.adapters)
    with connection.transaction():
        connection.execute(ROOM)
        news, devices = _News(), 0
        for facts in read(connection, now=now):
            devices += 1
            judgement = judge(facts)
            if not _is_known(facts, judgement.score, judgement.reasons):
                news.add(facts, judgement.score, judgement.reasons)
        if news.device_ids:
            _write(connection, news, now)
        removed = connection.execute(REMOVE).rowcount
        _tell(connection, news.worse)
    return Evaluated(devices, len(news.device_ids), removed, len(news.worse))


def _is_known(facts: Facts, score: int | None, reasons: Sequence[Reason]) -> bool:
    """Whether that is what was written last. Numbers are compared as numbers: jsonb writes them its own way."""
    if not facts.same_line or facts.score_before != score:
        return False
    if facts.reasons_before is None:
        return not reasons
    return bool(orjson.loads(facts.reasons_before) == reasons)


def _write(connection: Connection[Any], news: _News, now: datetime) -> None:
    connection.execute(
        WRITE,
        {
            "now": now,
            "device_ids": news.device_ids,
            "presences": news.presences,
            "since": news.since,
            "excused": news.excused,
            "scores": news.scores,
            "reasons": news.reasons,
        },
    )


def _tell(connection: Connection[Any], worse: Sequence[tuple[int, int, int, str]]) -> None:
    """An event for each that fell below fair, or one for all where there are many."""
    if not worse:
        return
    ids = [device_id for device_id, *_ in worse]
    numbers = dict(connection.execute(NUMBERS, {"device_ids": ids}).fetchall())
    if len(worse) > MANY_EVENTS:
        some = sorted(numbers.values())[:MANY_EVENTS]
        record(connection, [Event("health.worse", "fleet", {"devices": len(worse), "among": some})])
        return
    record(
        connection,
        [
            Event("health.worse", numbers[device_id], {"score": score, "before": before, "check": check})
            for device_id, before, score, check in worse
        ],
    )
