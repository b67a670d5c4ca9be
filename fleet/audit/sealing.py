"""The chain of seals: seal n is an HMAC over audit row n and seal n - 1, with a key the database never sees."""

import hmac
from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg import AsyncConnection, Connection

# Any fixed number: whoever seals holds it until the commit, so numbers have no gap and no twin.
SEALING_LOCK: Final = 0x7461636500000003
# Before the first.
GENESIS: Final = bytes(32)
BEFORE_ALL: Final = -(2**63)
# What is held in memory at once, some kilobytes a row.
AT_ONCE: Final = 5_000

TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(%(lock)s)"
TRY_TURN: Final = "SELECT pg_try_advisory_xact_lock(%(lock)s)"
HEAD: Final = "SELECT seal_no, seal FROM audit_seals ORDER BY seal_no DESC LIMIT 1"
# As text, which every version of the server writes alike; the time as microseconds, which no time zone changes and
# which can say infinity.
SEALED_COLUMNS: Final = """
a.audit_id, trunc(extract(epoch FROM a.at) * 1000000)::text, a.actor, a.origin, a.reason, a.operation::text, a.db_user,
a.action, a.entity, a.entity_id, a.label, a.before::text, a.after::text
"""
SEALED_FIELDS: Final = 13
# An entry whose row is gone stays in the queue: it tells of a deletion. An array, not IN: the queue is empty whenever
# the server looks at it, and for a queue that it takes for empty it plans to compare every entry with every other.
TAKE_UNSEALED: Final = f"""
WITH taken AS (
    DELETE FROM audit_unsealed WHERE audit_id = ANY (ARRAY(
        SELECT u.audit_id FROM audit_unsealed AS u JOIN audit AS w USING (audit_id)
        WHERE u.audit_id > %(after)s ORDER BY u.audit_id LIMIT %(rows)s))
    RETURNING audit_id)
SELECT {SEALED_COLUMNS} FROM taken JOIN audit AS a USING (audit_id) ORDER BY a.audit_id
"""  # noqa: S608 - a constant in a constant
KEEP: Final = "COPY audit_seals (seal_no, audit_id, seal) FROM STDIN (FORMAT BINARY)"

Sealed = Sequence[object]
# Number, audit_id and seal.
Made = tuple[int, object, bytes]


def seal(connection: Connection[Any], key: bytes) -> int:
    """Seal every row that waits for it and can be seen by this transaction; how many there were.

    To be called last: until the commit nobody else can seal.
    """
    connection.execute(TAKE_TURNS, {"lock": SEALING_LOCK})
    number, last = connection.execute(HEAD).fetchone() or (0, GENESIS)
    after, sealed = BEFORE_ALL, 0
    # By their numbers, not just the next ones: what was deleted a moment ago would be passed over again each time.
    while rows := connection.execute(TAKE_UNSEALED, {"after": after, "rows": AT_ONCE}).fetchall():
        with connection.cursor().copy(KEEP) as copy:
            copy.set_types(["int8", "int8", "bytea"])
            for made in chained(rows, key, number, bytes(last)):
                copy.write_row(made)
                number, _, last = made
        after, sealed = rows[-1][0], sealed + len(rows)
    return sealed


async def seal_some(connection: AsyncConnection[Any], key: bytes) -> int:
    """Seal some of what waits, in a transaction of its own; how many. None as well while somebody else is sealing."""
    async with connection.transaction():
        if await (await connection.execute(TRY_TURN, {"lock": SEALING_LOCK})).fetchone() != (True,):
            return 0
        number, last = await (await connection.execute(HEAD)).fetchone() or (0, GENESIS)
        rows = await (await connection.execute(TAKE_UNSEALED, {"after": BEFORE_ALL, "rows": AT_ONCE})).fetchall()
        if rows:
            async with connection.cursor().copy(KEEP) as copy:
                copy.set_types(["int8", "int8", "bytea"])
                for made in chained(rows, key, number, bytes(last)):
                    await copy.write_row(made)
        return len(rows)


def chained(rows: Sequence[Sealed], key: bytes, number: int, last: bytes) -> Iterator[Made]:
    """The seals of *rows*, after seal *number*, which is *last*. Pure."""
    for row in rows:
        number += 1
        last = seal_of(key, number, last, row)
        yield number, row[0], last


def seal_of(key: bytes, seal_no: int, before: bytes, row: Sealed) -> bytes:
    """The seal of an audit *row* (its SEALED_COLUMNS) as number *seal_no*, after the seal *before*. Pure.

    Each field with its length, so that no two rows read the same.
    """
    text = "".join(["-" if field is None else f"{len(told := str(field))}:{told}" for field in row])
    return hmac.digest(key, before + seal_no.to_bytes(8, "big") + text.encode(), "sha256")
