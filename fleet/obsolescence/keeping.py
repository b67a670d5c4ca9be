"""Findings, flags and verdicts as rows: what is open, and what a run writes, each sort in one statement."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from psycopg import ClientCursor, Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from fleet.obsolescence import evidence
from fleet.obsolescence.facts import Windows
from fleet.obsolescence.judging import explain
from fleet.obsolescence.planning import NewFlag, OpenFinding, OpenFlag, Plan, Stand
from fleet.obsolescence.versions import Policy

FINDINGS: Final = """
SELECT finding_id, device_id, rule, rule_version, weight, is_mandatory, gone_since FROM findings
WHERE cleared_at IS NULL ORDER BY finding_id
"""
FLAGS: Final = "SELECT flag_id, device_id FROM flags WHERE ended_at IS NULL ORDER BY flag_id"
RETIRED: Final = """
SELECT d.device_id FROM devices AS d WHERE d.state IN ('disposed', 'lost')
  AND d.device_id = ANY(ARRAY(SELECT f.device_id FROM findings AS f WHERE f.cleared_at IS NULL
                              UNION SELECT g.device_id FROM flags AS g WHERE g.ended_at IS NULL))
"""
FLAGGED_OF_SITES: Final = """
SELECT d.site_id, count(*) FROM flags AS f JOIN devices AS d USING (device_id)
WHERE f.flagged_on = %(day)s::date GROUP BY d.site_id
"""
OPEN_FINDINGS: Final = """
INSERT INTO findings (device_id, rule, rule_version, weight, is_mandatory, found_on, window_from, window_to, numbers,
                      sample, query, sentence_zh, sentence_en, opened_at)
SELECT e.device_id, e.rule, e.rule_version, e.weight, e.is_mandatory, %(day)s::date, e.window_from, e.window_to,
       e.numbers, e.sample, e.query, e.sentence_zh, e.sentence_en, %(now)s::timestamptz
FROM unnest(%(device_id)s::int4[], %(rule)s::text[], %(rule_version)s::int4[], %(weight)s::int4[],
            %(is_mandatory)s::bool[], %(window_from)s::date[], %(window_to)s::date[], %(numbers)s::jsonb[],
            %(sample)s::jsonb[], %(query)s::text[], %(sentence_zh)s::text[], %(sentence_en)s::text[])
    AS e (device_id, rule, rule_version, weight, is_mandatory, window_from, window_to, numbers, sample, query,
          sentence_zh, sentence_en)
"""
GO: Final = "UPDATE findings SET gone_since = %(day)s::date WHERE finding_id = ANY(%(finding_ids)s::int8[])"
COME_BACK: Final = "UPDATE findings SET gone_since = NULL WHERE finding_id = ANY(%(finding_ids)s::int8[])"
CLEAR: Final = """
UPDATE findings SET cleared_at = greatest(%(now)s::timestamptz, opened_at)
WHERE finding_id = ANY(%(finding_ids)s::int8[])
"""
OPEN_FLAGS: Final = """
INSERT INTO flags (device_id, flagged_on, flagged_at, policy_version, score, findings, sentence_zh, sentence_en)
SELECT e.device_id, %(day)s::date, %(now)s::timestamptz, %(policy_version)s::int, e.score,
       ARRAY(SELECT f.finding_id FROM findings AS f
             WHERE f.device_id = e.device_id AND f.cleared_at IS NULL AND f.gone_since IS NULL ORDER BY f.finding_id),
       e.sentence_zh, e.sentence_en
FROM unnest(%(device_id)s::int4[], %(score)s::int4[], %(sentence_zh)s::text[], %(sentence_en)s::text[])
    AS e (device_id, score, sentence_zh, sentence_en)
"""
SENTENCES: Final = """
SELECT finding_id, sentence_zh, sentence_en FROM findings WHERE finding_id = ANY(%(finding_ids)s::int8[])
"""
END_FLAGS: Final = """
UPDATE flags AS f SET ended_at = greatest(%(now)s::timestamptz, f.flagged_at), ended_because = e.because
FROM unnest(%(flag_id)s::int4[], %(because)s::text[]) AS e (flag_id, because) WHERE f.flag_id = e.flag_id
"""
STAND: Final = """
INSERT INTO device_verdicts AS v (device_id, verdict, score, since, evaluated_at, held_back_by)
SELECT e.device_id, e.verdict, e.score, %(now)s::timestamptz, %(now)s::timestamptz, e.held_back_by
FROM unnest(%(device_id)s::int4[], %(verdict)s::text[], %(score)s::int4[], %(held_back_by)s::text[])
    AS e (device_id, verdict, score, held_back_by)
ON CONFLICT (device_id) DO UPDATE
SET verdict = EXCLUDED.verdict, score = EXCLUDED.score, evaluated_at = EXCLUDED.evaluated_at,
    held_back_by = EXCLUDED.held_back_by,
    since = CASE WHEN v.verdict = EXCLUDED.verdict THEN v.since ELSE EXCLUDED.since END
