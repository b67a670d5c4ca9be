"""Who connected, who was refused, and from where: counted in memory and written each second.

Names are whatever a caller sent, so there is a limit to how many a second are kept apart, and to how many stay.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection

from fleet.checks import Checks
from fleet.identity.snapshot import Admitted, Denied
from store.backoff import Backoff
from store.database import connect_service, explain_unreachable

FLUSH_SECONDS: Final = 1.0
TRIM_SECONDS: Final = 60.0
NAME_LENGTH: Final = 64
# Different callers between two flushes; a flood of invented names is one row.
MOST_REFUSED: Final = 200
OTHERS: Final = "(others)"
# Of those that are no devices, so many are remembered, the latest.
MOST_STRANGERS: Final = 10_000
# Of each device as many: whoever knows its number invents client ids without end.
MOST_OF_A_DEVICE: Final = 100
# A database that is away costs history, not memory.
MOST_ADMITTED: Final = 100_000

# Whoever was deleted meanwhile is passed over. In order, so that two fleets never wait for each other.
ADMITTED: Final = """
INSERT INTO device_accesses AS known (device_id, host, first_at, last_at, accesses)
SELECT device_id, host, first_at, last_at, accesses
FROM unnest(%(device_id)s::int[], %(host)s::text[], %(first_at)s::timestamptz[], %(last_at)s::timestamptz[],
            %(accesses)s::bigint[]) AS a (device_id, host, first_at, last_at, accesses)
JOIN devices USING (device_id)
ORDER BY device_id, host
ON CONFLICT (device_id, host) DO UPDATE SET
    last_at = greatest(known.last_at, excluded.last_at), accesses = known.accesses + excluded.accesses
"""
USED: Final = """
INSERT INTO credential_uses AS known (credential_id, last_used_at, last_host)
SELECT credential_id, last_used_at, last_host
FROM unnest(%(credential_id)s::int[], %(last_used_at)s::timestamptz[], %(last_host)s::text[])
    AS u (credential_id, last_used_at, last_host)
JOIN credentials USING (credential_id)
ORDER BY credential_id
ON CONFLICT (credential_id) DO UPDATE SET last_used_at = excluded.last_used_at, last_host = excluded.last_host
WHERE known.last_used_at < excluded.last_used_at
"""
REFUSED: Final = """
INSERT INTO refused_accesses AS known (username, client_id, host, reason, device_id, first_at, last_at, accesses)
SELECT r.username, r.client_id, r.host, r.reason, devices.device_id, r.first_at, r.last_at, r.accesses
FROM unnest(%(username)s::text[], %(client_id)s::text[], %(host)s::text[], %(reason)s::text[], %(device_id)s::int[],
            %(first_at)s::timestamptz[], %(last_at)s::timestamptz[], %(accesses)s::bigint[])
    AS r (username, client_id, host, reason, device_id, first_at, last_at, accesses)
LEFT JOIN devices ON devices.device_id = r.device_id
ORDER BY r.username, r.client_id, r.host, r.reason
ON CONFLICT (username, client_id, host, reason) DO UPDATE SET
    last_at = greatest(known.last_at, excluded.last_at), accesses = known.accesses + excluded.accesses,
    device_id = excluded.device_id
"""
TRIM: Final = """
DELETE FROM refused_accesses WHERE device_id IS NULL AND last_at <= (
    SELECT last_at FROM refused_accesses WHERE device_id IS NULL ORDER BY last_at DESC OFFSET %(most)s LIMIT 1)
"""
TRIM_DEVICES: Final = """
DELETE FROM refused_accesses AS r USING (
    SELECT ctid, row_number() OVER (PARTITION BY device_id ORDER BY last_at DESC) AS place
    FROM refused_accesses WHERE device_id IS NOT NULL) AS ranked
