"""Findings, flags and verdicts as rows: what is open, and what a run writes, each sort in one statement."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, LiteralString

import orjson
from psycopg import ClientCursor, Connection
from psycopg.rows import class_row

from fleet.obsolescence import evidence
from fleet.obsolescence.facts import Windows
from fleet.obsolescence.judging import explain
from fleet.obsolescence.planning import NewFlag, OpenFinding, OpenFlag, Plan, Stand
from fleet.obsolescence.versions import Policy

Row = dict[str, Any]

ROWS_AT_ONCE: Final = 5000

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
FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS e (device_id int, rule text, rule_version int, weight int, is_mandatory bool, window_from date, window_to date,
          numbers jsonb, sample jsonb, query text, sentence_zh text, sentence_en text)
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
FROM jsonb_to_recordset(%(rows)s::jsonb) AS e (device_id int, score int, sentence_zh text, sentence_en text)
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
FROM jsonb_to_recordset(%(rows)s::jsonb) AS e (device_id int, verdict text, score int, held_back_by text)
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
    _insert(connection, OPEN_FINDINGS, _opened(connection, made, windows), told)
    if made.ended:
        ends = {"flag_id": [of.flag_id for of, _ in made.ended], "because": [why for _, why in made.ended]}
        connection.execute(END_FLAGS, told | ends)
    flags = _flags(made.flagged, _sentences(connection, made.flagged))
    _insert(connection, OPEN_FLAGS, flags, told | {"policy_version": policy.version})
    connection.execute(FORGET, {"device_id": [stand.device_id for stand in made.stands]})
    _insert(connection, STAND, made.stands, told)


def _insert(
    connection: Connection[Any], query: LiteralString, rows: Sequence[Row | Stand], told: Mapping[str, Any]
) -> None:
    """Insert *rows* by *query*, thousands at a time: a value of the server's has its greatest size."""
    for first in range(0, len(rows), ROWS_AT_ONCE):
        # As one JSON text: psycopg would write arrays of texts item by item, in Python.
        text = orjson.dumps(rows[first : first + ROWS_AT_ONCE]).decode()
        connection.execute(query, {**told, "rows": text})


def _opened(connection: Connection[Any], made: Plan, windows: Windows) -> list[Row]:
    sampled = evidence.samples(connection, made.opened)
    rows = []
    with ClientCursor(connection) as cursor:
        for judged, ground in made.opened:
            device_id = judged.facts.device_id
            row = {
                "device_id": device_id,
                "rule": ground.rule,
                "rule_version": ground.version,
                "weight": ground.weight,
                "is_mandatory": ground.is_mandatory,
                "window_from": ground.window_from,
                "window_to": ground.window_to,
                "numbers": {**ground.numbers, "thresholds": ground.thresholds},
                "sample": sampled.get((device_id, ground.rule), []),
                "query": evidence.query_of(cursor, judged, ground, windows),
                "sentence_zh": ground.sentence_zh,
                "sentence_en": ground.sentence_en,
            }
            rows.append(row)
    return rows


def _sentences(connection: Connection[Any], flagged: Sequence[NewFlag]) -> dict[int, tuple[str, str]]:
    """Of the findings that were open before."""
    ids = [of.finding_id for flag in flagged for of in flag.grounds if isinstance(of, OpenFinding)]
    rows = connection.execute(SENTENCES, {"finding_ids": ids}).fetchall() if ids else []
    return {finding_id: (zh, en) for finding_id, zh, en in rows}


def _flags(flagged: Sequence[NewFlag], before: Mapping[int, tuple[str, str]]) -> list[Row]:
    rows = []
    for flag in flagged:
        facts = flag.judged.facts
        sentences = [
            before[of.finding_id] if isinstance(of, OpenFinding) else (of.sentence_zh, of.sentence_en)
            for of in flag.grounds
        ]
        zh, en = explain(facts.kind_zh, facts.kind_en, sentences)
        rows.append({"device_id": facts.device_id, "score": flag.score, "sentence_zh": zh, "sentence_en": en})
    return rows
