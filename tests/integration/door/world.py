"""A guarded broker, a ledger, and fleets in threads of their own that answer who may enter."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from deploy.embedded.broker import EmbeddedBroker
from deploy.embedded.broker_access import prepare
from fleet.acting import Actor, acting
from fleet.checks import Checks
from fleet.identity.broker import CHECKS, issuer_of, keep_the_door
from fleet.identity.bus import BusError, connected
from fleet.identity.credentials import Issued, issue, issue_many, revoke
from fleet.identity.status import ask
from fleet.keys import Keys
from fleet.metrics import Metrics
from store.settings import Settings
from tests.conftest import end, free_port, with_rights_of
from tests.integration.door.device import Device

LIMIT_SECONDS = 20.0
TESTER = Actor("tester", "a test")


def until(condition: Callable[[], object], *, what: str, seconds: float = LIMIT_SECONDS) -> None:
    """Return when *condition* holds; fail after *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


class Fleet:
    """The part of a fleet that answers, in a thread."""

    def __init__(self, settings: Settings) -> None:
        assert settings.nats_url is not None
        self.registry = CollectorRegistry()
        self.checks = Checks(dict.fromkeys(CHECKS, "not yet"))
        self._loop = asyncio.new_event_loop()
        door = keep_the_door(settings, settings.nats_url, metrics=Metrics(self.registry), checks=self.checks)
        self._task = self._loop.create_task(door)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def wait_ready(self) -> None:
        """Return when it answers, and has compared who is connected."""
        until(lambda: not any(self.checks.readiness().values()), what=f"checks: {self.checks.readiness()}")

    def logins(self, outcome: str) -> float:
        """How many it answered so."""
        return self.registry.get_sample_value("tracefleet_fleet_broker_logins_total", {"outcome": outcome}) or 0.0

    def stop(self) -> None:
        """End it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(LIMIT_SECONDS)
        assert not self._thread.is_alive()


class World:
    """What a test has: the broker runs, and as many fleets as were started."""

    def __init__(self, settings: Settings, broker: EmbeddedBroker, connection: psycopg.Connection[Any]) -> None:
        self.settings = settings
        self.broker = broker
        self.connection = connection
        self.keys = Keys.of(settings)
        self.fleets: list[Fleet] = []
        assert broker.access is not None
        self.nats_port = broker.access.port
        self.start_broker()

    def start_fleet(self, **given: object) -> Fleet:
        """One more fleet, answering; it may do in the database what its role may."""
        own = with_rights_of("tracefleet_fleet", self.settings.require_database_url())
        fleet = Fleet(self.settings.model_copy(update={"database_url": SecretStr(own)} | given))
        self.fleets.append(fleet)
        fleet.wait_ready()
        return fleet

    @contextmanager
    def changing(self) -> Iterator[psycopg.Connection[Any]]:
        """A change of the ledger by the tester."""
        with acting(self.connection, TESTER, keys=self.keys, reason="a test"):
            yield self.connection

    def register(self, device_no: str, *, kind: str = "logger", gateway: str | None = None) -> None:
        """Put a device into the ledger."""
        with self.changing() as connection:
            connection.execute(
                "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code)"
                " VALUES ('S', '冷库', 'Store', 'cold_store', '410100') ON CONFLICT DO NOTHING"
            )
            connection.execute(
                "INSERT INTO models (model_no, kind, vendor) VALUES (%(kind)s, %(kind)s, 'v') ON CONFLICT DO NOTHING",
                {"kind": kind},
            )
            connection.execute(
                "INSERT INTO devices (device_no, model_id, site_id, gateway_id)"
                " SELECT %s, m.model_id, s.site_id, (SELECT device_id FROM devices WHERE device_no = %s)"
                " FROM models m, sites s WHERE m.kind = %s",
                (device_no, gateway, kind),
            )

    def issue(self, device_no: str, *, expires_in: timedelta | None = None) -> Issued:
        """A credential; known to the fleet, if there is one."""
        with self.changing() as connection:
            issued = issue(connection, device_no, now=datetime.now(UTC), expires_in=expires_in)
        if self.fleets:
            until(lambda: self.newest() >= issued.credential_id, what="the fleet's knowledge of a credential")
        return issued

    def issue_many(self, device_nos: list[str]) -> dict[str, str]:
        """A secret for each; the last of them, and so all, known to the fleet."""
        *others, last = device_nos
        with self.changing() as connection:
            secrets = issue_many(connection, others, now=datetime.now(UTC))
        return secrets | {last: self.issue(last).secret}

    def newest(self) -> int:
        """The latest credential that the fleet knows; -1 where none answers."""
        try:
            return asyncio.run(ask(self.broker.nats_url or "")).newest_credential_id
        except BusError:
            return -1

    def revoke(self, device_no: str, credential_id: int | None = None) -> None:
        """Revoke one credential, or all."""
        with self.changing() as connection:
            revoke(connection, device_no, credential_id, reason="a test", now=datetime.now(UTC))

    def set_state(self, device_no: str, state: str) -> None:
        """As whoever changes it: straight in the table. A device may be decommissioned in any state."""
        with self.changing() as connection:
            if state == "decommissioned":
                connection.execute("UPDATE devices SET decommissioned_at = now() WHERE device_no = %s", (device_no,))
            else:
                connection.execute("UPDATE devices SET state = %s WHERE device_no = %s", (state, device_no))

    def url_of(self, username: str | None, secret: str | None) -> str:
        """The broker as somebody enters it."""
        entrance = f"{quote(username, safe='')}:{quote(secret or '')}@" if username is not None else ""
        return f"mqtt://{entrance}127.0.0.1:{self.broker.port}"

    def connect(self, issued: Issued, *, client_id: str | None = None, will: str | None = None) -> Device:
        """The device, connecting with its credential."""
        name = issued.device_no
        return Device(self.url_of(name, issued.secret), client_id if client_id is not None else name, will=will)

    def service(self, *topics: str) -> Device:
        """Our own user, subscribed to *topics*."""
        device = Device(self.broker.url, f"service-{time.monotonic_ns()}")
        assert device.is_in
        for topic in topics:
            assert device.is_granted(topic)
        return device

    def start_broker(self) -> None:
        """Start the broker, on its folder."""
        self.process = self.broker.start()
        self.broker.wait_ready(self.process)

    def stop_broker(self) -> None:
        """End the broker."""
        end(self.process)

    def speaks_nats(self, username: str, secret: str) -> bool:
        """Whether somebody is let in over NATS itself."""

        async def knock() -> bool:
            try:
                async with connected(f"nats://{username}:{secret}@127.0.0.1:{self.nats_port}", name="test"):
                    return True
            except BusError:
                return False

        return asyncio.run(knock())

    def log(self) -> str:
        """The broker's log so far."""
        return self.broker.log.read_text(encoding="utf-8")


@contextmanager
def a_world(database_url: str, folder: Path) -> Iterator[World]:
    """A world on a database, ended whatever happens."""
    settings = Settings(database_url=SecretStr(database_url), data_dir=folder / "data")
    access = prepare(folder / "broker", issuer=issuer_of(settings).public_key)
    broker = EmbeddedBroker(folder / "broker", free_port(), sync="2m", access=access)
    settings = settings.model_copy(update={"nats_url": SecretStr(broker.nats_url or "")})
    with psycopg.connect(database_url, autocommit=True) as connection:
        world = World(settings, broker, connection)
        try:
            yield world
        finally:
            for fleet in world.fleets:
                fleet.stop()
            world.stop_broker()
