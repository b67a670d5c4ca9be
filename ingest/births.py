"""Births and deaths, each kept once per boot: they carry no sequence number that could tell a repetition apart."""

from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection

from ingest.batch import Birth
from ingest.boots import Boot
from store.arrays import Int4s, Int8s, Texts, times

ENTER_BIRTHS: Final = """
INSERT INTO presence (device_id, at, boot_id, state)
SELECT * FROM unnest(%(device_ids)s::int4[], %(ats)s::timestamptz[], %(boot_ids)s::int8[], %(states)s::text[])
    AS p (device_id, at, boot_id, state)
ORDER BY device_id, boot_id, state
ON CONFLICT (device_id, boot_id, state) DO NOTHING
RETURNING device_id, boot_id, state
"""


async def enter_births(connection: AsyncConnection[Any], births: Sequence[tuple[Birth, Boot]]) -> list[bool]:
    """Store births and deaths; for each whether its boot said so for the first time."""
    if not births:
        return []
    keys = [(birth.device_id, boot.boot_id, birth.presence.state) for birth, boot in births]
    first = {key: birth.arrival.received_at for key, (birth, _) in zip(reversed(keys), reversed(births), strict=True)}
    cursor = await connection.execute(
        ENTER_BIRTHS,
        {
            "device_ids": Int4s(key[0] for key in first),
            "boot_ids": Int8s(key[1] for key in first),
            "states": Texts(key[2] for key in first),
            "ats": times(first.values()),
        },
    )
    new = {tuple(key) for key in await cursor.fetchall()}
    answer = []
    for key in keys:
        answer.append(key in new)
        new.discard(key)
    return answer
