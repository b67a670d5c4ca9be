"""The dead letters as people handle them: look, count, and purge what is of no more use. Replaying is ingest.replay."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row

from ingest.refusal import Reason

Order = Literal["asc", "desc"]
# Above every id.
NO_END: Final = 2**63 - 1
# Of a payload in a list: enough to know it by. A list of whole payloads would have no bound.
HEAD_BYTES: Final = 4096
PURGE_CHUNK: Final = 5000
# What deleting goes back to at most; PostgreSQL's calendar and Python's both reach further.
OLDEST_DAYS: Final = 36_500

CHOSEN: Final = """
d.dead_letter_id > %(after)s::int8 AND d.dead_letter_id <= %(through)s::int8
AND (%(ids)s::int8[] IS NULL OR d.dead_letter_id = ANY (%(ids)s::int8[]))
AND (%(reason)s::text IS NULL OR d.reason = %(reason)s::text)
AND (%(except_reason)s::text IS NULL OR d.reason <> %(except_reason)s::text)
AND (%(device_no)s::text IS NULL OR d.device_no = %(device_no)s::text)
AND (%(stream)s::text IS NULL OR d.stream = %(stream)s::text)
AND (%(replayed)s::bool IS NULL OR (d.replayed_at IS NOT NULL) = %(replayed)s::bool)
AND (%(since)s::timestamptz IS NULL OR d.received_at >= %(since)s::timestamptz)
AND (%(until)s::timestamptz IS NULL OR d.received_at < %(until)s::timestamptz)
"""
_LIST: Final = f"""
SELECT d.dead_letter_id, d.received_at, d.reason, d.detail, d.topic, d.device_no, d.stream, d.record_index, d.records,
       d.replayed_at, octet_length(p.payload) AS payload_bytes,
       substring(p.payload FROM 1 FOR %(head_bytes)s::int4) AS payload
FROM dead_letters AS d JOIN dead_letter_payloads AS p USING (payload_id)
WHERE {CHOSEN} ORDER BY d.dead_letter_id"""  # noqa: S608 - a constant in a constant
LIST: Final[dict[Order, str]] = {
    "asc": f"{_LIST} LIMIT %(limit)s",
    "desc": f"{_LIST} DESC LIMIT %(limit)s",
}
COUNT: Final = f"""
SELECT count(*) AS letters, coalesce(max(d.dead_letter_id), 0) AS through FROM dead_letters AS d WHERE {CHOSEN}
"""  # noqa: S608 - a constant in a constant
BY_REASON: Final = f"""
SELECT d.reason, count(*) AS letters, sum(d.records)::int8 AS records,
       count(*) FILTER (WHERE d.replayed_at IS NULL) AS waiting
FROM dead_letters AS d WHERE {CHOSEN} GROUP BY d.reason ORDER BY letters DESC, d.reason
"""  # noqa: S608 - a constant in a constant


OLDER: Final = """
d.received_at < %(before)s::timestamptz AND (%(reason)s::text IS NULL OR d.reason = %(reason)s::text)
"""
# The server's clock, once: what becomes old enough meanwhile was not meant.
BEFORE: Final = "SELECT now() - %(older_than)s::interval AS before"
COUNT_OLDER: Final = f"SELECT count(*) AS letters FROM dead_letters AS d WHERE {OLDER}"  # noqa: S608 - as above
# Letters that a replay holds are passed over, so neither ever waits for the other. Materialized, since a plan that asks
# twice for what is locked and limited would delete more than a chunk.
PURGE: Final = f"""
WITH chosen AS MATERIALIZED (
    SELECT d.dead_letter_id FROM dead_letters AS d WHERE {OLDER}
    ORDER BY d.received_at, d.dead_letter_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM dead_letters AS d USING chosen WHERE d.dead_letter_id = chosen.dead_letter_id
"""  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class Kept:
    """A dead letter with the head of its bytes, and how many they are."""

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
    payload_bytes: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant; None leaves a criterion open."""

    ids: list[int] | None = None
    reason: Reason | None = None
    except_reason: Reason | None = None
    device_no: str | None = None
    stream: str | None = None
    replayed: bool | None = None
    since: datetime | None = None
    until: datetime | None = None

    def within(self, *, after: int = 0, through: int = NO_END) -> dict[str, object]:
        """The parameters of CHOSEN: this choice among the ids above *after*, up to *through*."""
        own = {name: getattr(self, name) for name in Choice.__slots__}
        return own | {"after": after, "through": through}


async def choose(
    connection: AsyncConnection[Any],
    choice: Choice,
    *,
    limit: int,
    after: int = 0,
    through: int = NO_END,
    order: Order = "asc",
    head_bytes: int = HEAD_BYTES,
) -> list[Kept]:
    """Up to *limit* dead letters with an id above *after*, up to *through*, in that *order* of their ids.

    Of each payload at most *head_bytes*.
    """
    asked = choice.within(after=after, through=through) | {"limit": limit, "head_bytes": head_bytes}
    async with connection.cursor(row_factory=class_row(Kept)) as cursor:
        await cursor.execute(LIST[order], asked)
        return await cursor.fetchall()


async def count(
    connection: AsyncConnection[Any], choice: Choice, *, after: int = 0, through: int = NO_END
) -> tuple[int, int]:
    """How many dead letters are chosen, and the highest id among them; 0 when there are none."""
    cursor = await connection.execute(COUNT, choice.within(after=after, through=through))
    row = await cursor.fetchone()
    return (int(row[0]), int(row[1])) if row is not None else (0, 0)


async def cutoff(connection: AsyncConnection[Any], older_than: timedelta) -> datetime:
    """The instant *older_than* ago by the server's clock: what came before it is old enough."""
    cursor = await connection.execute(BEFORE, {"older_than": older_than})
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT without a table has one row
    before: datetime = row[0]
    return before


async def count_older(connection: AsyncConnection[Any], *, before: datetime, reason: Reason | None) -> int:
    """How many dead letters :func:`purge` would delete."""
    cursor = await connection.execute(COUNT_OLDER, {"before": before, "reason": reason})
    row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0


async def purge(connection: AsyncConnection[Any], *, before: datetime, reason: Reason | None) -> AsyncIterator[int]:
    """Delete dead letters that came before *before*, a chunk at a time, each committed before its number is told.

    Letters under replay are passed over. Payloads that nobody refers to any more are left to the housekeeping of fleet.
    """
    while gone := await purge_some(connection, before=before, reason=reason):
        yield gone


async def purge_some(connection: AsyncConnection[Any], *, before: datetime, reason: Reason | None) -> int:
    """Delete one chunk of what :func:`purge` would; how many, 0 at the end. *connection* is in autocommit."""
    cursor = await connection.execute(PURGE, {"before": before, "reason": reason, "limit": PURGE_CHUNK})
    return cursor.rowcount
