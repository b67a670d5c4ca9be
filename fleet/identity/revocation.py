"""Closes the connections of those who lost a right while they were connected: the broker asks at the beginning only.

After each change those whom it concerns are looked for and closed; they come back with what is left to them, if
anything. After each start, and each loss of the broker, everybody who is connected is compared with the ledger.
"""

import asyncio
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from fleet.identity.connections import Connection, Connections
from fleet.identity.snapshot import Credential, Identities, Identity

# A login that was answered by the snapshot before may not be listed yet when a change is acted upon.
LATE_SECONDS: Final = 1.0
ROUNDS: Final = 3
# Of the clocks of broker and database.
BLUR: Final = timedelta(seconds=5)

log = structlog.get_logger()


def losers(before: Mapping[str, Identity], after: Mapping[str, Identity]) -> Iterator[str]:
    """The numbers of those who may do less, or other things, *after*; pure."""
    for device_no, identity in before.items():
        now = after.get(device_no)
        if now is not identity and (now is None or _has_lost(identity, now)):
            yield device_no


def _has_lost(before: Identity, after: Identity) -> bool:
    if after.device_id != before.device_id or after.behind != before.behind or after.is_retired > before.is_retired:
        return True
    left = {credential.credential_id: credential for credential in after.credentials}
    return any(_ends_sooner(credential, left.get(credential.credential_id)) for credential in before.credentials)


def _ends_sooner(before: Credential, after: Credential | None) -> bool:
    if after is None:
        return True
    ended, ends = before.ended_at(), after.ended_at()
    return ends is not None and (ended is None or ends < ended)


def may_stay(identity: Identity | None, *, since: datetime, now: datetime) -> bool:
    """Whether a connection of *identity* that was opened at *since* may go on; pure.

    A credential that ended meanwhile may be the one it was opened with. What a gateway may do at *since* is unknown.
    """
    if identity is None or identity.is_retired or identity.is_gateway or identity.behind:
        return False
    if not any(credential.is_good(now) for credential in identity.credentials):
        return False
    ends = [ended for credential in identity.credentials if (ended := credential.ended_at()) is not None]
    return not any(since - BLUR < ended <= now for ended in ends)


class Revocation:
    """What is to be closed, and whoever closes it."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._names: set[str] = set()
        self._changed = asyncio.Event()
        identities.watch(self._note)

    def _note(self, before: Mapping[str, Identity], after: Mapping[str, Identity]) -> None:
        self._names.update(losers(before, after))
        if self._names:
            self._changed.set()

    async def keep(self, connections: Connections) -> None:
        """Compare everybody, then close what is to be closed, until cancelled. Raises BusError."""
        await self._compare(connections)
        while True:
            await self._changed.wait()
            self._changed.clear()
            names, self._names = self._names, set()
            try:
                await self._close(connections, names)
            except BaseException:
                self._names |= names
                self._changed.set()
                raise

    async def _compare(self, connections: Connections) -> None:
        closed = 0
        first_look: dict[str, datetime] = {}
        # Twice: of a long list that is read in pages, those move up whose predecessors leave meanwhile.
        for round_no in range(2):
            look = await connections.all()
            first_look = first_look or look.looked_at
            gone = [one for one in look.connections if _was_there(one, first_look) and not self._may_stay(one)]
            await connections.close(gone)
            closed += len(gone)
            if round_no == 0:
                await asyncio.sleep(LATE_SECONDS)
        log.info("connections are compared with the ledger", closed=closed)

    def _may_stay(self, connection: Connection) -> bool:
        identity = self._identities.get(connection.device_no)
        return may_stay(identity, since=connection.since, now=datetime.now(UTC))

    async def _close(self, connections: Connections, names: AbstractSet[str]) -> None:
        closed = 0
        first_look: dict[str, datetime] = {}
        for round_no in range(ROUNDS):
            look = await connections.of(names)
            first_look = first_look or look.looked_at
            gone = [one for one in look.connections if round_no == 0 or self._is_to_go(one, first_look)]
            await connections.close(gone)
            closed += len(gone)
            await asyncio.sleep(LATE_SECONDS / ROUNDS)
        if closed:
            log.info("connections closed whose right was taken", devices=len(names), connections=closed)

    def _is_to_go(self, connection: Connection, first_look: Mapping[str, datetime]) -> bool:
        """Whether it was there at the first look, or came back without a right."""
        if _was_there(connection, first_look):
            return True
        identity = self._identities.get(connection.device_no)
        now = datetime.now(UTC)
        return identity is None or identity.is_retired or not any(c.is_good(now) for c in identity.credentials)


def _was_there(connection: Connection, look: Mapping[str, datetime]) -> bool:
    """Whether it was opened before its server was first looked at."""
    begun = look.get(connection.server)
    return begun is not None and connection.since <= begun
