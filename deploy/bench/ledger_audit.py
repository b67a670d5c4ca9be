"""Verifying the audit, measured on a scratch database that is filled with sealed rows as fast as it takes them."""

import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from fleet.audit.anchors import FILE_NAME, append
from fleet.audit.sealing import BEFORE_ALL, GENESIS, KEEP, SEALED_COLUMNS, chained
from fleet.audit.verification import verify
from fleet.keys import Keys
from store.database import connect_once

NAME: Final = "tracefleet bench ledger"
AT_ONCE: Final = 10_000

# Nobody but the owner can fill in rows that no table wrote; and they get their seals here, without the queue.
WITHOUT_TRIGGERS: Final = "ALTER TABLE audit DISABLE TRIGGER USER"
WITH_TRIGGERS: Final = "ALTER TABLE audit ENABLE TRIGGER USER"
# Each a device that is moved, with all columns that a device has, as real ones are.
FILL: Final = """
INSERT INTO audit (at, actor, origin, reason, operation, action, entity, entity_id, label, before, after)
SELECT now(), 'bench', 'command line of bench', 'moved to another stall', gen_random_uuid(), 'update', 'devices',
       n::text, 'TD-410100-SC-' || lpad(n::text, 7, '0'),
       blank || jsonb_build_object('device_id', n, 'stall_no', 'A-1'),
       blank || jsonb_build_object('device_id', n, 'stall_no', 'B-2')
FROM generate_series(1, %(rows)s) AS n,
     LATERAL (SELECT to_jsonb(d) AS blank FROM (SELECT (NULL::devices).*) AS d) AS shape
"""
NEXT: Final = f"SELECT {SEALED_COLUMNS} FROM audit AS a WHERE a.audit_id > %(after)s ORDER BY a.audit_id LIMIT %(rows)s"  # noqa: S608 - a constant in a constant


def measure_audit(url: str, rows: int) -> dict[str, Any]:
    """Fill the migrated, otherwise unused database at *url* with *rows* sealed rows of the audit, and verify them.

    How long each took, how fast, how much memory verifying added, and whether the chain was whole.
    """
    with tempfile.TemporaryDirectory(prefix="tracefleet-bench-") as folder:
        keys, file = Keys(Path(folder) / "key"), Path(folder) / FILE_NAME
        with connect_once(url, application_name=NAME) as connection:
            began = time.perf_counter()
            key = keys.key(connection, "audit")
            head = _fill(connection, rows, key)
            append(file, key, *head)
            filled = time.perf_counter()
            before = _peak_bytes()
            verdict = verify(connection, keys, file)
            seconds = time.perf_counter() - filled
            return {
                "rows": verdict.sealed,
                "fill_seconds": round(filled - began, 2),
                "verify_seconds": round(seconds, 2),
                "rows_per_second": round(verdict.sealed / seconds),
                "verify_memory_mb": round((_peak_bytes() - before) / 2**20, 1),
                "whole": verdict.is_whole,
            }


def _fill(connection: Connection[Any], rows: int, key: bytes) -> tuple[int, bytes]:
    with connection.transaction():
        connection.execute(WITHOUT_TRIGGERS)
        connection.execute(FILL, {"rows": rows})
        # What a migration left unsealed gets its seal with the others.
        connection.execute("DELETE FROM audit_unsealed")
        connection.execute(WITH_TRIGGERS)
        head = _seal(connection, key)
    connection.execute("VACUUM ANALYZE audit, audit_seals")
    return head


def _seal(connection: Connection[Any], key: bytes) -> tuple[int, bytes]:
    number, last, after = 0, GENESIS, BEFORE_ALL
    while rows := connection.execute(NEXT, {"after": after, "rows": AT_ONCE}).fetchall():
        with connection.cursor().copy(KEEP) as copy:
            copy.set_types(["int8", "int8", "bytea"])
            for made in chained(rows, key, number, last):
                copy.write_row(made)
                number, _, last = made
        after = rows[-1][0]
    return number, last


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
