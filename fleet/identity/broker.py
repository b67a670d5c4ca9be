"""The fleet's part in who may use nats-server: composed here, and kept up through any loss of broker and database.

database ─ snapshot ─┬─ callout ◀─ auth callout ─ nats-server
                     │     └─ accesses ─▶ database
                     └─ revocation ─ kick ─▶ nats-server (system account)
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from fleet.checks import Checks
from fleet.identity.accesses import Accesses
from fleet.identity.answers import Issuer
from fleet.identity.bus import Bus, BusError, connected
from fleet.identity.callout import QUEUE, SUBJECT, Callout
from fleet.identity.connections import Connections
from fleet.identity.revocation import Revocation
from fleet.identity.snapshot import Identities
from fleet.identity.status import SUBJECT as STATUS
from fleet.keys import Keys
from fleet.metrics import Metrics
from store.backoff import Backoff
from store.database import connect_once
from store.errors import DatabaseError
from store.settings import Settings
from store.stopping import end

CHECKS: Final = ("identities", "logins", "revocation", "accesses")
LONGEST_WAIT_SECONDS: Final = 2.0


def issuer_of(settings: Settings) -> Issuer:
    """The issuer of this installation. Raises DatabaseError or KeyFileError."""
    with connect_once(settings.require_database_url(), application_name="tracefleet issuer") as connection:
        return Issuer(Keys.of(settings).key(connection, "broker"))


async def keep_the_door(settings: Settings, url: SecretStr, *, metrics: Metrics, checks: Checks) -> None:
    """Answer who may connect to nats-server at *url*, and close who may no longer, until cancelled.

    Raises KeyFileError when the installation's key is missing or another one.
    """
    database_url = settings.require_database_url()
    identities, accesses = Identities(), Accesses()
    revocation = Revocation(identities)
    system_url = settings.nats_system_url or url
    async with asyncio.TaskGroup() as group:
        group.create_task(identities.follow(database_url), name="identities")
        group.create_task(accesses.record(database_url, checks), name="accesses")
        callout = Callout(identities, await _issuer(settings, checks), accesses, metrics)
        await identities.loaded.wait()
        checks.fine("identities")

        async def answer(bus: Bus) -> None:
            await bus.answer(SUBJECT, callout.answer, queue=QUEUE)
            await bus.answer(STATUS, callout.status, queue=QUEUE)
            checks.fine("logins")
            await bus.ended()

        async def revoke(bus: Bus) -> None:
            # Whoever is let in from now on is let in by a snapshot whose changes are acted upon.
            checks.fine("revocation")
            await _while_connected(bus, revocation.keep(Connections(bus)))

        for check, where, work in (("logins", url, answer), ("revocation", system_url, revoke)):
            group.create_task(_on_the_bus(where, work, check=check, checks=checks), name=check)


async def _issuer(settings: Settings, checks: Checks) -> Issuer:
    backoff = Backoff(cap_seconds=LONGEST_WAIT_SECONDS)
    while True:
        try:
            return await asyncio.to_thread(issuer_of, settings)
        except DatabaseError as error:
            checks.trouble("identities", str(error))
            await asyncio.sleep(backoff.next_seconds())


async def _on_the_bus(url: SecretStr, work: Callable[[Bus], Awaitable[None]], *, check: str, checks: Checks) -> None:
    """Do *work* on a connection to *url*, and on a new one whenever it ends."""
    backoff = Backoff(cap_seconds=LONGEST_WAIT_SECONDS)
    where = urlsplit(url.get_secret_value())
    while True:
        words = "the connection was lost"
        try:
            async with connected(url.get_secret_value(), name=f"tracefleet fleet {check}") as bus:
                backoff.reset()
                await work(bus)
        except BusError as error:
            words = str(error)
        checks.trouble(check, f"nats-server at {where.hostname}:{where.port or 4222}: {words}")
        await asyncio.sleep(backoff.next_seconds())


async def _while_connected(bus: Bus, work: Awaitable[None]) -> None:
    """Do *work* until it ends or the connection does. Raises BusError."""
    working = asyncio.ensure_future(work)
    ended = asyncio.ensure_future(bus.ended())
    try:
        await asyncio.wait((working, ended), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        await end(working, ended)
