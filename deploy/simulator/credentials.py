"""What simulated devices prove themselves by: issued by the ledger at each start, kept in memory, good for this run.

Those of an earlier run are revoked with it; whatever else a device has stays good.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import Connection

from deploy.mqtt_probe import refusal_of
from deploy.simulator.mqtt import Broker
from fleet.acting import Actor, acting
from fleet.identity.credentials import issue_many
from fleet.keys import Keys
from store.database import connect_once
from store.errors import TracefleetError
from store.settings import Settings

NOTE: Final = "tracefleet simulate"
# Fleet hears of new credentials within two seconds; a fleet that is being started takes longer.
KNOWN_SECONDS: Final = 20.0
# Those that may have one. The others are refused by the broker, as in life.
MAY_HAVE: Final = """
SELECT device_no FROM devices WHERE device_no = ANY(%(numbers)s) AND state NOT IN ('disposed', 'lost') ORDER BY 1
"""
REVOKE: Final = """
UPDATE credentials AS c SET revoked_at = now(), revoked_reason = 'the simulation ended'
FROM devices AS d
WHERE d.device_id = c.device_id AND d.device_no = ANY(%(numbers)s) AND c.note = %(note)s AND c.revoked_at IS NULL
"""


def issue(settings: Settings, numbers: Iterable[str], actor: Actor) -> dict[str, str]:
    """A new secret for each device of *numbers* that the ledger has; those of an earlier run are revoked."""
    with connect_once(settings.require_database_url(), application_name="tracefleet simulate") as connection:
        return _issue(connection, list(numbers), actor, Keys.of(settings))


def _issue(connection: Connection[Any], numbers: list[str], actor: Actor, keys: Keys) -> dict[str, str]:
    with acting(connection, actor, keys=keys, reason="simulated devices connect"):
        connection.execute(REVOKE, {"numbers": numbers, "note": NOTE})
        able = [str(number) for (number,) in connection.execute(MAY_HAVE, {"numbers": numbers})]
        return issue_many(connection, able, now=datetime.now(UTC), note=NOTE)


async def wait_until_known(broker: Broker, device_no: str, secret: str) -> None:
    """Return when the broker lets *device_no* in. Raises TracefleetError when it still does not after 20 s."""
    deadline = time.monotonic() + KNOWN_SECONDS
    url = broker.as_device(device_no, secret).url
    while (refusal := await asyncio.to_thread(refusal_of, url, client_id=device_no)) is not None:
        if time.monotonic() > deadline:
            raise TracefleetError(
                f"the broker at {broker.host}:{broker.port} does not let in {device_no} with the credential that the "
                f"ledger issued: {refusal}. Check that `tracefleet fleet` runs with TRACEFLEET_NATS_URL, "
                f"or pass --no-credentials to a broker that asks nobody."
            )
        await asyncio.sleep(0.1)
