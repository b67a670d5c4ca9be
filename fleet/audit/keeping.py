"""What the fleet process does for the audit: seal what nobody sealed, and note the head of the chain outside.

Every replica may do both: who seals and who notes takes turns in the database, and what is done already is left alone.
"""

import asyncio
from pathlib import Path
from typing import Any, Final

from psycopg import AsyncConnection

from fleet.audit.anchors import append
from fleet.audit.sealing import AT_ONCE, HEAD, TRY_TURN, seal, seal_some
from fleet.audit.verification import verify
from fleet.checks import Checks
from fleet.errors import AnchorFileError, KeyFileError
from fleet.keys import Keys
from fleet.metrics import Metrics
from store.database import connect_once

# Any fixed number: whoever notes the head holds it, so one file gets it once.
ANCHORING_LOCK: Final = 0x7461636500000004
# What can be wrong apart from the database. Not anchored is no trouble yet: another replica may be at it.
KEY_CHECK: Final = "audit key"
ANCHOR_CHECK: Final = "audit anchor"
CHECKS: Final = {KEY_CHECK: "not tried yet", ANCHOR_CHECK: None}

STATE: Final = """
SELECT coalesce((SELECT max(seal_no) FROM audit_seals), 0)::bigint AS head,
       (SELECT count(*) FROM audit_unsealed) AS unsealed
"""


async def seal_stragglers(connection: AsyncConnection[Any], *, keys: Keys, metrics: Metrics, checks: Checks) -> None:
    """Seal what was changed past :mod:`fleet.acting`: with psql, by a migration. *connection* is in autocommit.

    A transaction for some rows at a time, so that those who change the ledger do not wait long in between.
    """
    key = await _key(connection, keys, checks)
    if key is not None:
        while await seal_some(connection, key) == AT_ONCE:
            pass
    head, unsealed = await (await connection.execute(STATE)).fetchone() or (0, 0)
    metrics.audit_head.set(head)
    metrics.audit_unsealed.set(unsealed)


async def anchor_head(
    connection: AsyncConnection[Any], *, keys: Keys, file: Path, metrics: Metrics, checks: Checks
) -> bool:
    """Note the head in *file* where it moved; whether it did. *connection* is in autocommit."""
    key = await _key(connection, keys, checks)
    if key is None:
        return False
    async with connection.transaction():
        if await (await connection.execute(TRY_TURN, {"lock": ANCHORING_LOCK})).fetchone() != (True,):
            return False
        head = await (await connection.execute(HEAD)).fetchone()
        try:
            is_noted = head is not None and await asyncio.to_thread(append, file, key, head[0], bytes(head[1]))
        except AnchorFileError as error:
            checks.trouble(ANCHOR_CHECK, str(error))
            return False
    checks.fine(ANCHOR_CHECK)
    metrics.audit_anchored.set_to_current_time()
    return is_noted


def seal_and_verify(database_url: str, keys: Keys, file: Path) -> int:
    """How many findings there are when all of it is read: a second of reckoning for some 80,000 rows.

    Raises DatabaseError, psycopg.Error, KeyFileError, AnchorFileError.
    """
    with connect_once(database_url, application_name="tracefleet fleet verification") as connection:
        # Before it is looked for the seals of: what a migration wrote waits for the first fleet, and is no finding. Its
        # key, too, is made here where there is none.
        with connection.transaction():
            seal(connection, keys.key(connection, "audit"))
        return verify(connection, keys, file).found


async def _key(connection: AsyncConnection[Any], keys: Keys, checks: Checks) -> bytes | None:
    try:
        key = await keys.key_for(connection, "audit")
    except KeyFileError as error:
        checks.trouble(KEY_CHECK, str(error))
        return None
    checks.fine(KEY_CHECK)
    return key
