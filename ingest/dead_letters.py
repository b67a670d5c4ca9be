"""What could not be stored, kept with its bytes: once for the payload, once for each refusal."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection

from ingest.batch import DeadLetter
from store.arrays import Blobs

# The update changes nothing: it makes an existing row's id come back, and locks it, in the order of the hashes.
KEEP_PAYLOADS: Final = """
INSERT INTO dead_letter_payloads (payload_hash, payload)
SELECT * FROM unnest(%(hashes)s::bytea[], %(payloads)s::bytea[]) AS p (payload_hash, payload) ORDER BY payload_hash
ON CONFLICT (payload_hash) DO UPDATE SET payload_hash = excluded.payload_hash
RETURNING payload_hash, payload_id
"""
KEEP: Final = """
INSERT INTO dead_letters (topic, payload_id, record_index, records, reason, detail, device_no, stream, received_at)
SELECT * FROM unnest(
    %(topics)s::text[], %(payload_ids)s::int8[], %(record_indexes)s::int4[], %(records)s::int4[], %(reasons)s::text[],
    %(details)s::text[], %(device_nos)s::text[], %(streams)s::text[], %(received_ats)s::timestamptz[]
) AS d (topic, payload_id, record_index, records, reason, detail, device_no, stream, received_at)
ORDER BY payload_id, record_index, md5(topic), received_at
ON CONFLICT (payload_id, record_index, md5(topic)) DO NOTHING
RETURNING payload_id, record_index, topic
"""


async def keep(connection: AsyncConnection[Any], letters: Sequence[DeadLetter]) -> list[bool]:
    """Store *letters*; for each whether it is new: the same refusal of the same bytes on a topic is kept once."""
    if not letters:
        return []
    hashes = [hashlib.sha256(letter.arrival.payload).digest() for letter in letters]
    payloads = {key: letter.arrival.payload for key, letter in zip(hashes, letters, strict=True)}
    cursor = await connection.execute(
        KEEP_PAYLOADS, {"hashes": Blobs(payloads), "payloads": Blobs(payloads.values())}, binary=True
    )
    ids = {bytes(key): payload_id for key, payload_id in await cursor.fetchall()}
    cursor = await connection.execute(
        KEEP,
        {
            "topics": [_text(letter.arrival.topic) for letter in letters],
            "payload_ids": [ids[key] for key in hashes],
            "record_indexes": [letter.refusal.record_index for letter in letters],
            "records": [letter.refusal.records for letter in letters],
            "reasons": [letter.refusal.reason for letter in letters],
            "details": [_text(letter.refusal.detail) for letter in letters],
            "device_nos": [letter.device_no for letter in letters],
            "streams": [letter.stream for letter in letters],
            "received_ats": [letter.arrival.received_at for letter in letters],
        },
    )
    new = {tuple(key) for key in await cursor.fetchall()}
    answer = []
    for letter, key in zip(letters, hashes, strict=True):
        place = (ids[key], letter.refusal.record_index, _text(letter.arrival.topic))
        answer.append(place in new)
        new.discard(place)
    return answer


def _text(value: str) -> str:
    """*value* as PostgreSQL can hold it: a detail may quote what was wrong with the text it speaks of."""
    return value.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()
