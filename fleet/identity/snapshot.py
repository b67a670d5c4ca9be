"""Who may connect: every device of the ledger and what it proves itself by, in memory and renewed when either changes.

The database notifies; polling is the fallback for a notification lost with its connection. While the database is away
the last snapshot answers. A snapshot is replaced at once, so nobody is judged by half of a change.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Literal

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection

from fleet.identity.secret import digest
from store.backoff import Backoff
from store.database import connect_service

CHANNELS: Final = ("tracefleet_identity", "tracefleet_registry")
POLL_SECONDS: Final = 30.0
# Changes one after the other share a load.
SHARE_SECONDS: Final = 0.3
# Rows between two turns of the loop: a few milliseconds of work, so that logins go on during a load.
CHUNK: Final = 2000

IDENTITIES: Final = """
SELECT d.device_id, d.device_no, is_retired(d.state, d.decommissioned_at) AS is_retired,
       m.kind = 'gateway' AS is_gateway, CASE WHEN m.kind = 'gateway' THEN g.behind END AS behind,
       c.credential_id, c.secret_sha256, c.certificate_sha256, c.expires_at, c.revoked_at
FROM devices AS d
JOIN models AS m USING (model_id)
LEFT JOIN (
    SELECT gateway_id, array_agg(device_no ORDER BY device_no) AS behind
    FROM devices WHERE gateway_id IS NOT NULL AND NOT is_retired(state, decommissioned_at)
    GROUP BY gateway_id
) AS g ON g.gateway_id = d.device_id
LEFT JOIN credentials AS c USING (device_id)
ORDER BY d.device_id, c.credential_id
"""

# As refused_accesses has them.
Reason = Literal["no_credentials", "unknown_device", "wrong_secret", "revoked", "expired", "retired", "wrong_client_id"]

log = structlog.get_logger()


class Credential(msgspec.Struct, frozen=True, gc=False):
    """What a device proves itself by; one of the two digests is there."""

    credential_id: int
    secret_sha256: bytes | None
    certificate_sha256: bytes | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Whether it lets in at *now*."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def ended_at(self) -> datetime | None:
        """When it ceases or ceased to let in, as far as it is known."""
        if self.revoked_at is None or self.expires_at is None:
            return self.revoked_at or self.expires_at
        return min(self.revoked_at, self.expires_at)


class Identity(msgspec.Struct, frozen=True):
    """A device of the ledger as somebody who connects. *behind* are the devices it speaks for, without the retired."""

    device_id: int
    device_no: str
    is_retired: bool
    is_gateway: bool
    behind: tuple[str, ...]
    credentials: tuple[Credential, ...]


class Admitted(msgspec.Struct, frozen=True):
    """It is who it says; *expires_at* ends the connection, too."""

    identity: Identity
    credential_id: int
    expires_at: datetime | None


class Denied(msgspec.Struct, frozen=True):
    """It is not let in. *device_id* is known where the name is that of a device."""

    reason: Reason
    device_id: int | None = None


# Called with the snapshot before and the one after, when something changed.
Watcher = Callable[[Mapping[str, Identity], Mapping[str, Identity]], None]


class Identities:
    """The current snapshot. Empty until the first :meth:`load`."""

    def __init__(self) -> None:
        self._by_number: Mapping[str, Identity] = {}
        self._by_certificate: Mapping[bytes, Identity] = {}
        self.newest_credential_id = 0
        self._watchers: list[Watcher] = []
        self.loaded = asyncio.Event()

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Identity]:
        return iter(self._by_number.values())

    def get(self, device_no: str) -> Identity | None:
        """The identity of a device, if the ledger has it."""
        return self._by_number.get(device_no)

    def watch(self, watcher: Watcher) -> None:
        """Have *watcher* called at each change from now on, in the loop; it must not take long."""
        self._watchers.append(watcher)

    def authenticate(
        self,
        username: str | None,
        secret: str | None,
        client_id: str | None,
        certificate_sha256: bytes | None = None,
        *,
        now: datetime,
    ) -> Admitted | Denied:
        """Whether it is who it says. The user name is the device's number, and so must the client id be.

        A secret given has to be right; without one a certificate will do, and then without a user name as well. What
        a retired device shows is not looked at: that it still tries is what people want to know.
        """
        identity = self._who(username, secret, certificate_sha256)
        if isinstance(identity, Denied):
            return identity
        if identity.is_retired:
            return Denied("retired", identity.device_id)
        credential = _matching(identity, secret, certificate_sha256)
        if credential is None:
            return Denied("wrong_secret", identity.device_id)
        if not credential.is_good(now):
            return Denied("revoked" if credential.revoked_at is not None else "expired", identity.device_id)
        if client_id != identity.device_no:
            return Denied("wrong_client_id", identity.device_id)
        return Admitted(identity, credential.credential_id, credential.expires_at)

    def _who(self, username: str | None, secret: str | None, certificate_sha256: bytes | None) -> Identity | Denied:
        if not secret and certificate_sha256 is None:
            return Denied("no_credentials", self._device_id(username))
        if username:
            return self._by_number.get(username) or Denied("unknown_device")
        # Without a name a certificate tells who it is; a secret does not.
        known = self._by_certificate.get(certificate_sha256) if certificate_sha256 is not None and not secret else None
        return known or Denied("no_credentials")

    def _device_id(self, username: str | None) -> int | None:
        identity = self._by_number.get(username) if username else None
        return identity.device_id if identity is not None else None

    async def load(self, connection: AsyncConnection[Any]) -> None:
        """Replace the snapshot by what the ledger says now; what did not change stays the same object."""
        rows = await connection.execute(IDENTITIES)
        before, after = self._by_number, dict[str, Identity]()
        waiting: list[tuple[Any, ...]] = []
        while chunk := await rows.fetchmany(CHUNK):
            waiting += chunk
            # The last device's credentials may go on in the next chunk.
            cut = _start_of_last(waiting)
            _take(waiting[:cut], before, after)
            del waiting[:cut]
            await asyncio.sleep(0)
        _take(waiting, before, after)
        self._replace(after)

    def _replace(self, after: Mapping[str, Identity]) -> None:
        before = self._by_number
        self._by_certificate = {
            credential.certificate_sha256: identity
            for identity in after.values()
            for credential in identity.credentials
            if credential.certificate_sha256 is not None
        }
        self.newest_credential_id = max((c.credential_id for one in after.values() for c in one.credentials), default=0)
        self._by_number = after
        was_loaded = self.loaded.is_set()
        self.loaded.set()
        if was_loaded:
            for watcher in self._watchers:
                watcher(before, after)

    async def follow(self, database_url: str) -> None:
        """Keep the snapshot current until cancelled, through any loss of the database."""
        backoff = Backoff(cap_seconds=5)
        while True:
            try:
                async with await connect_service(
                    database_url, application_name="tracefleet fleet identities"
                ) as connection:
                    for channel in CHANNELS:
                        await connection.execute(f"LISTEN {channel}")
                    await self._renew(connection, backoff)
            except (psycopg.Error, OSError) as error:
                if backoff.attempts == 0:
                    log.warning("identities cannot be renewed, the last snapshot stays", error=str(error))
                await asyncio.sleep(backoff.next_seconds())

    async def _renew(self, connection: AsyncConnection[tuple[object, ...]], backoff: Backoff) -> None:
        while True:
            await self.load(connection)
            if backoff.attempts:
                log.info("identities are renewed again", devices=len(self))
            backoff.reset()
            await asyncio.sleep(SHARE_SECONDS)
            # One notification ends the wait; those that came with it are answered by the same load.
            with contextlib.suppress(TimeoutError):
                async for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                    pass


def _matching(identity: Identity, secret: str | None, certificate_sha256: bytes | None) -> Credential | None:
    given = digest(secret) if secret else None
    found = None
    for credential in identity.credentials:
        known = credential.secret_sha256 if given is not None else credential.certificate_sha256
        # All are compared, whatever is found: how long it takes says nothing of what is right.
        if known is not None and hmac.compare_digest(known, given or certificate_sha256 or b""):
            found = credential
    return found


def _start_of_last(rows: list[tuple[Any, ...]]) -> int:
    """Where the rows of the last device begin."""
    last = rows[-1][0]
    start = len(rows) - 1
    while start and rows[start - 1][0] == last:
        start -= 1
    return start


def _take(rows: list[tuple[Any, ...]], before: Mapping[str, Identity], after: dict[str, Identity]) -> None:
    for _, group in groupby(rows, key=lambda row: row[0]):
        lines = list(group)
        device_id, device_no, is_retired, is_gateway, behind = lines[0][:5]
        credentials = tuple(Credential(*line[5:]) for line in lines if line[5] is not None)
        identity = Identity(device_id, device_no, is_retired, is_gateway, tuple(behind or ()), credentials)
        known = before.get(device_no)
        after[device_no] = known if known == identity else identity
