"""What simulated devices prove themselves by: issued by the ledger at each start, kept in memory, good for this run.

Those of an earlier run are revoked with it; whatever else a device has stays good.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from psycopg import Connection

from fleet.acting import Actor, acting
from fleet.identity.bus import BusError
from fleet.identity.credentials import issue_many
from fleet.identity.status import ask
from fleet.keys import Keys
from store.database import connect_once
from store.errors import TracefleetError
from store.settings import Settings

NOTE: Final = "tracefleet simulate"
# Fleet hears of new credentials within two seconds; a fleet that is being started takes longer.
KNOWN_SECONDS: Final = 10.0
# Those that may have one. The others are refused by the broker, as in life.
MAY_HAVE: Final = """
SELECT device_no FROM devices WHERE device_no = ANY(%(numbers)s) AND NOT is_retired(state, decommissioned_at) ORDER BY 1
"""
NEWEST: Final = "SELECT coalesce(max(credential_id), 0) FROM credentials"
REVOKE: Final = """
UPDATE credentials AS c SET revoked_at = now(), revoked_reason = 'the simulation ended'
FROM devices AS d
WHERE d.device_id = c.device_id AND d.device_no = ANY(%(numbers)s) AND c.note = %(note)s AND c.revoked_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Equipment:
    """The secrets by device, and the latest of their credentials."""

    secrets: dict[str, str] = field(repr=False)
    newest_credential_id: int


def issue(settings: Settings, numbers: Iterable[str], actor: Actor) -> Equipment:
    """A new secret for each device of *numbers* that the ledger has; those of an earlier run are revoked."""
    with connect_once(settings.require_database_url(), application_name="tracefleet simulate") as connection:
        return _issue(connection, list(numbers), actor, Keys.of(settings))


def _issue(connection: Connection[Any], numbers: list[str], actor: Actor, keys: Keys) -> Equipment:
    with acting(connection, actor, keys=keys, reason="simulated devices connect"):
        connection.execute(REVOKE, {"numbers": numbers, "note": NOTE})
        able = [str(number) for (number,) in connection.execute(MAY_HAVE, {"numbers": numbers})]
        secrets = issue_many(connection, able, now=datetime.now(UTC), note=NOTE)
        newest = connection.execute(NEWEST).fetchone()
        return Equipment(secrets, newest[0] if newest else 0)


async def wait_until_known(nats_url: str, newest_credential_id: int) -> None:
    """Return when a fleet that answers nats-server knows the credential. Raises TracefleetError after 10 s."""
    deadline = time.monotonic() + KNOWN_SECONDS
    while True:
        try:
            if (await ask(nats_url)).newest_credential_id >= newest_credential_id:
                return
            words = "it does not know what the ledger has just issued"
        except BusError as error:
            words = str(error)
        if time.monotonic() > deadline:
            where = urlsplit(nats_url)
            raise TracefleetError(
                f"the fleet that lets devices in at {where.hostname}:{where.port} is not ready: {words}. Check that "
                f"`tracefleet fleet` runs on this database, or pass --no-credentials to a broker that asks nobody."
            )
        await asyncio.sleep(0.1)
