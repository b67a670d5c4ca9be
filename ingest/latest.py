"""The newest record of each device, stream and probe. It never goes back in time."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Final

import orjson
from psycopg import AsyncConnection

from ingest.rows import AT, FIELDS, RECEIVED_AT, SEQ, Portion, Row, age, body_of
from store.arrays import Int4s, Int8s, Texts, times
from store.records import TELEMETRY

MOVE_LATEST: Final = """
INSERT INTO latest AS l (device_id, stream, probe, at, seq, received_at, record)
SELECT * FROM unnest(
    %(device_ids)s::int4[], %(streams)s::text[], %(probes)s::text[], %(ats)s::timestamptz[], %(seqs)s::int8[],
    %(received_ats)s::timestamptz[], %(records)s::text[]::jsonb[]
) AS n (device_id, stream, probe, at, seq, received_at, record)
ORDER BY device_id, stream, probe
ON CONFLICT (device_id, stream, probe) DO UPDATE
SET at = excluded.at, seq = excluded.seq, received_at = excluded.received_at, record = excluded.record
WHERE (excluded.at, excluded.seq) > (l.at, l.seq)
"""

_PROBE: Final = TELEMETRY["coldchain"].columns.index("probe")
_probe_of: Final = itemgetter(FIELDS + _PROBE)
# A reading begins with its time.
_probe_of_reading: Final = itemgetter(1 + _PROBE)


async def move_latest(connection: AsyncConnection[Any], portions: Iterable[Portion]) -> None:
    """Put the newest rows of *portions* into the latest values, where they are newer than what is there."""
    newest: dict[tuple[int, str, str], Row] = {}
    for portion in portions:
        for probe, row in _newest_of(portion).items():
            key = (portion.device_id, portion.stream, probe)
            known = newest.get(key)
            if known is None or age(row) > age(known):
                newest[key] = row
    if newest:
        await connection.execute(
            MOVE_LATEST,
            {
                "device_ids": Int4s([key[0] for key in newest]),
                "streams": Texts([key[1] for key in newest]),
                "probes": Texts([key[2] for key in newest]),
                "ats": times([row[AT] for row in newest.values()]),
                "seqs": Int8s([row[SEQ] for row in newest.values()]),
                "received_ats": times([row[RECEIVED_AT] for row in newest.values()]),
                "records": Texts(
                    [orjson.dumps(body_of(stream, row[FIELDS:])).decode() for (_, stream, _), row in newest.items()]
                ),
            },
        )


def _newest_of(portion: Portion) -> dict[str, Row]:
    """The newest of a boot's rows; for a logger with several probes, the newest of each."""
    if not portion.count:
        return {}
    probes = set(map(_probe_of_reading, portion.run.readings)) if portion.stream == "coldchain" else {None}
    if len(probes) > 1:
        # In order of age, the newest of a probe is the last one seen.
        return {_probe_of(row) or "": row for row in sorted(portion.rows, key=age)}
    return {probes.pop() or "": portion.newest_row()}
