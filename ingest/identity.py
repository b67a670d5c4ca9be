"""Whether a record was here before: the same again is a duplicate, another body under its identity is a conflict.

Only rows whose sequence number may have arrived before come here. They are looked for where a true duplicate must be,
at their own time; the few that are not there are looked for over the whole span of their boot, in every stream.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from psycopg import AsyncConnection, sql

from ingest.rows import AT, BOOT_ID, DEVICE_ID, FIELDS, RECEIVED_AT, SEQ, Portion, Row, body_of
from store.arrays import Blobs, Int4s, Int8s, Texts, times
from store.records import TELEMETRY

# A device without a clock may be ahead of ours.
AHEAD: Final = timedelta(hours=25)


@dataclass(slots=True)
class Settled:
    """How many suspect records of each stream were here before, and how many contradict what is stored."""

    duplicates: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row under suspicion, and the portion it came with."""

    portion: Portion
    row: Row

    @property
    def stream(self) -> str:
        """Where it is to be stored."""
        return self.portion.stream

    @property
    def identity(self) -> Row:
        """Device, boot and sequence number."""
        return self.row[DEVICE_ID], self.row[BOOT_ID], self.row[SEQ]

    @property
    def fields(self) -> tuple[object, ...]:
        """The record itself."""
        return self.row[FIELDS:]

    @property
    def evidence(self) -> bytes:
        """What it says under its identity."""
        return _evidence(self.stream, self.row[AT], body_of(self.stream, self.fields))


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

SPAN: Final = """
SELECT min(least(first_at, booted_at)), max(greatest(last_at, CASE WHEN booted_at IS NOT NULL THEN now() END))
FROM boots WHERE boot_id = ANY (%(boot_ids)s::int8[])
"""
_ANY_TIME_IN: Final = """
SELECT s.place, '{stream}' AS stream, t.at,
       to_jsonb(t) - '{{device_id,boot_id,seq,received_at,clock_ahead,at}}'::text[] AS body
FROM suspects AS s JOIN {stream} AS t USING (device_id, boot_id, seq)
WHERE t.device_id = ANY (%(device_ids)s::int4[]) AND t.at BETWEEN %(from)s AND %(to)s"""
ANY_TIME: Final = f"""
WITH suspects AS (
    SELECT * FROM unnest(%(device_ids)s::int4[], %(boot_ids)s::int8[], %(seqs)s::int8[])
        WITH ORDINALITY AS s (device_id, boot_id, seq, place)
)
{" UNION ALL ".join(_ANY_TIME_IN.format(stream=stream) for stream in TELEMETRY)}
"""  # noqa: S608 - the names of our own tables
# One pass over the devices' rows of that time. Left to itself the planner takes the suspects for few and looks each up
# in every chunk, which is a thousand times the work on a boot that lasted a year.
WITHOUT_LOOPS: Final = "SET LOCAL enable_nestloop = off"
AS_USUAL: Final = "SET LOCAL enable_nestloop TO DEFAULT"

KEEP_EVIDENCE: Final = """
INSERT INTO conflicts (device_id, boot_id, seq, body_hash, stream, first_body, second_body, received_at)
SELECT * FROM unnest(
    %(device_ids)s::int4[], %(boot_ids)s::int8[], %(seqs)s::int8[], %(hashes)s::bytea[], %(streams)s::text[],
    %(firsts)s::text[]::jsonb[], %(seconds)s::text[]::jsonb[], %(received_ats)s::timestamptz[]
) AS c (device_id, boot_id, seq, body_hash, stream, first_body, second_body, received_at)
ORDER BY device_id, boot_id, seq, body_hash, received_at
ON CONFLICT (device_id, boot_id, seq, body_hash) DO NOTHING
RETURNING device_id, boot_id, seq, body_hash
"""


