"""Asks, over nats-server, whether a fleet answers its logins: for those who check, and those who wait for a change.

On a subject of its own: nats-server lets nobody but itself ask on that of the logins.
"""

from typing import Final

import msgspec

from fleet.identity.bus import BusError, connected

SUBJECT: Final = "tracefleet.fleet.status"
ANSWER_SECONDS: Final = 5.0


class Status(msgspec.Struct, frozen=True):
    """What the fleet that answered knows: how many devices, and the latest credential of all (0 for none)."""

    devices: int
    newest_credential_id: int


async def ask(url: str) -> Status:
    """The answer of a fleet at nats-server's *url*. Raises BusError where the server or the fleet gives none."""
    async with connected(url, name="tracefleet status") as bus:
        answer = await bus.ask(SUBJECT, b"", seconds=ANSWER_SECONDS)
    try:
        return msgspec.json.decode(answer, type=Status)
    except msgspec.MsgspecError as error:
        raise BusError("what answers logins there is no fleet of ours") from error