"""
FORGET: Final = """
DELETE FROM device_verdicts AS v
WHERE v.device_id = ANY(ARRAY(SELECT o.device_id FROM device_verdicts AS o
                              EXCEPT SELECT e.device_id FROM unnest(%(device_id)s::int4[]) AS e (device_id)))
"""
DEVICE_NOS: Final = "SELECT device_id, device_no FROM devices WHERE device_id = ANY(%(device_ids)s::int4[])"


def open_findings(connection: Connection[Any]) -> list[OpenFinding]:
    """The findings that are not cleared."""
    with connection.cursor(row_factory=class_row(OpenFinding)) as cursor:
        return cursor.execute(FINDINGS).fetchall()


def open_flags(connection: Connection[Any]) -> list[OpenFlag]:
    """The flags that have not ended."""
    with connection.cursor(row_factory=class_row(OpenFlag)) as cursor:
        return cursor.execute(FLAGS).fetchall()


def retired(connection: Connection[Any]) -> frozenset[int]:
    """Devices with something open whose life is over."""
    return frozenset(device_id for (device_id,) in connection.execute(RETIRED))


def flagged_of_sites(connection: Connection[Any], day: date) -> dict[int, int]:
    """How many devices of each site were flagged for *day* so far."""
    return dict(connection.execute(FLAGGED_OF_SITES, {"day": day}).fetchall())


def write(
    connection: Connection[Any], made: Plan, *, day: date, now: datetime, policy: Policy, windows: Windows
) -> None:
    """Write what was planned."""
    told = {"day": day, "now": now}
    # First those that go: of a device and a rule one is open at a time.
    for query, finding_ids in ((GO, made.gone), (COME_BACK, made.back), (CLEAR, made.cleared)):
        if finding_ids:
            connection.execute(query, told | {"finding_ids": finding_ids})
    if made.opened:
        connection.execute(OPEN_FINDINGS, told | _opened(connection, made, windows))
    if made.ended:
        ends = {"flag_id": [of.flag_id for of, _ in made.ended], "because": [why for _, why in made.ended]}
        connection.execute(END_FLAGS, told | ends)
    if made.flagged:
        flags = _flags(made.flagged, _sentences(connection, made.flagged))
        connection.execute(OPEN_FLAGS, told | flags | {"policy_version": policy.version})
    _write_verdicts(connection, made.stands, told)


def _opened(connection: Connection[Any], made: Plan, windows: Windows) -> dict[str, list[Any]]:
    sampled = evidence.samples(connection, made.opened)
    grounds = [ground for _, ground in made.opened]
    ids = [judged.facts.device_id for judged, _ in made.opened]
    with ClientCursor(connection) as cursor:
        queries = [evidence.query_of(cursor, judged, ground, windows) for judged, ground in made.opened]
    return {
        "device_id": ids,
        "rule": [ground.rule for ground in grounds],
        "rule_version": [ground.version for ground in grounds],
        "weight": [ground.weight for ground in grounds],
        "is_mandatory": [ground.is_mandatory for ground in grounds],
        "window_from": [ground.window_from for ground in grounds],
        "window_to": [ground.window_to for ground in grounds],
        "numbers": [Jsonb({**ground.numbers, "thresholds": ground.thresholds}) for ground in grounds],
        "sample": [
            Jsonb(sampled.get((device_id, ground.rule), [])) for device_id, ground in zip(ids, grounds, strict=True)
        ],
        "query": queries,
        "sentence_zh": [ground.sentence_zh for ground in grounds],
        "sentence_en": [ground.sentence_en for ground in grounds],
    }


def _sentences(connection: Connection[Any], flagged: Sequence[NewFlag]) -> dict[int, tuple[str, str]]:
    """Of the findings that were open before."""
    ids = [of.finding_id for flag in flagged for of in flag.grounds if isinstance(of, OpenFinding)]
    rows = connection.execute(SENTENCES, {"finding_ids": ids}).fetchall() if ids else []
    return {finding_id: (zh, en) for finding_id, zh, en in rows}


def _flags(flagged: Sequence[NewFlag], before: dict[int, tuple[str, str]]) -> dict[str, list[Any]]:
    told = [
        explain(
            flag.judged.facts.kind_zh,
            flag.judged.facts.kind_en,
            [
                before[of.finding_id] if isinstance(of, OpenFinding) else (of.sentence_zh, of.sentence_en)
                for of in flag.grounds
            ],
        )
        for flag in flagged
    ]
    return {
        "device_id": [flag.judged.facts.device_id for flag in flagged],
        "score": [flag.score for flag in flagged],
        "sentence_zh": [zh for zh, _ in told],
        "sentence_en": [en for _, en in told],
    }


def _write_verdicts(connection: Connection[Any], stands: Sequence[Stand], told: dict[str, Any]) -> None:
    ids = [stand.device_id for stand in stands]
    connection.execute(FORGET, {"device_id": ids})
    if stands:
        connection.execute(
            STAND,
            told
            | {
                "device_id": ids,
                "verdict": [stand.verdict for stand in stands],
                "score": [stand.score for stand in stands],
                "held_back_by": [stand.held_back_by for stand in stands],
            },
        )