WHERE r.ctid = ranked.ctid AND ranked.place > %(most)s
"""


K = TypeVar("K")


@dataclass(slots=True)
class _Count:
    device_id: int | None
    first_at: datetime
    last_at: datetime
    accesses: int = 1

    def again(self, at: datetime, times: int = 1) -> None:
        self.last_at = max(self.last_at, at)
        self.accesses += times


class Accesses:
    """What happened since the last flush."""

    def __init__(self) -> None:
        self._admitted: dict[tuple[int, str], _Count] = {}
        self._used: dict[int, tuple[datetime, str]] = {}
        self._refused: dict[tuple[str, str, str, str], _Count] = {}

    def admitted(self, who: Admitted, host: str, at: datetime) -> None:
        """*who* was let in from *host*."""
        device_id = who.identity.device_id
        if len(self._admitted) < MOST_ADMITTED:
            self._used[who.credential_id] = (at, host)
            count = self._admitted.get((device_id, host))
            if count is None:
                self._admitted[device_id, host] = _Count(device_id, at, at)
            else:
                count.again(at)

    def refused(self, username: str, client_id: str, host: str, denied: Denied, at: datetime) -> None:
        """Somebody who said so was not."""
        name = (_kept(username), _kept(client_id), host, denied.reason)
        if name not in self._refused and len(self._refused) >= MOST_REFUSED:
            name = (OTHERS, "", "", denied.reason)
        count = self._refused.get(name)
        if count is None:
            self._refused[name] = _Count(None if name[0] == OTHERS else denied.device_id, at, at)
        else:
            count.again(at)

    async def record(self, database_url: str, checks: Checks) -> None:
        """Write what happened, each second until cancelled, through any loss of the database."""
        backoff = Backoff(cap_seconds=5)
        while True:
            try:
                async with await connect_service(
                    database_url, application_name="tracefleet fleet accesses"
                ) as connection:
                    await self._record(connection, checks, backoff)
            except (psycopg.Error, OSError) as error:
                checks.trouble("accesses", explain_unreachable(database_url, error))
                await asyncio.sleep(backoff.next_seconds())

    async def _record(self, connection: AsyncConnection[Any], checks: Checks, backoff: Backoff) -> None:
        flushes = 0
        while True:
            await self.flush(connection)
            if flushes % round(TRIM_SECONDS / FLUSH_SECONDS) == 0:
                await connection.execute(TRIM, {"most": MOST_STRANGERS})
                await connection.execute(TRIM_DEVICES, {"most": MOST_OF_A_DEVICE})
            flushes += 1
            checks.fine("accesses")
            backoff.reset()
            await asyncio.sleep(FLUSH_SECONDS)

    async def flush(self, connection: AsyncConnection[Any]) -> None:
        """Write what happened; kept when it fails."""
        if not self._admitted and not self._refused:
            return
        admitted, used, refused = self._admitted, self._used, self._refused
        self._admitted, self._used, self._refused = {}, {}, {}
        try:
            async with connection.transaction():
                if admitted:
                    await connection.execute(ADMITTED, _of_admitted(admitted))
                    await connection.execute(USED, _of_used(used))
                if refused:
                    await connection.execute(REFUSED, _of_refused(refused))
        except BaseException:
            self._take_back(admitted, used, refused)
            raise

    def _take_back(
        self,
        admitted: dict[tuple[int, str], _Count],
        used: dict[int, tuple[datetime, str]],
        refused: dict[tuple[str, str, str, str], _Count],
    ) -> None:
        """What could not be written, with what came in the meantime."""
        self._admitted = _merged(admitted, self._admitted)
        self._used = used | self._used
        self._refused = _merged(refused, self._refused)


def _kept(name: str) -> str:
    """*name* as a column may hold it."""
    return name[:NAME_LENGTH].replace("\0", "\ufffd")


def _merged(before: dict[K, _Count], after: Mapping[K, _Count]) -> dict[K, _Count]:
    for name, count in after.items():
        if name in before:
            before[name].again(count.last_at, count.accesses)
        else:
            before[name] = count
    return before


def _of_admitted(counts: Mapping[tuple[int, str], _Count]) -> dict[str, list[Any]]:
    return {
        "device_id": [device_id for device_id, _ in counts],
        "host": [host for _, host in counts],
        **_times(counts.values()),
    }


def _of_used(used: Mapping[int, tuple[datetime, str]]) -> dict[str, list[Any]]:
    return {
        "credential_id": list(used),
        "last_used_at": [at for at, _ in used.values()],
        "last_host": [host for _, host in used.values()],
    }


def _of_refused(counts: Mapping[tuple[str, str, str, str], _Count]) -> dict[str, list[Any]]:
    columns = dict(zip(("username", "client_id", "host", "reason"), map(list, zip(*counts, strict=True)), strict=True))
    return columns | {"device_id": [count.device_id for count in counts.values()]} | _times(counts.values())


def _times(counts: Collection[_Count]) -> dict[str, list[Any]]:
    return {
        "first_at": [count.first_at for count in counts],
        "last_at": [count.last_at for count in counts],
        "accesses": [count.accesses for count in counts],
    }
