"""The chain of seals: seal n is an HMAC over audit row n and seal n - 1, with a key the database never sees."""

import hmac
from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg import Connection

# Any fixed number: whoever seals holds it until the commit, so numbers have no gap and no twin.
SEALING_LOCK: Final = 0x7461636500000003
# Before the first.
GENESIS: Final = bytes(32)

TAKE_TURNS: Final = "SELECT pg_advisory_xact_lock(%(lock)s)"
HEAD: Final = "SELECT seal_no, seal FROM audit_seals ORDER BY seal_no DESC LIMIT 1"
# As text, which every version of the server writes alike; the time as microseconds, which no time zone changes.
SEALED_COLUMNS: Final = """
a.audit_id, (extract(epoch FROM a.at) * 1000000)::bigint, a.actor, a.origin, a.reason, a.operation::text, a.db_user,
a.action, a.entity, a.entity_id, a.label, a.before::text, a.after::text
"""
TAKE_UNSEALED: Final = f"""
WITH taken AS (DELETE FROM audit_unsealed RETURNING audit_id)
SELECT {SEALED_COLUMNS} FROM taken JOIN audit AS a USING (audit_id) ORDER BY a.audit_id
"""  # noqa: S608 - a constant in a constant
KEEP: Final = "COPY audit_seals (seal_no, audit_id, seal) FROM STDIN (FORMAT BINARY)"

Sealed = Sequence[object]


def seal(connection: Connection[Any], key: bytes) -> int:
    """Seal every row that waits for it and can be seen by this transaction; how many there were.

    To be called last: until the commit nobody else can seal.
    """
    connection.execute(TAKE_TURNS, {"lock": SEALING_LOCK})
    rows = connection.execute(TAKE_UNSEALED).fetchall()
    if not rows:
        return 0
    number, last = connection.execute(HEAD).fetchone() or (0, GENESIS)
    with connection.cursor().copy(KEEP) as copy:
        copy.set_types(["int8", "int8", "bytea"])
        for audit_id, made in _chained(rows, key, number, bytes(last)):
            number += 1
            copy.write_row((number, audit_id, made))
    return len(rows)


def _chained(rows: Sequence[Sealed], key: bytes, number: int, last: bytes) -> Iterator[tuple[object, bytes]]:
    for row in rows:
        number += 1
        last = seal_of(key, number, last, row)
        yield row[0], last


def seal_of(key: bytes, seal_no: int, before: bytes, row: Sealed) -> bytes:
    """The seal of an audit *row* (its SEALED_COLUMNS) as number *seal_no*, after the seal *before*. Pure.

    Each field with its length, so that no two rows read the same.
    """
    parts = [before, seal_no.to_bytes(8, "big")]
    for field in row:
        if field is None:
            parts.append(b"-")
        else:
            text = str(field).encode()
            parts += (len(text).to_bytes(8, "big"), text)
    return hmac.digest(key, b"".join(parts), "sha256")
