"""The dead letters as people handle them: look, replay once the cause is mended, purge what is of no more use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import class_row

from ingest.arrival import Arrival
from ingest.batch import Batch
from ingest.intake import take_in
from ingest.refusal import WHOLE_MESSAGE, Reason
from ingest.registry import Registry
from ingest.writer import write

# How the account names what a replay brought, beside the workers.
REPLAY_WORKER: Final = "replay"
CHUNK: Final = 500

CHOSEN: Final = """
(%(ids)s::int8[] IS NULL OR d.dead_letter_id = ANY (%(ids)s::int8[]))
AND (%(reason)s::text IS NULL OR d.reason = %(reason)s::text)
AND (%(device_no)s::text IS NULL OR d.device_no = %(device_no)s::text)
AND (%(replayed)s::bool IS NULL OR (d.replayed_at IS NOT NULL) = %(replayed)s::bool)
AND d.dead_letter_id > %(after)s::int8
"""
LIST: Final = f"""
SELECT d.dead_letter_id, d.received_at, d.reason, d.detail, d.topic, d.device_no, d.stream, d.record_index, d.records,
       d.replayed_at, p.payload
FROM dead_letters AS d JOIN dead_letter_payloads AS p USING (payload_id)
WHERE {CHOSEN} ORDER BY d.dead_letter_id LIMIT %(limit)s
"""  # noqa: S608 - a constant in a constant
MARK: Final = "UPDATE dead_letters SET replayed_at = now() WHERE dead_letter_id = ANY (%(ids)s::int8[])"
OLDER: Final = """
d.received_at < now() - %(older_than)s::interval AND (%(reason)s::text IS NULL OR d.reason = %(reason)s::text)
"""
COUNT_OLDER: Final = f"SELECT count(*) FROM dead_letters AS d WHERE {OLDER}"  # noqa: S608 - a constant in a constant
PURGE: Final = f"DELETE FROM dead_letters AS d WHERE {OLDER}"  # noqa: S608 - a constant in a constant


@dataclass(frozen=True, slots=True)
class Kept:
    """A dead letter with its bytes."""

    dead_letter_id: int
    received_at: datetime
    reason: Reason
    detail: str
    topic: str
    device_no: str | None
    stream: str | None
    record_index: int
    records: int
    replayed_at: datetime | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant; None leaves a criterion open."""

    ids: list[int] | None = None
    reason: Reason | None = None
    device_no: str | None = None
    replayed: bool | None = None


@dataclass(slots=True)
class Replayed:
    """What a replay brought: letters taken up, those refused again, and the records' outcomes."""

    letters: int = 0
    refused_again: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0


async def choose(connection: AsyncConnection[Any], choice: Choice, *, limit: int, after: int = 0) -> list[Kept]:
    """Up to *limit* dead letters with an id above *after*, oldest first."""
    async with connection.cursor(row_factory=class_row(Kept)) as cursor:
        await cursor.execute(
            LIST,
            {
                "ids": choice.ids,
                "reason": choice.reason,
                "device_no": choice.device_no,
                "replayed": choice.replayed,
                "after": after,
                "limit": limit,
            },
        )
        return await cursor.fetchall()


async def replay(connection: AsyncConnection[Any], choice: Choice) -> Replayed:
    """Send the chosen dead letters the way of every message, as if they came when they came; any number of times.

    *connection* is in autocommit; each chunk is a transaction in which its letters are marked. A letter that is refused
    again stays as it is. Raises psycopg.Error with the chunk undone.
    """
    registry = Registry()
    await registry.load(connection)
    done = Replayed()
    after = 0
    while letters := await choose(connection, choice, limit=CHUNK, after=after):
        after = letters[-1].dead_letter_id
        async with connection.transaction():
            again = await _replay_chunk(connection, letters, registry, done)
            await connection.execute(MARK, {"ids": [one.dead_letter_id for one in letters if _key(one) not in again]})
    return done


async def count_older(connection: AsyncConnection[Any], *, older_than: timedelta, reason: Reason | None) -> int:
    """How many dead letters :func:`purge` would delete."""
    cursor = await connection.execute(COUNT_OLDER, {"older_than": older_than, "reason": reason})
    row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0


async def purge(connection: AsyncConnection[Any], *, older_than: timedelta, reason: Reason | None) -> int:
    """Delete dead letters that came longer ago than *older_than*; how many.

    Payloads that nobody refers to any more are left to the housekeeping of fleet.
    """
    cursor = await connection.execute(PURGE, {"older_than": older_than, "reason": reason})
    return cursor.rowcount


async def _replay_chunk(
    connection: AsyncConnection[Any], letters: Sequence[Kept], registry: Registry, done: Replayed
) -> set[tuple[str, bytes, int]]:
    """Write what *letters* hold; the keys of those refused again."""
    wanted: dict[tuple[str, bytes, datetime], set[int]] = {}
    for letter in letters:
        wanted.setdefault((letter.topic, letter.payload, letter.received_at), set()).add(letter.record_index)
    batch = Batch()
    for (topic, payload, received_at), indexes in wanted.items():
        part = Batch()
        take_in(Arrival(topic, payload, received_at), registry, part)
        _keep_only(part, indexes)
        batch.tellings += part.tellings
        batch.births += part.births
        batch.dead_letters += part.dead_letters
    account = await write(connection, batch, worker=REPLAY_WORKER, isolate=True)
    again = {(one.arrival.topic, one.arrival.payload, one.refusal.record_index) for one in account.refused_again}
    done.letters += len(letters)
    done.refused_again += sum(_key(one) in again for one in letters)
    for counts in account.streams.values():
        done.stored += counts.stored
        done.duplicate += counts.duplicate
        done.conflict += counts.conflict
    done.duplicate -= sum(one.refusal.records for one in account.refused_again)
    return again


def _keep_only(part: Batch, indexes: set[int]) -> None:
    """Of a message of which some records were stored at the time, only the *indexes* that were not."""
    if WHOLE_MESSAGE in indexes:
        return
    part.tellings[:] = [
        msgspec.structs.replace(telling, message=telling.message.only(indexes.__contains__))
        for telling in part.tellings
    ]
    part.dead_letters[:] = [
        letter for letter in part.dead_letters if letter.refusal.record_index in {*indexes, WHOLE_MESSAGE}
    ]


def _key(letter: Kept) -> tuple[str, bytes, int]:
    return letter.topic, letter.payload, letter.record_index
