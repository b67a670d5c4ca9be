"""Deletes what is older than the table ``retention`` allows, as far as no policy of TimescaleDB does it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection, sql
from psycopg.rows import class_row, scalar_row

# Large enough to be quick, small enough that no transaction of it holds anything for long.
BATCH: Final = 5_000

# now() is read once a run, so that a run ends even while time goes on.
RULES: Final = """
SELECT retention.relation, retention.time_column, now() - retention.keep AS cutoff,
       coalesce(pg_attribute.atttypid = 'date'::regtype, false) AS by_day
FROM retention
LEFT JOIN pg_attribute ON attrelid = to_regclass(retention.relation) AND attname = retention.time_column
WHERE retention.dropped_by = 'housekeeping'
ORDER BY retention.relation
"""
# The relation and its column come from RULES. A day of Asia/Shanghai goes when the whole of it is too old.
_DELETE: Final = sql.SQL("""
DELETE FROM {relation} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {relation} WHERE {time_column} < {cutoff} LIMIT %(batch)s))
""")
_CUTOFF_DAY: Final = sql.SQL("(%(cutoff)s::timestamptz AT TIME ZONE 'Asia/Shanghai')::date")
_CUTOFF_TIME: Final = sql.SQL("%(cutoff)s::timestamptz")

# Ingest locks a payload that it finds and is about to refer to: such a one is skipped, and the others wait for us. Only
# once they are locked can it be said for certain that nobody refers to them, so that is asked again.
LOCK_UNREFERENCED: Final = """
SELECT payload_id FROM dead_letter_payloads AS payloads
WHERE NOT EXISTS (SELECT FROM dead_letters WHERE dead_letters.payload_id = payloads.payload_id)
LIMIT %(batch)s FOR UPDATE SKIP LOCKED
"""
DELETE_PAYLOADS: Final = """
DELETE FROM dead_letter_payloads AS payloads WHERE payload_id = ANY(%(payload_ids)s)
AND NOT EXISTS (SELECT FROM dead_letters WHERE dead_letters.payload_id = payloads.payload_id)
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of *relation* from before *cutoff* go; *by_day* when the column is a day, not an instant."""

    relation: str
    time_column: str
    cutoff: datetime
    by_day: bool


async def read_rules(connection: AsyncConnection[Any]) -> list[Rule]:
    """What is ours to delete now."""
    async with connection.cursor(row_factory=class_row(Rule)) as cursor:
        return await (await cursor.execute(RULES)).fetchall()


async def delete_old(connection: AsyncConnection[Any], rule: Rule) -> int:
    """Delete what *rule* says, batch by batch, each its own transaction; how many rows that were."""
    statement = _DELETE.format(
        relation=sql.Identifier(rule.relation),
        time_column=sql.Identifier(rule.time_column),
        cutoff=_CUTOFF_DAY if rule.by_day else _CUTOFF_TIME,
    )
    deleted = 0
    while True:
        cursor = await connection.execute(statement, {"cutoff": rule.cutoff, "batch": BATCH})
        deleted += cursor.rowcount
        if cursor.rowcount < BATCH:
            return deleted


async def delete_unreferenced_payloads(connection: AsyncConnection[Any]) -> int:
    """Delete the raw bytes that no dead letter refers to any more; how many."""
    deleted = 0
    while True:
        async with connection.transaction(), connection.cursor(row_factory=scalar_row) as cursor:
            payload_ids = await (await cursor.execute(LOCK_UNREFERENCED, {"batch": BATCH})).fetchall()
            await cursor.execute(DELETE_PAYLOADS, {"payload_ids": payload_ids})
            deleted += cursor.rowcount
        if len(payload_ids) < BATCH:
            return deleted
