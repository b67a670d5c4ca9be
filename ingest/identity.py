"""Whether a record was here before: the same again is a duplicate, another body under its identity is a conflict.

Only rows whose sequence number may have arrived before come here. They are looked for where a true duplicate must be,
at their own time; the few that are not there are looked for over the whole span of their boot, in every stream.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from psycopg import AsyncConnection, sql

from ingest.rows import Row
from store.records import TELEMETRY


@dataclass(slots=True)
class Settled:
    """What became of suspect rows: new after all, here before, or contradicting what is stored."""

    fresh: list[Row] = field(default_factory=list)
    duplicates: list[Row] = field(default_factory=list)
    conflicts: list[Row] = field(default_factory=list)


# LATERAL with a limit makes one index probe a row, whatever the planner thinks of the table's size; the constant bounds
# let TimescaleDB leave out chunks before it starts.
SAME_TIME: Final = {
    stream: sql.SQL("""
SELECT s.place, {columns} FROM unnest(
    %(device_ids)s::int4[], %(ats)s::timestamptz[], %(boot_ids)s::int8[], %(seqs)s::int8[]
) WITH ORDINALITY AS s (device_id, at, boot_id, seq, place)
CROSS JOIN LATERAL (
    SELECT * FROM {table} AS t
    WHERE t.device_id = s.device_id AND t.at = s.at AND t.boot_id = s.boot_id AND t.seq = s.seq
      AND t.at BETWEEN %(from)s AND %(to)s
    LIMIT 1
) AS t
""").format(
        columns=sql.SQL(", ").join(sql.Identifier("t", column) for column in known.columns),
        table=sql.Identifier(stream),
    )
    for stream, known in TELEMETRY.items()
}

_ANY_TIME_IN: Final = """
    (SELECT '{stream}' AS stream, t.at,
            to_jsonb(t) - '{{device_id,boot_id,seq,received_at,clock_ahead,at}}'::text[] AS body
     FROM {stream} AS t
     WHERE t.device_id = s.device_id AND t.boot_id = s.boot_id AND t.seq = s.seq
       AND t.at BETWEEN least(b.first_at, b.booted_at)
                    AND CASE WHEN b.booted_at IS NULL THEN b.last_at ELSE now() + INTERVAL '1 day' END
     LIMIT 1)"""
ANY_TIME: Final = f"""
SELECT s.place, x.stream, x.at, x.body FROM unnest(%(device_ids)s::int4[], %(boot_ids)s::int8[], %(seqs)s::int8[])
    WITH ORDINALITY AS s (device_id, boot_id, seq, place)
JOIN boots AS b ON b.boot_id = s.boot_id
CROSS JOIN LATERAL ({" UNION ALL ".join(_ANY_TIME_IN.format(stream=stream) for stream in TELEMETRY)} LIMIT 1) AS x
"""  # noqa: S608 - the names of our own tables

KEEP_EVIDENCE: Final = """
INSERT INTO conflicts (device_id, boot_id, seq, body_hash, stream, first_body, second_body, received_at)
SELECT * FROM unnest(
    %(device_ids)s::int4[], %(boot_ids)s::int8[], %(seqs)s::int8[], %(hashes)s::bytea[], %(streams)s::text[],
    %(firsts)s::jsonb[], %(seconds)s::jsonb[], %(received_ats)s::timestamptz[]
) AS c (device_id, boot_id, seq, body_hash, stream, first_body, second_body, received_at)
ORDER BY device_id, boot_id, seq, body_hash
ON CONFLICT (device_id, boot_id, seq, body_hash) DO NOTHING
RETURNING device_id, boot_id, seq, body_hash
"""


async def settle(connection: AsyncConnection[Any], suspects: Sequence[Row]) -> Settled:
    """What each of *suspects* is. Evidence of the conflicts is written; a conflict told twice is a duplicate."""
    settled = Settled()
    missing: list[Row] = []
    contradicting: list[tuple[Row, bytes]] = []
    for stream in TELEMETRY:
        own = [row for row in suspects if row.stream == stream]
        stored = await _stored_at_same_time(connection, stream, own) if own else {}
        for place, row in enumerate(own):
            if (fields := stored.get(place)) is None:
                missing.append(row)
            elif fields == row.fields:
                settled.duplicates.append(row)
            else:
                known = TELEMETRY[stream].columns
                body = {name: value for name, value in zip(known, fields, strict=True) if value is not None}
                contradicting.append((row, _evidence(stream, row.at.isoformat(), body)))
    elsewhere = await _stored_at_any_time(connection, missing) if missing else {}
    for place, row in enumerate(missing):
        if (first := elsewhere.get(place)) is None:
            settled.fresh.append(row)
        else:
            contradicting.append((row, first))
    await _keep(connection, contradicting, settled)
    return settled


async def _stored_at_same_time(
    connection: AsyncConnection[Any], stream: str, rows: Sequence[Row]
) -> dict[int, tuple[object, ...]]:
    cursor = await connection.execute(
        SAME_TIME[stream],
        _keys(rows)
        | {
            "ats": [row.at for row in rows],
            "from": min(row.at for row in rows),
            "to": max(row.at for row in rows),
        },
    )
    return {place - 1: tuple(fields) for place, *fields in await cursor.fetchall()}


async def _stored_at_any_time(connection: AsyncConnection[Any], rows: Sequence[Row]) -> dict[int, bytes]:
    cursor = await connection.execute(ANY_TIME, _keys(rows))
    return {
        place - 1: _evidence(stream, at.isoformat(), {name: value for name, value in body.items() if value is not None})
        for place, stream, at, body in await cursor.fetchall()
    }


async def _keep(connection: AsyncConnection[Any], contradicting: Sequence[tuple[Row, bytes]], settled: Settled) -> None:
    if not contradicting:
        return
    rows = [row for row, _ in contradicting]
    seconds = [_evidence(row.stream, row.at.isoformat(), row.body()) for row in rows]
    hashes = [hashlib.sha256(second).digest() for second in seconds]
    cursor = await connection.execute(
        KEEP_EVIDENCE,
        _keys(rows)
        | {
            "hashes": hashes,
            "streams": [row.stream for row in rows],
            "firsts": [first.decode() for _, first in contradicting],
            "seconds": [second.decode() for second in seconds],
            "received_ats": [row.received_at for row in rows],
        },
    )
    new = {tuple(key) for key in await cursor.fetchall()}
    for row, body_hash in zip(rows, hashes, strict=True):
        key = (row.device_id, row.boot_id, row.seq, body_hash)
        if key in new:
            new.discard(key)
            settled.conflicts.append(row)
        else:
            settled.duplicates.append(row)


def _keys(rows: Iterable[Row]) -> dict[str, Any]:
    listed = list(rows)
    return {
        "device_ids": [row.device_id for row in listed],
        "boot_ids": [row.boot_id for row in listed],
        "seqs": [row.seq for row in listed],
    }


def _evidence(stream: str, at: str, body: dict[str, Any]) -> bytes:
    return orjson.dumps({"stream": stream, "at": at, "record": body}, option=orjson.OPT_SORT_KEYS)