async def settle(connection: AsyncConnection[Any], portions: Sequence[Portion]) -> Settled:
    """Take out of *portions* what was here before, and say what it was; what stays is new.

    Evidence of the conflicts is written; a conflict told twice is a duplicate.
    """
    suspects: list[Suspect] = []
    for portion in portions:
        suspects += [Suspect(portion, row) for row in portion.take_known()]
    settled = Settled()
    missing: list[Suspect] = []
    contradicting: list[tuple[Suspect, bytes]] = []
    for stream in TELEMETRY:
        own = [suspect for suspect in suspects if suspect.stream == stream]
        stored = await _stored_at_same_time(connection, stream, own) if own else {}
        for place, suspect in enumerate(own):
            if (fields := stored.get(place)) is None:
                missing.append(suspect)
            elif fields == suspect.fields:
                settled.duplicates[stream] += 1
            else:
                contradicting.append((suspect, _evidence(stream, suspect.row[AT], body_of(stream, fields))))
    elsewhere = await _stored_at_any_time(connection, missing) if missing else {}
    contradicting += _let_in(missing, elsewhere, settled)
    if contradicting:
        await _keep(connection, contradicting, settled)
    return settled


def _let_in(
    missing: Iterable[Suspect], elsewhere: Mapping[int, bytes], settled: Settled
) -> Iterator[tuple[Suspect, bytes]]:
    """Give new rows back to their portions, the first of each identity; the others that contradict something."""
    new: dict[Row, Suspect] = {}
    for place, suspect in enumerate(missing):
        if (first := elsewhere.get(place)) is not None:
            yield suspect, first
        elif (twin := new.setdefault(suspect.identity, suspect)) is suspect:
            suspect.portion.give_back(suspect.row)
        elif twin.evidence == suspect.evidence:
            settled.duplicates[suspect.stream] += 1
        else:
            yield suspect, twin.evidence


async def _stored_at_same_time(
    connection: AsyncConnection[Any], stream: str, suspects: Sequence[Suspect]
) -> dict[int, tuple[object, ...]]:
    ats = [suspect.row[AT] for suspect in suspects]
    bounds = {"ats": times(ats), "from": min(ats), "to": max(ats)}
    cursor = await connection.execute(SAME_TIME[stream], _keys(suspects) | bounds)
    return {place - 1: tuple(fields) for place, *fields in await cursor.fetchall()}


async def _stored_at_any_time(connection: AsyncConnection[Any], suspects: Sequence[Suspect]) -> dict[int, bytes]:
    keys = _keys(suspects)
    span = await (await connection.execute(SPAN, keys)).fetchone()
    if span is None or None in span:
        return {}
    first_at, last_at = span
    await connection.execute(WITHOUT_LOOPS)
    cursor = await connection.execute(ANY_TIME, keys | {"from": first_at, "to": last_at + AHEAD})
    await connection.execute(AS_USUAL)
    return {
        place - 1: _evidence(stream, at, {name: value for name, value in body.items() if value is not None})
        for place, stream, at, body in await cursor.fetchall()
    }


async def _keep(
    connection: AsyncConnection[Any], contradicting: Sequence[tuple[Suspect, bytes]], settled: Settled
) -> None:
    suspects = [suspect for suspect, _ in contradicting]
    seconds = [one.evidence for one in suspects]
    hashes = [hashlib.sha256(second).digest() for second in seconds]
    cursor = await connection.execute(
        KEEP_EVIDENCE,
        _keys(suspects)
        | {
            "hashes": Blobs(hashes),
            "streams": Texts(one.stream for one in suspects),
            "firsts": Texts(first.decode() for _, first in contradicting),
            "seconds": Texts(second.decode() for second in seconds),
            "received_ats": times(one.row[RECEIVED_AT] for one in suspects),
        },
    )
    new = {tuple(key) for key in await cursor.fetchall()}
    for one, body_hash in zip(suspects, hashes, strict=True):
        key = (*one.identity, body_hash)
        (settled.conflicts if key in new else settled.duplicates)[one.stream] += 1
        new.discard(key)


def _keys(suspects: Sequence[Suspect]) -> dict[str, Any]:
    return {
        "device_ids": Int4s(one.row[DEVICE_ID] for one in suspects),
        "boot_ids": Int8s(one.row[BOOT_ID] for one in suspects),
        "seqs": Int8s(one.row[SEQ] for one in suspects),
    }


def _evidence(stream: str, at: datetime, body: dict[str, Any]) -> bytes:
    evidence = {"stream": stream, "at": at.astimezone(UTC).isoformat(), "record": body}
    return orjson.dumps(evidence, option=orjson.OPT_SORT_KEYS)
