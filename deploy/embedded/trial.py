"""A device to try things with by hand: the spare logger of a simulated city, which nobody plays."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from fleet.acting import Actor, acting
from fleet.identity.credentials import issue
from fleet.keys import Keys

UP: Final = Actor("tracefleet up", "the embedded system")
# The secret is on a screen: it is good for a day, or until the next start.
GOOD_FOR: Final = timedelta(days=1)
A_LOGGER: Final = """
SELECT device_no, state = 'in_stock' AS is_spare FROM devices JOIN models USING (model_id)
WHERE kind = 'logger' AND NOT is_retired(state, decommissioned_at) ORDER BY state = 'in_stock' DESC, device_no LIMIT 1
"""
REVOKE: Final = """
UPDATE credentials AS c SET revoked_at = now(), revoked_reason = 'replaced at the next start'
FROM devices AS d
WHERE d.device_id = c.device_id AND d.device_no = %(device_no)s AND c.note = %(note)s AND c.revoked_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """A registered logger, and its secret where one was made for the purpose."""

    device_no: str
    secret: str | None = None
    credential_id: int = 0


def find(connection: Connection[Any], keys: Keys, *, is_simulated: bool) -> Trial | None:
    """A registered logger, if there is one; with a secret when it is the spare of a city that *is_simulated*."""
    found = connection.execute(A_LOGGER).fetchone()
    if found is None:
        return None
    device_no, is_spare = found
    if not (is_simulated and is_spare):
        return Trial(device_no)
    with acting(connection, UP, keys=keys, reason="a device to try things with"):
        connection.execute(REVOKE, {"device_no": device_no, "note": UP.who})
        issued = issue(connection, device_no, now=datetime.now(UTC), note=UP.who, expires_in=GOOD_FOR)
    return Trial(device_no, issued.secret, issued.credential_id)
