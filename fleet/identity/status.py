"""Asks, as nats-server would, whether a fleet answers logins: for those who check, and those who wait for a change."""

from typing import Final

import msgspec

from fleet.identity.bus import BusError, connected

SUBJECT: Final = "$SYS.REQ.USER.AUTH"
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
